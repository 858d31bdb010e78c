"""A second host, with the kernel's UDP stack and a client written from the protocol page, against the data plane; the
topology is in plane.py. Everything runs over af_packet and over af_xdp."""

import socket
import subprocess

import jetwire as w
import pytest
from host import Host, wait_for, why_not
from plane import BUILD, CLIENT, SERVER, sanitized

SUITES = {"aes-256-gcm": w.AES256_GCM, "chacha20-poly1305": w.CHACHA20_POLY1305}


def xdp_works():
    """Whether this kernel has AF_XDP and bpffs, tried in a namespace of its own."""
    host = Host()
    try:
        host.run("unshare", "--mount", "mount", "-t", "bpf", "bpf", "/sys/fs/bpf")
        with host:
            socket.socket(44, socket.SOCK_RAW).close()
        return True
    except (OSError, subprocess.CalledProcessError):
        return False
    finally:
        host.close()


def need_xdp():
    if why_not() or not xdp_works():
        pytest.skip(why_not() or "this kernel has no AF_XDP or no bpffs")
    if sanitized(BUILD / "dataplane/jetplane-dp"):
        pytest.skip("libxdp leaks 80 bytes")


@pytest.fixture(params=["af_packet", "af_xdp"])
def device(request, make_plane):
    if request.param == "af_xdp":
        need_xdp()
    return request.param


def good(result, sent):
    """What the client program printed is what it must be."""
    assert (result["sent"], result["echoed"]) == (sent, sent), result
    assert result["wrong"] == result["duplicates"] == 0 and result["closed"] is None, result
    assert result["acknowledged"] > 0, result
    return result


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("suite", SUITES)
def test_echo(make_plane, device, suite, version):
    plane = make_plane(device=device)
    result = good(plane.run_client(
        "--suite", SUITES[suite], "--identity", plane.identity().hex(), "--messages", 300, "--streams", 7,
        version=version,
    ), 300)
    assert result["suite"] == SUITES[suite] and result["retries"] == 0
    total = plane.settle()
    assert total["delivered"] == 300 and total["sessions_closed"] == 1


def test_sizes_streams_and_datagrams(make_plane, device):
    plane = make_plane(device=device)
    for size in 4, 5, 6, 7, 64, 1400:
        good(plane.run_client("--size", size, "--messages", 40, "--streams", 5), 40)
    good(plane.run_client("--datagrams", "--messages", 100), 100)


def test_cookie(make_plane, device):
    plane = make_plane(device=device, control={"cookie": "always"})
    for version in 4, 6:
        assert good(plane.run_client("--messages", 20, version=version), 20)["retries"] == 1
    handshakes = plane.jetctl("status")["handshakes"]
    assert (handshakes["retries"], handshakes["ok"]) == (2, 2)


def test_vlan(make_plane, device):
    plane = make_plane(device=device, vlan=42)
    for version in 4, 6:
        good(plane.run_client("--messages", 50, version=version), 50)
    assert plane.total()["eth_other"] == 0


def test_untagged_packets_are_not_a_vlans(make_plane):
    plane = make_plane(vlan=42)
    with plane.client_host.raw_socket() as raw:
        raw.send(b"\xff" * 6 + b"\2\0\0\0\0\1" + b"\x08\x06" + bytes(46))
    assert plane.settle()["eth_other"] == 1


def test_pings_and_neighbours(make_plane, device):
    plane = make_plane(device=device)
    for version in 4, 6:
        ping = "ping", f"-{version}", "-c", "3", "-i", "0.1", "-W", "2", "-s", "1000", SERVER[version]
        out = plane.client_host.run(*ping)
        assert "3 received" in out
        assert plane.client_host.ip(f"-{version}", "neigh", "show", SERVER[version]).split()[-1] == "REACHABLE"
    total = plane.settle()
    assert (total["icmp"], total["arp"] > 0, total["ndp"] > 0) == (6, True, True)


def test_pinned_identity(make_plane):
    plane = make_plane()
    with pytest.raises(TimeoutError):
        plane.session(identity=bytes(32), timeout=1)
    sessions = plane.sessions()
    assert [session["confirmed"] for session in sessions] == [False], "nobody has proved to have its keys"
    plane.session(identity=plane.identity(), timeout=1).close()


def test_rekey(make_plane, device):
    plane = make_plane(device=device)
    result = good(plane.run_client("--messages", 300, "--streams", 2, "--rekey"), 300)
    assert result["epoch"] == 2
    assert plane.total()["rekeys"] == 2


# ---- loss ----


@pytest.mark.parametrize("version", [4, 6])
def test_fec_to_the_server(make_plane, device, version):
    """Bursts of 4 and scattered losses; nothing is sent twice, everything is echoed."""
    plane = make_plane(device=device)
    lost = [0, 1, 2, 3, 25, 30, 35, 39, 56, 57, 58, 59, 80]
    lose = "--fec", "20,4", "--lose", ",".join(map(str, lost))
    result = good(plane.run_client(*lose, "--messages", 100, version=version), 100)
    assert result["lost"] == len(lost)
    total = plane.settle()
    # a kernel that moves the sender to another CPU may let a repair overtake a source, which comes too late then
    assert total["fec_recovered"] - total["fec_duplicate"] == len(lost) and total["fec_lost"] == 0


def test_fec_to_the_client(make_plane, device):
    """The client loses 4 in a row of every block it receives: it gets all messages all the same."""
    plane = make_plane(device=device, fec_flush_us=1000000)
    session = plane.session(params=w.parameters(fec_k=20, fec_r=4))

    def drop(packet):
        _, frames = session.rx.open(packet)
        return any(
            kind == w.FEC_SOURCE and fields["index"] in (5, 6, 7, 8) for kind, fields in w.read_frames(frames)
        )

    session.drop = drop
    sent = [i.to_bytes(4, "big") * 50 for i in range(200)]
    for i, data in enumerate(sent):
        session.send(w.stream_frame(1, i, data))
        while session.poll(0):
            pass
    received = session.collect(len(sent), 5)
    session.close()
    assert sorted(fields["data"] for _, fields in received) == sent
    assert session.recovered == 40


def test_loss_without_fec(make_plane):
    """What is lost stays lost, and holds up nobody for long."""
    plane = make_plane()
    result = plane.run_client("--messages", 60, "--streams", 3, "--lose", "0,7,20,21,59")
    assert (result["sent"], result["echoed"], result["lost"]) == (60, 55, 5)
    assert plane.settle()["delivered"] == 55


def test_client_moves(make_plane):
    """Another port of the client: answers follow it, once its packets are authentic."""
    plane = make_plane()
    session = plane.session()
    before = session.socket
    with plane.client_host:
        session.socket = type(before)(before.family, before.type)
    session.socket.setblocking(False)
    session.send(w.stream_frame(1, 0, b"from elsewhere"))
    assert session.collect(1, 2)[0][1]["data"] == b"from elsewhere"
    port = session.socket.getsockname()[1]
    assert [(s["peer_ip"], s["peer_port"]) for s in plane.sessions()] == [(CLIENT[4], port)]
    assert plane.total()["paths_changed"] == 1
    before.close()
    session.close()


def test_fragments_are_dropped(make_plane):
    """Over af_xdp: behind af_packet the kernel may have put them together."""
    need_xdp()
    plane = make_plane(device="af_xdp")
    with plane.client_host, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.IPPROTO_IP, 10, 0)  # IP_MTU_DISCOVER: never
        sender.sendto(bytes(4000), (SERVER[4], 4500))
    wait_for(lambda: plane.total()["ip_fragment"] == 3, 5, "three fragments")
