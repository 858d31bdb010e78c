"""Every process is killed with -9, stopped and let go on, at random points, again and again, under traffic whose bytes are
checked: what broke says why, everybody is at work again soon, newcomers get in, and in the end nothing is left behind.

    JETPLANE_FAULT_SECONDS=1200 JETPLANE_SEED=7 pytest tests/e2e/test_faults_kill.py"""

import collections
import os
import pathlib
import random
import signal
import statistics
import time

from crowd import RESTARTED, SILENT, Crowd
from host import wait_for
from jetperf import LISTENERS
from stats import Stats

SECONDS = float(os.environ.get("JETPLANE_FAULT_SECONDS", 40))
SEED = int(os.environ.get("JETPLANE_SEED", 1))
IDLE_MS = 8000  # sessions that hear nothing for so long end
PATIENCE = 60  # seconds, for anybody to be at work again


def stop_for(crowd, program, seconds):
    program.process.send_signal(signal.SIGSTOP)
    crowd.run(seconds)
    program.process.send_signal(signal.SIGCONT)


def kill_jetplaned(plane, crowd, rng):
    plane.daemon.kill()
    crowd.run(rng.uniform(0, 2))
    plane.start_daemon(wait=False)


def kill_jetplane_dp(plane, crowd, rng):
    plane.dp.kill()
    crowd.run(rng.uniform(0, 1))
    plane.start_dp()


def kill_both(plane, crowd, rng):
    for program in rng.sample([plane.dp, plane.daemon], 2):
        program.kill()
        crowd.run(rng.uniform(0, 0.1))
    for start in rng.sample([plane.start_dp, lambda: plane.start_daemon(wait=False)], 2):
        start()


def any_client(crowd, rng):
    return rng.choice(list(crowd.bulk.values())).program


def kill_client(plane, crowd, rng):
    any_client(crowd, rng).kill()


def kill_listener(plane, crowd, rng):
    crowd.listener.program.kill()
    crowd.run(rng.uniform(0, 1))
    crowd.listener.start()


def stop_listener(plane, crowd, rng):
    stop_for(crowd, crowd.listener.program, rng.uniform(0.01, 3))


def stop_jetplaned(plane, crowd, rng):
    stop_for(crowd, plane.daemon, rng.uniform(0.01, 4))


def stop_jetplane_dp(plane, crowd, rng):
    stop_for(crowd, plane.dp, rng.uniform(0.01, 3))


def stop_client(plane, crowd, rng):
    stop_for(crowd, any_client(crowd, rng), rng.uniform(0.01, 3))


def stop_jetplane_dp_for_long(plane, crowd, rng):
    stop_for(crowd, plane.dp, 1.25 * IDLE_MS / 1000)


def stop_client_for_long(plane, crowd, rng):
    stop_for(crowd, any_client(crowd, rng), 1.25 * IDLE_MS / 1000)


def kill_jetplaned_while_stopped(plane, crowd, rng):
    plane.daemon.process.send_signal(signal.SIGSTOP)
    crowd.run(rng.uniform(0, 1))
    kill_jetplaned(plane, crowd, rng)


def kill_jetplane_dp_while_stopped(plane, crowd, rng):
    plane.dp.process.send_signal(signal.SIGSTOP)
    crowd.run(rng.uniform(0, 1))
    kill_jetplane_dp(plane, crowd, rng)


UNNOTICED = (kill_jetplaned, kill_jetplaned_while_stopped, stop_jetplaned, stop_jetplane_dp, stop_client, kill_client,
             stop_listener)
NOTICED = (kill_jetplane_dp, kill_jetplane_dp_while_stopped, kill_both, kill_listener)
EITHER = (stop_jetplane_dp_for_long, stop_client_for_long)
FAULTS = UNNOTICED + NOTICED + EITHER


def files_of(plane):
    """What is in a folder of its own and in those that all data planes share."""
    shared = [path for folder in ("/dev/hugepages", "/dev/shm", "/run/dpdk", "/var/run/dpdk")
              for path in pathlib.Path(folder).glob("*") if plane.data["name"] in path.name]
    return {path.name for path in plane.folder.iterdir() if path.suffix != ".log"}, shared


def sockets_of(plane):
    with plane.host:
        table = pathlib.Path("/proc/thread-self/net/unix").read_text()
    return [line for line in table.splitlines() if str(plane.folder) in line]


def descriptors(program):
    """The fewest in a while: a jetctl may just be leaving."""
    return min(len(os.listdir(f"/proc/{program.pid}/fd")) for _ in range(50) if not time.sleep(0.01))


def rest(plane):
    """What both programs hold while there is no session."""
    stats = Stats.of(plane.dp.pid)
    wait_for(lambda: stats.total()["sessions"] == 0, 60, "the sessions to end")
    plane.settle()
    free = wait_for(lambda: stats.mbufs()[0] and stats.mbufs(), 5, "a sample")
    stats.close()
    return {"mbufs": free, "descriptors of jetplane-dp": descriptors(plane.dp),
            "descriptors of jetplaned": descriptors(plane.daemon)}


def torment(plane, crowd, rng):
    """Returns how long it took to recover, by fault."""
    took, calm = collections.defaultdict(list), True
    until, bag, struck = time.monotonic() + SECONDS, [], set()
    while time.monotonic() < until or not struck & set(NOTICED):
        bag = bag or rng.sample(FAULTS, len(FAULTS))  # each once, then each once more
        fault = bag.pop()
        struck.add(fault)
        crowd.run(rng.uniform(0, 0.5))
        said = crowd.said()
        print(f"{until - time.monotonic():.1f} s left: {fault.__name__}")
        fault(plane, crowd, rng)
        was_calm, calm = calm, rng.random() < 0.8
        if not calm:  # the next fault comes before all is well
            continue
        took[fault.__name__].append(crowd.recover(PATIENCE))
        new = set(crowd.said() - said)
        if was_calm and fault not in EITHER:
            assert bool(new) == (fault in NOTICED) and new <= {RESTARTED, SILENT}, (fault.__name__, new)
    crowd.recover(PATIENCE)
    assert crowd.said()[RESTARTED] > 0
    return took


def figures(took, crowd):
    for name, seconds in sorted(took.items()):
        yield f"{name}: {len(seconds)} times, all well after {statistics.median(seconds):.1f} s, at most {max(seconds):.1f} s"
    yield f"clients said: {dict(crowd.said())}"
    yield (f"checked: {sum(bulk.bytes for bulk in crowd.bulk.values()) / 1e6:.0f} MB of bulk, "
           f"{sum(light.checked for light in crowd.light)} light messages")


def test_killed_and_stopped_at_random(make_plane, capsys):
    print(f"seed {SEED}")
    plane = make_plane(control={"idle_timeout_ms": IDLE_MS}, listeners=LISTENERS, max_streams=256,
                       full={"sessions": 256})
    before, files = rest(plane), files_of(plane)
    with Crowd(plane, listener=True) as crowd:
        crowd.recover(PATIENCE)
        took = torment(plane, crowd, random.Random(SEED))
        with capsys.disabled():
            print(f"\nseed {SEED}", *figures(took, crowd), sep="\n  ")
    for _ in range(20):  # mbufs are counted now and then
        if (after := rest(plane)) == before:
            break
        time.sleep(0.5)
    assert after == before and files_of(plane) == files
    plane.daemon.stop()
    plane.dp.stop()
    assert sockets_of(plane) == [] and not plane.socket.exists() and not plane.ctl_socket.exists()
