"""Fixtures of the end-to-end tests. Programs come from $JETPLANE_BUILD, $JETPLANE_SANITIZE and
$JETPLANE_THREADS."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from host import why_not  # noqa: E402


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
