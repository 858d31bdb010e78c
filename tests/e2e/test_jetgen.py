"""jetgen's scripts against a whole Jetplane over memif: real handshakes by the thousand, data at a rate, everything
that comes back checked byte by byte by jetgen, and its counts against those of the data plane."""

import pathlib
import subprocess

import pytest
from host import wait_for
from plane import BUILD, MEMIF_SERVER, ROOT, THREADS
from stats import Stats

PATIENT = {"reorder_timeout_us": 1000000, "fec_expire_us": 2000000}  # a slow machine changes nothing


@pytest.mark.parametrize("text, argument, said", [
    (None, "k=1", "cannot open {}: No such file or directory\n"),
    ("\nlocal x = = 3", "k=1", "{}:2: unexpected symbol near '='\n"),
    ("", "k", "jetgen: argument 'k' is not KEY=VALUE\n"),
])
def test_what_cannot_be_run_is_said_before_a_port_is_looked_for(tmp_path, text, argument, said):
    if text is not None:
        (tmp_path / "s.lua").write_text(text)
    device = "net_memif0,role=client,socket=nobody,socket-abstract=no"
    done = subprocess.run([BUILD / "pktgen/jetgen", "--no-huge", "--device", device, "s.lua", argument],
                          capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said.format("s.lua"))


