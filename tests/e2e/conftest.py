"""Fixtures of the end-to-end tests. Programs come from $JETPLANE_BUILD and $JETPLANE_SANITIZE."""

import os
import pathlib
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))


def why_not():
    """Why there can be no hosts here, or None."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    missing = [tool for tool in ("ip", "ethtool", "unshare") if not shutil.which(tool)]
    return f"{missing[0]} is not installed" if missing else None


@pytest.fixture
def make_plane():
    """A factory of planes; each is stopped in the end, and must have accounted for every packet."""
    if reason := why_not():
        pytest.skip(reason)
    from plane import Plane

    planes = []

    def make(*args, **options):
        planes.append(Plane(*args, **options))
        return planes[-1].start()

    yield make
    failed = []
    for plane in planes:
        try:
            plane.stop()
        except AssertionError as error:
            failed.append(str(error))
    assert not failed, "\n".join(failed)
