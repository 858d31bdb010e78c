"""jetctl against a whole Jetplane under load: what it shows is true, and however many ask, and however slowly they
listen, the data plane does not notice."""

import contextlib
import json
import socket

from host import wait_for
from load import Load


def connect(plane):
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(plane.ctl_socket))
    return sock


@contextlib.contextmanager
def watcher(plane, number, *arguments):
    """`jetctl --watch` for ever; afterwards it must have shown something new all the time."""
    command = plane.build / "control/ctl/jetctl", "--socket", plane.ctl_socket, "--json", "--watch", "0.1", *arguments
    program = plane.host.start("jetctl", *command, log=plane.folder / f"watch{number}.log")
    yield
    assert program.alive(), program.text()
    program.kill()
    views = [json.loads(line) for line in program.text().splitlines()[:-1]]
    assert len(views) > 5 and not any("error" in view for view in views)


def stuff(sock):
    """Ask until nothing more can be asked, and never listen."""
    sock.setblocking(False)
    with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
        while True:
            sock.send(b'{"command": "stats"}\n')


def test_nobody_stalls_the_data_plane(make_plane):
    plane = make_plane()
    load = Load(plane, 4)
    with watcher(plane, 1, "stats"), watcher(plane, 2, "sessions"), connect(plane) as deaf, connect(plane) as mute:
        mute.send(b'{"command": "sta')
        for _ in range(20):
            stuff(deaf)
            load.run(0.1)
        turns = plane.total()["polls"]
        load.run(0.3)
        assert plane.total()["polls"] > turns
        wait_for(lambda: plane.jetctl("status")["jetplaned"]["clients_slow"] >= 2, 15, "patience to end")
        stuff(deaf)
    load.check()
    total = plane.settle()
    assert total["delivered"] == sum(load.sent) and total["tx_full"] == 0


def test_what_it_shows_is_true(make_plane):
    plane = make_plane(queues=2)
    load = Load(plane, 6)
    load.run(0.3)
    load.check()
    plane.settle()
    status = plane.jetctl("status")
    assert status["data_plane"]["sessions"] == 6 and status["handshakes"]["ok"] == 6
    assert status["data_plane"]["pid"] == plane.dp.pid and status["jetplaned"]["pid"] == plane.daemon.pid
    assert (status["data_plane"]["lcores"], status["data_plane"]["tier"]) == (2, "software")
    sessions = {session["spi"]: session for session in plane.sessions()}
    for client in load.sessions:
        while client.poll(0.05):
            pass
        spi = client.server["server_spi"]
        assert sessions[spi]["client_spi"] == client.client_spi
        assert sessions[spi]["peer_port"] == client.socket.getsockname()[1]
        assert sessions[spi]["suite"] == ("aes-256-gcm", "chacha20-poly1305")[client.server["suite"] - 1]
        one = plane.jetctl("session", hex(spi))
        assert one["rx_packets"] == client.number and one["rx_pn"] == client.number - 1
        assert one["tx_pn"] == one["tx_packets"] == max(client.seen) + 1
    stats = plane.jetctl("stats")
    assert stats["total"]["delivered"] == sum(load.sent)
    for name in stats["total"]:
        assert stats["total"][name] == sum(lcore["counters"][name] for lcore in stats["lcores"]) or "polls" in name \
            or "cycles" in name, name
    plane.settle()

    def port():
        return plane.jetctl("ports")["ports"][0]

    wait_for(lambda: port()["rx_packets"] == plane.total()["rx_packets"], 5, "the port's sample, once a second")
    assert port()["driver"] == "net_af_packet" and port()["link_up"]


def test_errors(make_plane):
    plane = make_plane()
    done = plane._jetctl("session", 4711)
    assert done.returncode == 3 and "no such session" in json.loads(done.stdout)["error"]
    plane.dp.kill()
    wait_for(lambda: plane._jetctl("stats").returncode == 3, 5, "jetplaned to notice")
    assert plane.jetctl("status")["data_plane"]["state"] == "away"
    plane.daemon.kill()
    assert plane._jetctl("status").returncode == 1
