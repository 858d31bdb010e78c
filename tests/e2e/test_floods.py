"""Floods of hellos as fast as jetgen makes them, beside sessions that send at a steady rate by the clock: what comes
back of that is held against what came back just before. Newcomers get in, memory does not grow, and all answers together
are no more than three times what was looked at (for each address: test_denial.py).

The flood and what it floods share the CPUs at one priority; only those that offer the steady traffic go first, since
they stand for machines elsewhere: what does not come back of it is the flood's doing, be it for want of CPU."""

import contextlib
import json
import os
import re
import sys
import threading
import time

import pytest
from host import wait_for, why_not
from jetperf import LISTENERS, Jetperf
from plane import BUILD, ROOT, Plane, sanitized
from stats import Stats

sys.path.append(str(ROOT / "tests/soak"))
from samples import memory_kib  # noqa: E402

QUIET, FLOOD = 3.5, 6  # seconds; jetgen makes 130,000 to 980,000 hellos in each, where it shares two CPUs
AT_ONCE, PATIENCE = 4, 15  # newcomers, seconds for each
LIGHT, FULL = 4000, 1000  # messages a second
REPLIES = 16384  # that jetplaned keeps at most to send them again (control/recent.h): they take their place once
GROWTH_KIB = 2048  # of a process, outside its pools
HELLO, ARP = 1344, 1000  # bytes; of all answers to jetgen's questions at most

STEADY = f"""
    jetgen.open {{ sessions = 16 }}
    jetgen.run {{ seconds = 600, rate = {LIGHT}, size = 512 }}"""

# What they are, and how many networks they come from: 65536 are more than limits keep apart. Who has good cookies is there.
FLOODS = {
    "spoofed": ("valid = true", 65536),
    "garbage": ("valid = false", 65536),
    "forged_cookies": ("valid = true, cookies = 'forged'", 65536),
    "one_network": ("valid = true", 1),
    "good_cookies": ("valid = true, cookies = 'good'", 2),
}
# That come in meanwhile at least: among more networks than limits keep apart, by chance and then with a cookie. At most
# half as many as the fewest seen on a machine with three times the work that it has CPUs for.
NEWCOMERS = {"spoofed": 3, "garbage": 20, "forged_cookies": 10, "one_network": 10, "good_cookies": 4}
PUNT_RATE, PUNT_BURST = 2000, 4000  # the default


def go_first(program):
    for thread in os.listdir(f"/proc/{program.pid}/task"):
        os.setpriority(os.PRIO_PROCESS, int(thread), -10)


class Light:
    """Light sessions of jetgen, whose echoes are counted every second."""

    offered = LIGHT

    def __init__(self, plane, folder):
        script = folder / "steady.lua"
        script.write_text(STEADY)
        self.program = plane.start_jetgen(script, port=1)
        self.began = wait_for(self._first, 30, "jetgen's first second")
        go_first(self.program)

    def _first(self):
        found = self._seconds()
        return found and time.monotonic() - found[0][0]

    def _seconds(self):
        """How long it went, and what was sent, had been held back and had come back by then."""
        lines = re.findall(r"^run +([\d.]+) s .* sent (\d+)  held back (\d+)  received (\d+)", self.program.text(), re.M)
        return [(float(seconds), *map(int, counted)) for seconds, *counted in lines]

    def rate(self, since, until):
        """What comes back of what is due. What jetgen was too late for, since it had no CPU, is nobody's loss; what it held
        back, since the data plane left the port full, is the flood's doing."""
        at = [line for line in self._seconds() if since <= self.began + line[0] <= until]
        assert len(at) > 1, "jetgen stood still"
        seconds, sent, held, back = (last - first for first, last in zip(at[0], at[-1]))
        assert sent + held > 0.5 * LIGHT * seconds, f"jetgen had no time for more than {sent} and {held} in {seconds} s"
        return LIGHT * back / (sent + held)

    def check(self):
        self.program.process.terminate()
        assert self.program.process.wait(30) == 130, self.program.text()
        found = json.loads(self.program.text().splitlines()[-1])
        assert found["corrupt_delivered"] == found["duplicate_delivered"] == 0


class Full:
    """A full session of jetperf, which compares every byte that comes back."""

    offered = FULL

    def __init__(self, plane):
        wait_for(lambda: plane.total()["sessions_full"] == 0, 30, "the one before to go")
        self.perf = Jetperf(plane, "echo", "-t", QUIET + FLOOD + 8, "-i", 0.25, "--rate", FULL, "-P", 16)
        wait_for(lambda: plane.total()["sessions_full"] > 0, 30, "jetperf's session")
        self.began = time.monotonic()
        go_first(self.perf.program)

    def check(self):
        self.perf.result()
        self.intervals = self.perf.exit(0)[1]["intervals"]

    def rate(self, since, until):
        parts = [p for p in self.intervals if since <= self.began + p["start"] and self.began + p["end"] <= until]
        return sum(p["received"] for p in parts) / 1000 / (parts[-1]["end"] - parts[0]["start"])