def test_a_device_that_is_not_there_is_named(tmp_path):
    (tmp_path / "s.lua").write_text("")
    done = subprocess.run([BUILD / "pktgen/jetgen", "--no-huge", "--device", "net_nope0", "s.lua"],
                          capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 2 and "jetgen: --device net_nope0: DPDK has no such device\n" in done.stderr


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_full_disk_is_noticed(option):
    with open("/dev/full", "w") as full:
        done = subprocess.run([BUILD / "pktgen/jetgen", option], stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (1, "jetgen: cannot write the output\n")


def test_results_that_cannot_be_written_are_missed(make_plane, tmp_path):
    device = f"net_memif0,role=client,id=0,socket={make_plane(memif=True).folder}/memif.sock,socket-abstract=no"
    for options, text, code in (["--json"], "", 1), ([], "", 1), ([], "jetgen.expect(false, 'so')", 3):
        (tmp_path / "s.lua").write_text(text)
        with open("/dev/full", "w") as full:
            done = subprocess.run([BUILD / "pktgen/jetgen", *options, "--no-huge", "--idle-sleep", "50", "--name",
                                   tmp_path.name[-32:], "--device", device, "--target", MEMIF_SERVER.format(1), "s.lua"],
                                  stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, cwd=tmp_path)
        assert done.returncode == code and "jetgen: cannot write the output\n" in done.stderr, done.stderr


def test_a_server_that_is_not_the_pinned_one(make_plane, tmp_path):
    """It answers, and jetgen says that it does not believe it."""
    script = tmp_path / "s.lua"
    script.write_text("local r = jetgen.open { sessions = 2 }\njetgen.expect(r.hellos_rejected >= 2, 'none rejected')")
    plane = make_plane(memif=True)
    generator = plane.start_jetgen(script, options=["--identity", "5" * 64])
    found = plane.wait_jetgen(generator)
    assert found["handshakes_ok"] == 0 and found["handshakes_failed"] == 2
    said = f"jetgen: {found['hellos_rejected']} ServerHellos are forged or not of the server in --identity"
    assert said in generator.text().splitlines()


def test_sessions_are_spread_evenly(make_plane):
    """Ten thousand real handshakes: the control plane gives each worker its share, and so of the packets."""
    plane = make_plane(queues=4, memif=True, max_sessions=16384)
    generator = plane.start_jetgen("many-sessions.lua", "sessions=10000", "messages=4", "rate=20000",
                                   options=["--sources", "64"])
    stats = Stats.of(plane.dp.pid)
    most = [0] * 4

    def over():
        for lcore in range(4):
            most[lcore] = max(most[lcore], stats.counters(lcore)["sessions"])
        return not generator.alive()

    wait_for(over, 200, "jetgen")
    found = plane.wait_jetgen(generator)
    assert found["handshakes_ok"] == 10000 and found["delivered"] == 40000
    delivered = [stats.counters(lcore)["delivered"] for lcore in range(4)]
    assert sum(most) == 10000 and max(most) <= 1.25 * min(most), most
    assert sum(delivered) == 40000 and max(delivered) <= 1.25 * min(delivered), delivered
    assert plane.all_received(found)["steer_full"] == 0


def test_lossy_fec(make_plane):
    plane = make_plane(memif=True, **PATIENT)
    found = plane.jetgen("lossy-fec.lua", "blocks=100", "rate=20000", "drain=3")
    assert found["corrupt_delivered"] == found["duplicate_delivered"] == found["late_delivered"] == 0
    total = plane.all_received(found)
    assert total["tx_full"] == 0, "echoes were lost too"
    assert total["fec_recovered"] == found["fec_recovered"] > 0


def test_replays_and_forgeries(make_plane):
    plane = make_plane(queues=2, memif=True)
    found = plane.jetgen("replay-and-forgery.lua", "seconds=3", "rate=10000")
    total = plane.all_received(found)
    assert total["replay_seen"] + total["replay_old"] == found["replays_injected"] + found["duplicated"]
    assert total["delivered"] == found["delivered"]


def test_rekeys(make_plane, tmp_path):
    """jetgen's sessions go on to new keys as often as they are told to, and the data plane follows."""
    script = tmp_path / "rekeys.lua"
    script.write_text("""
        jetgen.open { sessions = 10 }
        jetgen.run { messages = 20000, rate = 5000, rekey_every = 100, drain = 2 }""")
    plane = make_plane(memif=True)
    found = plane.jetgen(script)
    assert found["delivered"] == 20000 and found["corrupt_delivered"] == 0
    assert plane.all_received(found)["rekeys"] == found["rekeys"] > 10


def test_mixed_garbage(make_plane):
    plane = make_plane(queues=2, memif=True, **PATIENT)
    found = plane.jetgen("mixed-garbage.lua", "seconds=5", "rate=10000", "sessions=100")
    plane.all_received(found)
    assert found["corrupt_delivered"] == 0


def test_flood_of_hellos(make_plane):
    """Honest clients get through."""
    plane = make_plane(memif=True)
    plane.jetgen("handshake-flood.lua")
    plane.session(timeout=3).close()
    wait_for(lambda: plane.total()["sessions"] == 0, 40, "the unconfirmed to be forgotten")


@pytest.mark.parametrize("lcores", [1, 2])
def test_flood_without_sessions(make_plane, tmp_path, lcores):
    """Before the first were open, and after the last were."""
    script = tmp_path / "flood.lua"
    script.write_text("""
        for _, valid in ipairs { false, true } do
            jetgen.flood { seconds = 0.5, rate = 5000, valid = valid }
            jetgen.open { sessions = 10 }
            jetgen.close()
        end
        jetgen.flood { seconds = 0.5, rate = 5000 }""")
    plane = make_plane(queues=2, memif=True)
    found = plane.jetgen(script, options=["--lcores", lcores])
    assert found["hellos_sent"] > 5000 and found["handshakes_ok"] == 20


def test_an_interrupt_ends_a_flood(make_plane, tmp_path):
    script = tmp_path / "flood.lua"
    script.write_text("jetgen.flood { seconds = 600, rate = 5000, valid = true }\njetgen.print('not reached')")
    plane = make_plane(memif=True)
    generator = plane.start_jetgen(script)
    wait_for(lambda: plane.total()["rx_packets"] > 1000, 60, "the flood")
    generator.process.terminate()
    assert generator.process.wait(30) == 130 and "interrupted" in generator.text()
    assert "not reached" not in generator.text()


@pytest.mark.parametrize("script, arguments", [
    ("mixed-garbage.lua", ("seconds=2", "rate=2000", "sessions=40")), ("handshake-flood.lua", ("seconds=1", "rate=2000")),
    ("lossy-fec.lua", ("blocks=10", "rate=5000", "drain=3")),
])
def test_threads(make_plane, monkeypatch, script, arguments):
    """Two workers and the main lcore, which shows their progress, under ThreadSanitizer."""
    if not THREADS:
        pytest.skip("JETPLANE_THREADS names no build for ThreadSanitizer")
    program = pathlib.Path(THREADS) / "tests/pktgen/jetgen_ordered"
    here = ["setarch", "-R"]  # the sanitizer does not start where a kernel scatters addresses widely
    if subprocess.run([*here, "true"], capture_output=True).returncode != 0:
        here = []
    # To name functions it would unmap memory, and wait for workers in it that wait for the sanitizer.
    suppressions = ROOT / "tests/pktgen/tsan.supp"
    monkeypatch.setenv("TSAN_OPTIONS", f"halt_on_error=1:symbolize=0:suppressions={suppressions}")
    plane = make_plane(queues=2, memif=True, **PATIENT)
    found = plane.wait_jetgen(plane.start_jetgen(script, *arguments, options=["--lcores", 2], program=[*here, program]))
    assert found["tx_packets"] > 1000


@pytest.mark.parametrize("when", [1, 3])
def test_jetplaned_is_killed_under_load(make_plane, when):
    """Not one packet of a thousand sessions is lost."""
    plane = make_plane(queues=2, memif=True, max_sessions=4096)
    generator = plane.start_jetgen("many-sessions.lua", "sessions=1000", "messages=80", "rate=16000",
                                   options=["--sources", "8"])
    wait_for(lambda: plane.total()["delivered"] > when * 10000, 60, "traffic")
    plane.daemon.kill()
    stats = Stats.of(plane.dp.pid)
    before = stats.total()["delivered"]
    wait_for(lambda: stats.total()["delivered"] > before + 10000, 60, "more traffic")
    plane.start_daemon()
    found = plane.wait_jetgen(generator)
    assert found["delivered"] == found["sent_messages"] == 80000


def test_jetplane_dp_is_killed_under_load(make_plane):
    """Every session shakes hands anew, while its traffic goes on."""
    plane = make_plane(queues=2, memif=True)
    generator = plane.start_jetgen(pathlib.Path(__file__).with_name("restart.lua"), "seconds=10")
    wait_for(lambda: plane.total()["delivered"] > 4000, 60, "traffic")
    plane.dp.kill()
    plane.start_dp()
    plane.wait_jetgen(generator)
    assert plane.settle()["sessions_installed"] >= 100


@pytest.mark.parametrize("target, bits", [(MEMIF_SERVER.format(1), 24), ("fd00:1::1", 64)])
def test_jetplane_dp_comes_back_with_another_ethernet_address(make_plane, target, bits):
    """jetgen asks for it again."""
    plane = make_plane(memif=True)
    port = plane.data["ports"][1]

    def restart():
        plane.dp.kill()
        plane.start_dp()
        wait_for(plane.up, 30, "jetplaned and the data plane")

    port["addresses"] = [f"{target}/{bits}"]
    restart()
    generator = plane.start_jetgen(pathlib.Path(__file__).with_name("restart.lua"), "seconds=10",
                                   options=["--target", target])
    wait_for(lambda: plane.total()["delivered"] > 4000, 60, "traffic")
    port["device"] = port["device"].split(",mac=")[0]  # now it is random
    restart()
    assert plane.wait_jetgen(generator)["neighbours"] > 0
    assert plane.total()["ip_other_mac"] > 0
