"""The control socket under clients of all kinds."""

import grp
import json
import os
import random
import signal
import socket
import stat
import struct
import time

import ipc
import pytest
from daemon import wait_for


def lines(s):
    return s.makefile("rb")


def test_mode_is_0660(make_daemon):
    group = grp.getgrgid(1).gr_name
    daemon = make_daemon(f"control_group: {group}")
    found = daemon.socket.stat()
    assert stat.S_ISSOCK(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o660
    assert found.st_gid == 1


def test_stale_socket_is_replaced(daemon):
    daemon.kill(signal.SIGKILL)
    assert daemon.socket.exists()
    daemon.start()
    assert daemon.status()["jetplaned"]["pid"] == daemon.process.pid
    daemon.stop()
    assert not daemon.socket.exists()


def test_stopped_as_soon_as_it_is_seen(make_daemon):
    """It ends well, and takes its socket along."""
    daemon = make_daemon(start=False)
    for _ in range(20):
        daemon.start(wait=False)
        while not daemon.socket.exists():
            assert daemon.alive(), daemon.log.read_text()
        assert daemon.kill(signal.SIGTERM) == 0
        assert not daemon.socket.exists()


def test_second_jetplaned_is_refused(daemon):
    second = type(daemon)(daemon.dir)
    second.start(wait=False)
    assert second.process.wait(5) == 1
    assert "another jetplaned" in daemon.log.read_text()
    assert daemon.status()["jetplaned"]["pid"] == daemon.process.pid


def test_other_file_is_not_replaced(make_daemon):
    daemon = make_daemon(start=False)
    daemon.socket.write_text("precious")
    daemon.start(wait=False)
    assert daemon.process.wait(5) == 1
    assert daemon.socket.read_text() == "precious"


@pytest.mark.parametrize("line", [
    b"", b"{", b"null", b"[]", b"1", b'"status"', b"{}", b'{"command": 1}', b'{"command": null}',
    b'{"command": "nonsense"}', b'{"command": "status", "command": "status"}', b"\xff\xfe",
    b'{"command": "stat\\u0000us"}', b"\0" * 100, b'{"command":' + b"[" * 3000,
    b'{"command": "session"}', b'{"command": "session", "spi": "5"}',
    b'{"command": "session", "spi": -1}', b'{"command": "session", "spi": 4294967296}',
    b'{"command": "sessions", "max": 0}', b'{"command": "sessions", "max": 65}',
    b'{"command": "sessions", "cursor": 5}', b'{"command": "sessions", "cursor": "x"}',
    b'{"command": "sessions", "cursor": "99999999999999999999"}',
    b'{"command": "sessions", "cursor": "18446744073709551615"}',
    b'{"command": "sessions", "cursor": "17179869184"}',
], ids=lambda line: line[:40].decode("latin-1"))
def test_wrong_request_is_answered(daemon, peer, line):
    """And the connection goes on."""
    with daemon.connection() as s:
        answers = lines(s)
        for _ in range(2):
            s.sendall(line + b"\n")
            assert list(json.loads(answers.readline())) == ["error"]
        s.sendall(b'{"command": "version"}\n')
        assert "result" in json.loads(answers.readline())


def test_cursor_of_no_lcore_never_reaches_the_data_plane(daemon, peer):
    """It would hang up on jetplaned."""
    with daemon.connection() as s:
        for lcore in (peer.lcores, 2**32 - 1):
            s.sendall(b'{"command": "sessions", "cursor": "%d"}\n' % (lcore << 32))
        s.sendall(b'{"command": "sessions", "cursor": "%d"}\n' % ((peer.lcores - 1) << 32))
        kind, body = peer.recv_raw()
        assert kind == ipc.LIST
        assert struct.unpack_from("=QQ", body)[1] == (peer.lcores - 1) << 32


@pytest.mark.parametrize("command", ["stats", "ports", "sessions", "session"])
def test_without_data_plane(daemon, command):
    assert daemon.ask(command=command, spi=5) == {"error": "the data plane is away"}
    assert daemon.status()["data_plane"]["state"] == "away"


def test_many_requests_at_once_are_answered_in_order(daemon):
    with daemon.connection() as s:
        s.sendall(b'{"command": "version"}\n{"command": "x"}\n' * 40)
        answers = lines(s)
        for _ in range(40):
            assert "result" in json.loads(answers.readline())
            assert "error" in json.loads(answers.readline())


def test_request_in_pieces(daemon):
    with daemon.connection() as s:
        for byte in b'{"command": "version"}\n':
            s.sendall(bytes([byte]))
            time.sleep(0.002)
        assert "result" in json.loads(lines(s).readline())


def test_oversized_line(daemon):
    with daemon.connection() as s:
        s.sendall(b"x" * 4096)
        answers = lines(s)
        assert "longer than 4096 bytes" in json.loads(answers.readline())["error"]
        assert answers.readline() == b""
    longest = b'{"command": "version", "x": "' + b"y" * 4064 + b'"}\n'
    assert len(longest) == 4096
    with daemon.connection() as s:
        s.sendall(longest)
        assert "result" in json.loads(lines(s).readline())


def test_endless_line(daemon):
    with daemon.connection() as s:
        with pytest.raises(OSError):
            for _ in range(1000):
                s.sendall(b"x" * 65536)
    assert daemon.status()


def test_slow_clients_stall_nobody_and_are_dropped(daemon, peer, clients):
    slow = []
    for _ in range(5):  # these ask and never read
        s = daemon.connection()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        s.setblocking(False)
        try:
            while True:
                s.send(b'{"command": "stats"}\n' * 100)
        except BlockingIOError:
            slow.append(s)
    half = daemon.connection()  # and this never finishes its line
    half.sendall(b'{"command"')
    for _ in range(20):
        assert "result" in daemon.ask(command="stats")
    peer.punt(clients.hello()[1])
    peer.expect(ipc.INSTALL)
    assert daemon.status()["jetplaned"]["clients_slow"] == 0  # all that while they were still there
    wait_for(lambda: daemon.status()["jetplaned"]["clients_slow"] == 6, 10)
    assert daemon.status()["jetplaned"]["clients"] == 1
    for s in [*slow, half]:
        s.close()


def test_too_many_clients(daemon):
    crowd = [daemon.connection() for _ in range(32)]
    wait_for(lambda: "error" in json.loads(lines(daemon.connection()).readline() or "{}"))
    crowd[0].sendall(b'{"command": "status"}\n')
    status = json.loads(lines(crowd[0]).readline())["result"]["jetplaned"]
    assert status["clients"] == 32 and status["clients_refused"] >= 1
    for s in crowd:
        s.close()
    wait_for(lambda: daemon.ask(command="version").get("result"))


def test_clients_that_leave_early(daemon, peer):
    """While the data plane is asked on their behalf, too."""
    for command in (b"status", b"stats", b"sessions"):
        for _ in range(100):
            with daemon.connection() as s:
                s.sendall(b'{"command": "' + command + b'"}\n')
    peer.serve(0.3)
    wait_for(lambda: daemon.status()["jetplaned"]["clients"] == 1)
    peer.sessions = [1000, 1001]
    with daemon.connection() as s:
        s.sendall(b'{"command": "sessions"}\n')
        peer.serve(0.3)
        assert len(json.loads(lines(s).readline())["result"]["sessions"]) == 2


def test_data_plane_that_does_not_answer(daemon, peer):
    assert "does not answer" in daemon.ask(command="sessions")["error"]


def test_data_plane_that_leaves_while_asked(daemon, peer):
    with daemon.connection() as s:
        s.sendall(b'{"command": "session", "spi": 1000}\n')
        time.sleep(0.1)
        peer.hang_up()
        assert json.loads(lines(s).readline()) == {"error": "the data plane is away"}


def test_random_bytes(daemon):
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    alphabet = b'{}[]":,\\ \n\n\ncommandstatsversion0123456789\xc3\x28\x00'
    for _ in range(200):
        with daemon.connection() as s:
            try:
                s.sendall(bytes(rng.choice(alphabet) for _ in range(rng.randrange(1, 6000))))
                if rng.random() < 0.5:
                    s.settimeout(0.01)
                    s.recv(10000)
            except OSError:
                pass
    assert daemon.alive() and daemon.status()


def test_stop_reaches_the_data_plane(daemon, peer):
    assert daemon.ask(command="stop") == {"result": {"data_plane_stopped": True}}
    peer.expect(7)
    assert daemon.process.wait(5) == 0
    assert not os.path.exists(daemon.socket)


def test_stop_without_data_plane(daemon):
    assert daemon.ask(command="stop") == {"result": {"data_plane_stopped": False}}
    assert daemon.process.wait(5) == 0
