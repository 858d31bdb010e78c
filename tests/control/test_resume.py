"""Resumption through jetplaned: tickets go out with INSTALL, and come back in ResumeHellos."""

import subprocess

import ipc
import pytest
from daemon import BUILD, wait_for

CREDIT = (1 << 20, 1 << 18, 1 << 20)


class Resumer:
    """A client, by proto's client in a program of its own."""

    def __init__(self):
        self.process = subprocess.Popen([BUILD / "tests/control/resumer"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def say(self, line, packet=b""):
        self.process.stdin.write(f"{line} {packet.hex()}".strip() + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().split()

    def packet(self, line, packet=b""):
        return bytes.fromhex(self.say(line, packet)[1])

    def close(self):
        self.process.stdin.close()
        self.process.wait(5)


@pytest.fixture
def resumer():
    r = Resumer()
    yield r
    r.close()


@pytest.fixture
def full_peer(daemon, make_peer):
    p = make_peer(daemon)
    greet(p)
    return p


def greet(peer, **changed):
    peer.accept()
    peer.send(peer.hello(**{"credit": CREDIT, **changed}), [peer.stats])
    peer.serve(0.05)


def visit(peer, resumer):
    """A whole handshake, and the ticket that came with it."""
    peer.punt(resumer.packet("hello"))
    install = ipc.Install(peer.expect(ipc.INSTALL))
    assert resumer.say("input", install.reply) == ["done", str(install.server_spi)]
    peer.installed(install.server_spi)
    assert len(install.ticket) == 72 and install.early == b""
    assert resumer.say("ticket", install.ticket) == ["kept"]
    return install


def refusal(peer, resumer):
    answer, _ = ipc.sent_packet(peer.expect(ipc.SEND))
    assert len(answer) == 44
    return resumer.say("answer", answer)


def test_session_is_resumed(daemon, full_peer, resumer):
    before = visit(full_peer, resumer)
    for n in range(2):
        full_peer.punt(resumer.packet("resume", b"early"), port=5000 + n)
        install = ipc.Install(full_peer.expect(ipc.INSTALL))
        assert install.early == b"early" and len(install.reply) == 96
        assert install.ticket not in (b"", before.ticket) and install.c2s != before.c2s
        assert (install.ours, install.theirs) == (before.ours, before.theirs)
        assert resumer.say("answer", install.reply) == ["done", str(install.server_spi)]
        full_peer.installed(install.server_spi)
        assert resumer.say("ticket", install.ticket) == ["kept"]
        before = install
    wait_for(lambda: daemon.count("ok") == 3)
    assert daemon.count("resumed") == 2 and daemon.count("bad_ticket") == 0


def test_no_early_data(full_peer, resumer):
    visit(full_peer, resumer)
    full_peer.punt(resumer.packet("resume"))
    install = ipc.Install(full_peer.expect(ipc.INSTALL))
    assert install.early == b""
    assert resumer.say("answer", install.reply)[0] == "done"


def test_as_much_early_data_as_fits(full_peer, resumer):
    visit(full_peer, resumer)
    assert resumer.say("resume", bytes(1095)) == ["error"]
    full_peer.punt(resumer.packet("resume", bytes(range(256)) * 4 + bytes(70)))
    install = ipc.Install(full_peer.expect(ipc.INSTALL))
    assert install.early == bytes(range(256)) * 4 + bytes(70)
    assert resumer.say("answer", install.reply)[0] == "done"


def test_light_sessions_get_no_ticket(peer, resumer):
    peer.punt(resumer.packet("hello"))
    assert ipc.Install(peer.expect(ipc.INSTALL)).ticket == b""


def test_repeated_hello_gets_the_same_answer(daemon, full_peer, resumer):
    visit(full_peer, resumer)
    hello = resumer.packet("resume", b"early")
    full_peer.punt(hello)
    install = ipc.Install(full_peer.expect(ipc.INSTALL))
    full_peer.installed(install.server_spi)
    full_peer.punt(hello)
    answer, _ = ipc.sent_packet(full_peer.expect(ipc.SEND))
    assert answer == install.reply and daemon.count("repeated") == 1


def test_ticket_is_good_once(daemon, full_peer, resumer):
    visit(full_peer, resumer)
    first = resumer.packet("resume", b"once")
    full_peer.punt(first)
    install = ipc.Install(full_peer.expect(ipc.INSTALL))
    full_peer.installed(install.server_spi)
    full_peer.punt(first, port=9)  # somebody who copied it
    assert refusal(full_peer, resumer) == ["refused"]
    full_peer.punt(resumer.packet("resume", b"twice"))  # the client itself
    assert refusal(full_peer, resumer) == ["refused"]
    wait_for(lambda: daemon.count("bad_ticket") == 2)
    assert daemon.count("resumed") == 1


def test_ticket_dies_with_the_daemon(daemon, full_peer, resumer):
    visit(full_peer, resumer)
    daemon.kill()
    daemon.start()
    greet(full_peer)
    full_peer.punt(resumer.packet("resume", b"replayed"))
    assert refusal(full_peer, resumer) == ["refused"]
    visit(full_peer, resumer)


def test_ticket_is_for_the_same_parameters(full_peer, resumer):
    visit(full_peer, resumer)
    full_peer.hang_up()
    greet(full_peer, credit=(1 << 21, 1 << 18, 1 << 20))
    full_peer.punt(resumer.packet("resume", b"early"))
    assert refusal(full_peer, resumer) == ["refused"]


def test_changed_hello_is_refused(daemon, full_peer, resumer):
    visit(full_peer, resumer)
    hello = bytearray(resumer.packet("resume", b"early"))
    hello[-1] ^= 1
    full_peer.punt(bytes(hello))
    assert refusal(full_peer, resumer) == ["refused"]
    hello[-1] ^= 1  # it used nothing up
    full_peer.punt(bytes(hello))
    install = ipc.Install(full_peer.expect(ipc.INSTALL))
    assert resumer.say("answer", install.reply)[0] == "done"


def test_malformed_hello_is_counted(daemon, full_peer, resumer):
    visit(full_peer, resumer)
    full_peer.punt(resumer.packet("resume")[:-1])
    full_peer.punt(bytes((0, 0, 0, 0, 5)))
    wait_for(lambda: daemon.count("malformed") == 2)


def test_cookie(daemon, full_peer, resumer):
    """Asked for when there are many sessions; the early data need not be sealed anew."""
    visit(full_peer, resumer)
    full_peer.count_sessions(full_peer.max_sessions // 2 + 1)
    full_peer.punt(resumer.packet("resume", b"early"))
    retry, _ = ipc.sent_packet(full_peer.expect(ipc.SEND))
    assert len(retry) == 68
    answer, hello = resumer.say("answer", retry)
    assert answer == "send"
    full_peer.punt(bytes.fromhex(hello))
    install = ipc.Install(full_peer.expect(ipc.INSTALL))
    assert install.early == b"early"
    assert resumer.say("answer", install.reply)[0] == "done"
    assert daemon.count("retries") == 1


def test_spi_taken(daemon, full_peer, resumer):
    """The ticket is used by then: the client shakes hands in full."""
    visit(full_peer, resumer)
    full_peer.punt(resumer.packet("resume", b"early"))
    install = ipc.Install(full_peer.expect(ipc.INSTALL))
    full_peer.installed(install.server_spi, -17)
    assert refusal(full_peer, resumer) == ["refused"]
    visit(full_peer, resumer)