class Newcomers:
    """Real clients, some at a time, the next when one was let in; each knocks until it is."""

    def __init__(self, plane):
        self.plane, self.over, self.waited, self.retries = plane, False, [], 0
        self.threads = [threading.Thread(target=self._come) for _ in range(AT_ONCE)]

    def start(self):
        for thread in self.threads:
            thread.start()

    def end(self):
        """How many were let in by now; who knocks still goes on."""
        self.over, in_time = True, len(self.waited)
        for thread in self.threads:
            thread.join()
        return in_time

    def _come(self):
        while not self.over:
            began = time.monotonic()
            session = self._knock(began + PATIENCE)
            self.waited.append(time.monotonic() - began)
            if not session:
                return
            self.retries += session.retries
            session.close()
            time.sleep(0.1)

    def _knock(self, until):
        while time.monotonic() < until:
            with contextlib.suppress(TimeoutError):
                return self.plane.session(timeout=4)
        return None


def flood_script(folder, flood):
    path = folder / "flood.lua"
    what, networks = FLOODS[flood]
    path.write_text(f"jetgen.flood {{ seconds = jetgen.arg('seconds', {FLOOD}), sources = {networks}, {what} }}")
    return path


def shaken(plane):
    return plane.jetctl("status")["handshakes"]["ok"]


@pytest.fixture(scope="module")
def plane(tmp_path_factory):
    """One that all floods come to; all memory that a flood takes once is taken."""
    if reason := why_not():
        pytest.skip(reason)
    if sanitized(BUILD / "pktgen/jetgen"):
        pytest.skip("what it makes with a sanitizer is no flood")
    plane = Plane(memif=2, listeners=LISTENERS, full={"sessions": 64}, max_sessions=65536, confirm_timeout_ms=1000)
    try:
        plane.start()
        script = flood_script(tmp_path_factory.mktemp("first"), "good_cookies")
        generator = plane.start_jetgen(script, "seconds=300")
        wait_for(lambda: shaken(plane) > REPLIES, 300, "so many handshakes")
        generator.process.terminate()
        assert generator.process.wait(30) == 130, generator.text()
    except BaseException:
        plane.clean()
        raise
    yield plane
    plane.stop()


def end(program):
    if program.alive():
        program.kill()


@pytest.fixture
def steady(plane, tmp_path):
    with contextlib.ExitStack() as programs:
        light = Light(plane, tmp_path)
        programs.callback(end, light.program)
        full = Full(plane)
        programs.callback(end, full.perf.program)
        programs.callback(lambda: end(plane.generator))
        yield light, full


def own_kib(plane):
    """Memory of the data plane and of jetplaned that belongs to no pool of fixed size."""
    return [memory_kib(program.pid)[1] for program in (plane.dp, plane.daemon)]


def hellos(total):
    return total["punted"] + total["punt_limited"] + total["punt_full"]


def under_flood(plane, script, stats):
    """What jetgen found, what the data plane counted, from when to when, and who came meanwhile."""
    newcomers, before = Newcomers(plane), stats.total()
    generator = plane.start_jetgen(script)
    wait_for(lambda: hellos(stats.total()) > hellos(before) + 1000, 30, "the flood")
    began = time.monotonic()
    newcomers.start()
    time.sleep(FLOOD - 0.5)
    ended = time.monotonic()
    newcomers.in_time = newcomers.end()
    found, after = plane.wait_jetgen(generator), stats.total()
    return found, {name: after[name] - before[name] for name in after}, (began, ended), newcomers


def check_answers(flood, found, counted):
    """To whom the flood pretends to be: nothing, Retries, or sessions; all of it no more than three times what was looked
    at."""
    assert found["hellos_sent"] > 20000 * FLOOD and counted["punt_limited"] + counted["punt_full"] > 0, "that was no flood"
    networks = FLOODS[flood][1]
    if networks <= 2:
        assert counted["punted"] <= 2 * networks * (PUNT_BURST + PUNT_RATE * 2 * FLOOD), "with cookies, and without"
    assert found["rx_bytes"] <= 3 * HELLO * counted["punted"] + ARP
    assert (found["server_retries"] > 0) == (flood != "garbage")
    if flood in ("garbage", "forged_cookies"):
        assert found["server_hellos"] == 0
    if flood == "good_cookies":
        assert found["server_hellos"] > 100


@pytest.mark.parametrize("flood", FLOODS)
def test_flood_of_hellos(plane, steady, tmp_path, capsys, flood):
    stats = Stats.of(plane.dp.pid)
    began = time.monotonic()
    time.sleep(QUIET)
    quiet, memory = (began, time.monotonic()), own_kib(plane)
    found, counted, during, newcomers = under_flood(plane, flood_script(tmp_path, flood), stats)
    grown = [after - before for before, after in zip(memory, own_kib(plane))]
    rates = []
    for session in steady:
        session.check()
        rates.append((session.rate(*quiet), session.rate(*during), session.offered))
    with capsys.disabled():
        print(f" {found['hellos_sent'] / 1e3 / FLOOD:.0f}k hellos/s, messages/s",
              *(f"{before:.0f} -> {after:.0f}," for before, after, _ in rates),
              f"{newcomers.in_time} newcomers with {newcomers.retries} retries, {max(newcomers.waited):.2f} s at most, "
              f"grown by {grown} KiB ", end="")
    for before, after, offered in rates:
        assert before > 0.5 * offered and after >= 0.9 * before
    assert newcomers.in_time >= NEWCOMERS[flood] and max(newcomers.waited) < PATIENCE
    assert newcomers.retries > 0 or flood != "spoofed", "nobody came in by a cookie"
    assert max(grown) < GROWTH_KIB
    check_answers(flood, found, counted)
    stats.close()
