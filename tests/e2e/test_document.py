"""docs/protocol.md is enough to write a client: jetwire.py and jetresume.py, written from it, reproduce its worked
examples."""

import os
import pathlib
import re

import jetresume
import jetwire as w
import pytest

BUILD = pathlib.Path(os.environ.get("JETPLANE_BUILD", "build"))
PAGE = pathlib.Path(__file__).parents[2] / "docs" / "protocol.md"


def values(text):
    return {
        m[1].strip(): bytes.fromhex(re.sub(r"\s", "", m[2]))
        for m in re.finditer(r"^    (\S[^=\n]*?) =\s((?:\s*[0-9a-f]{2,64}\s*$)+)", text, re.M)
    }


class Example:
    """The page's example: `name = hex` lines, hex in lines of its own under a name, and `hex   comment` fields."""

    def __init__(self):
        text = PAGE.read_text().split("<!-- example begin -->")[1]
        self.sections = {
            part.split("\n", 1)[0].strip(): part.split("\n", 1)[1] for part in text.split("\n### ")[1:]
        }
        before, after = text.split("\n### A resumption\n")
        self.values, self.resumed = values(before), values(after)

    def __getitem__(self, name):
        return self.values[name]

    def fields(self, section, part=0):
        """The bytes of a block of commented fields."""
        blocks = re.findall(r"(?:^    [0-9a-f]+  +\S.*\n)+", self.sections[section], re.M)
        return b"".join(bytes.fromhex(line.split()[0]) for line in blocks[part].splitlines())


@pytest.fixture(scope="module")
def example():
    return Example()


@pytest.fixture(scope="module")
def kem():
    return w.MlKem(str(BUILD / "tests/tools/mlkem-helper"))


def handshake(example, kem, **more):
    hello = example["ClientHello"]
    return w.Handshake(
        kem, 0x10203040, (1, 2), hello[1288 : 1288 + hello[47]], **more,
        secrets={
            "x25519": example["client x25519 secret"],
            "mlkem": example["client ML-KEM d"] + example["client ML-KEM z"],
            "random": example["client random"],
        },
    )


def test_hello_and_keys(example, kem):
    client = handshake(example, kem, pinned=example["identity"])
    assert client.hello == example["ClientHello"]
    done = client.finish(example["ServerHello"])
    assert done["suite"] == w.AES256_GCM
    assert done["identity"] == example["identity"]
    assert done["server_spi"] == 0x50607080
    assert done["parameters"] == {
        "idle_timeout_ms": 30000, "max_streams": 256, "max_packet": 1472, "fec_k": 20, "fec_r": 4,
    }
    assert (done["c2s"], done["s2c"]) == (example["c2s[0]"], example["s2c[0]"])
    assert done["resumption"] == example["resumption"]
    for way in "c2s", "s2c":
        keys = w.Keys(done["suite"], done[way])
        assert keys.material(0) == example[f"{way} key, epoch 0"] + example[f"{way} salt, epoch 0"]
        keys.material(1)
        assert keys.secrets[1] == example[f"{way}[1]"]


def test_damaged_server_hello_is_ignored(example, kem):
    for at in (40, 60, 100, 1167, 1168, 1300, 1330):
        damaged = bytearray(example["ServerHello"])
        damaged[at] ^= 1
        with pytest.raises((w.Ignore, ValueError)):
            handshake(example, kem).finish(bytes(damaged))


def test_first_packets(example):
    keys = w.Keys(w.AES256_GCM, example["c2s[0]"])
    packet = keys.seal(0x50607080, 0, w.stream_frame(1, 0, b"Hello, Jetplane!"))
    assert packet == example.fields("The client's first packet", 1)
    number, frames = w.Keys(w.AES256_GCM, example["s2c[0]"]).open(example.fields("The server's first packet", 1))
    assert number == 0
    assert list(w.read_frames(frames)) == [
        (w.ACK, {"ranges": [(0, 0)], "delay": 300}),
        (w.STREAM, {"stream": 1, "sequence": 0, "offset": 0, "fin": True, "data": b"Hello, Jetplane!"}),
    ]
    assert w.reset_quote(example["Reset"], example["identity"]) == packet[:32]


def test_fec_block(example):
    frames = [b"\x20abcd", b"\x20ef"]
    assert w.fec_source(0, 0, frames[0]) == example.fields("A FEC block", 0)
    assert w.fec_source(0, 1, frames[1]) == example.fields("A FEC block", 1)
    (repair,) = w.fec_repairs(0, 1, frames)
    assert repair == example.fields("A FEC block", 2)
    for lost in 0, 1:
        sources = {1 - lost: len(frames[1 - lost]).to_bytes(2, "big") + frames[1 - lost]}
        assert w.fec_recover(2, sources, {0: repair[5:]}) == {lost: frames[lost]}


def resume_hello(example, **more):
    r = example.resumed
    params = r["ResumeHello"][104 : 104 + r["ResumeHello"][47]]
    early = w.stream_frame(1, 0, b"Hello, Jetplane!")
    return jetresume.resume_hello(
        example["resumption"], r["ticket"], w.AES256_GCM, 0x10203040, r["client random"], r["client x25519 secret"],
        params, early, **more,
    )


def test_resume_hello(example):
    r, hello = example.resumed, resume_hello(example)
    assert jetresume.early_digest(hello) == r["H"]
    assert w.derive(example["resumption"], "early", r["H"], 36) == r["early key"] + r["early salt"]
    assert hello == r["ResumeHello"]
    assert jetresume.read_early(hello, example["resumption"]) == w.stream_frame(1, 0, b"Hello, Jetplane!")
    with_cookie = resume_hello(example, cookie=bytes(range(24)))
    assert jetresume.early_digest(with_cookie) == r["H"]
    assert with_cookie[160:] == hello[160:]


def test_resume_accept(example):
    r = example.resumed
    hello, secret = r["ResumeHello"], r["client x25519 secret"]
    answer, server = jetresume.accept(hello, example["resumption"], r["server x25519 secret"], 0x50607080)
    assert answer == r["ResumeAccept"]
    client = jetresume.finish(hello, answer, example["resumption"], secret)
    for side in server, client:
        assert side.server_spi == 0x50607080
        assert side.sh == r["sh key"] + r["sh salt"]
        assert (side.t0, side.hs, side.t1) == (r["T0"], r["hs"], r["T1"])
        assert (side.finished, side.t2) == (r["finished"], r["T2"])
        assert (side.c2s, side.s2c, side.resumption) == (r["c2s[0]"], r["s2c[0]"], r["resumption"])
    assert jetresume.exchange(secret, answer[12:44]) == r["x25519"]


def test_damaged_resumption_is_ignored(example):
    r, resumption = example.resumed, example["resumption"]
    for at in (0, 9, 12, 44, 72, 104, 160, 300, 1343):
        damaged = bytearray(r["ResumeHello"])
        damaged[at] ^= 1
        with pytest.raises((w.Ignore, KeyError)):
            jetresume.read_early(bytes(damaged), resumption)
    for at in range(96):
        damaged = bytearray(r["ResumeAccept"])
        damaged[at] ^= 1
        with pytest.raises(w.Ignore):
            jetresume.finish(r["ResumeHello"], bytes(damaged), resumption, r["client x25519 secret"])
