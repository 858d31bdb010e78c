"""A memif peer that dies under load takes its shared rings with it, under the hands of the workers that poll them: the
data plane goes on, and the next peer is served."""

import time

from host import wait_for


def test_jetgen_is_killed_again_and_again(make_plane):
    plane = make_plane(queues=2, memif=True)
    for round_ in range(6):
        generator = plane.start_jetgen("echo-sweep.lua")
        wait_for(lambda: plane.total()["delivered"] > 0, 30, "traffic")
        before = plane.total()["delivered"]
        wait_for(lambda: plane.total()["delivered"] > before + 1000, 30, "more traffic")
        time.sleep(0.02 * round_)
        generator.kill()
        assert plane.dp.alive()
    found = plane.jetgen("replay-and-forgery.lua", "seconds=1", "rate=5000")
    assert found["corrupt_delivered"] == 0 and found["delivered"] > 0
    assert plane.dp.alive()
