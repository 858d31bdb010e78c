"""The benchmarks that scripts/bench knows: to add one, add an entry."""

from dataclasses import dataclass, field


@dataclass
class Case:
    """One command of fixed work. `command` is a program of tests/bench/ and its arguments."""

    name: str
    command: str
    count: int  # what is done in one run ...
    unit: str = "packet"  # ... so many of these
    x: float | None = None  # where it lies on the plot's x axis
    pinned: bool = True  # to one CPU; else it places its processes itself
    goals: dict[str, tuple[str, float]] = field(default_factory=dict)  # result: (">=" or "<=", value)


@dataclass
class Set:
    about: str
    cases: list[Case]
    plot: tuple[str, ...] = ()  # the results to draw, ...
    x_label: str = ""  # ... over this, or one bar a case
    y_label: str = ""
    log_x: bool = False


SIZES = (64, 256, 512, 1024, 1400)
MANY = (1, 10, 100, 1000, 10_000, 100_000, 1_000_000)
ALGS = ("aes-256-gcm", "chacha20-poly1305")

# what must not be told from each other by time, and what must be, to see that it can
TIMING = ["control-leak", "control-same", "mlkem-message", "mlkem-forged", "cookie-bytes"] + [
    f"tag-bytes {backend} {alg}" for alg in ALGS for backend in ("ipsec-mb", "sodium")] + ["tag-bytes libcrypto aes-256-gcm"]
ROUND, INGRESS_ROUNDS = 1024, 300  # packets of a round of bench_ingress, and how many rounds
GCM, CHACHA = ALGS
INGRESS_GOALS = {(GCM, 1400): {"ratio": (">=", 0.70)}, (GCM, 64): {"ratio": (">=", 0.35)},
                 (CHACHA, 1400): {"ratio": (">=", 0.85)}}


def count_for(size: int) -> int:
    """Packets that take about as long, whatever their size."""
    return max(100_000, 100_000_000 // (size + 200))


SETS = {
    "aead": Set(
        "Seal and open packets in bursts of 32: the yardstick of ingress and egress.",
        [Case(f"{alg} {size}", f"bench_aead ipsec-mb {alg} {size} {count_for(size)}", 2 * count_for(size), x=size)
         for alg in ALGS for size in SIZES],
        ("open.rate", "seal.rate"), "bytes a packet", "Gbit/s"),
    "replay": Set(
        "Check and commit packet numbers in the replay window.",
        [Case("window", "bench_replay 10000000", 40_000_000)],
        ("in_order.ns", "swapped.ns", "scattered.ns", "replayed.ns"), y_label="ns a packet"),
    "fec": Set(
        "Encode blocks of 20 sources and 4 repairs, decode them with 0, 1 and 4 losses.",
        [Case(f"20+4 {size}", f"bench_fec 20 4 {size} 4000", 4000 * 24, x=size) for size in (64, 512, 1400)],
        ("encode.ns", "decode.lost0.ns", "decode.lost1.ns", "decode.lost4.ns"), "bytes a packet", "ns a packet"),
    "reorder": Set(
        "Push fragments through a stream's reordering: in order, swapped, behind a gap, at worst.",
        [Case("stream", "bench_reorder 10000000", 30_000_000)],
        ("in_order.ns", "swapped.ns", "behind_gap.ns"), y_label="ns a packet"),
    "lookup": Set(
        "Find random sessions by SPI, in bursts of 64 as the receive path and one by one.",
        [Case(f"{n} sessions", f"bench_lookup {n} 4000000", 8_000_000, "lookup", n) for n in MANY],
        ("burst.ns", "single.ns"), "sessions", "ns a lookup", log_x=True),
    "lz4": Set(
        "Compress and expand messages: text of a log, and what does not compress.",
        [Case(f"log {size}", f"bench_lz4 log {size} {20_000_000 // size}", 20_000_000 // size, "message", size)
         for size in (1024, 16_384, 65_536)] + [Case("random 16384", "bench_lz4 random 16384 100000", 100_000, "message")],
        ("compress.rate", "expand.rate"), "bytes a message", "Gbit/s"),
    "handshake": Set(
        "Full server handshakes on one core, and the primitives they consist of; each primitive by both libraries.",
        [Case("server", "bench_handshake 4000", 4000, "handshake",
              goals={"rate": (">=", 7000), "above_primitives": ("<=", 1.25)}),
         Case("primitives", "bench_primitives 500", 4000, "operation"),
         Case("ml-kem", "bench_mlkem 3000", 9000, "operation")],
        ("handshake.us", "primitives.us", "x25519_keygen.us", "x25519_agree.us", "mlkem_encaps.us", "ed25519_sign.us"),
        y_label="us"),
    "ingress": Set(
        "The receive path, all stages, to the discard sink; the AEAD alone over the same packets in turns with it.",
        [Case(f"{alg} {size}", f"bench_ingress sessions=1000 alg={alg} size={size} rounds={INGRESS_ROUNDS}",
              2 * INGRESS_ROUNDS * ROUND, x=size, goals=INGRESS_GOALS.get((alg, size), {}))
         for alg in ALGS for size in SIZES]
        + [Case("imix", f"bench_ingress sessions=1000 size=imix rounds={INGRESS_ROUNDS}", 2 * INGRESS_ROUNDS * ROUND)],
        ("ratio",), "bytes a packet", "of the AEAD's rate"),
    "egress": Set(
        "The transmit path, from submit to tx; the AEAD alone over as many bytes in turns with it.",
        [Case(f"{alg} {size}", f"bench_egress sessions=1000 alg={alg} size={size} rounds={INGRESS_ROUNDS}",
              2 * INGRESS_ROUNDS * ROUND, x=size) for alg in ALGS for size in SIZES],
        ("ratio",), "bytes a packet", "of the AEAD's rate"),
    "echo": Set(
        "Receive path, echo sink and transmit path; the AEAD alone, opening and sealing, in turns with them.",
        [Case(f"{alg} {size}", f"bench_echo sessions=1000 alg={alg} size={size} rounds={INGRESS_ROUNDS}",
              2 * INGRESS_ROUNDS * ROUND, x=size, goals={"echo.bits": (">=", 20)} if (alg, size) == (GCM, 1400) else {})
         for alg in ALGS for size in SIZES],
        ("echo.bits",), "bytes a packet", "Gbit/s each way"),
    "loss": Set(
        "The receive path with FEC 20+4 as more packets are lost, and without loss in turns with it.",
        [Case(f"{percent} %", f"bench_ingress sessions=64 fec=20+4 loss={percent} rounds={INGRESS_ROUNDS}",
              4 * INGRESS_ROUNDS * ROUND, x=percent, goals={"ratio.loss": (">=", 0.70)} if percent == 5 else {})
         for percent in (1, 2, 5, 10, 15, 20)],
        ("ratio.loss",), "per cent lost", "of the rate without loss"),
    "sessions": Set(
        "What sessions cost: memory, set-up, and a packet of a random one from cold caches.",
        [Case(f"{n}", f"bench_sessions {n}", n, "session", n) for n in MANY],
        ("packet.ns",), "sessions", "ns a packet", log_x=True),
    "crowd": Set(
        "The receive path with packets of ever more sessions in random order, and of one in turns with it.",
        [Case(f"{n} sessions", f"bench_ingress sessions={n} rounds=100", 2 * 100 * ROUND, x=n,
              goals={"ratio.sessions": (">=", 0.75)} if n == 100_000 else {}) for n in MANY],
        ("ingress", "aead"), "sessions", "ns a packet", log_x=True),
    "lcores": Set(
        "The receive path on 1 to 4 lcores, a thread each on all CPUs: a packet's cost beside the others, and alone.",
        [Case(f"{n} lcores", f"bench_lcores {n} round=256 rounds=150", 7 * (n + 1) * 150 * 256, x=n, pinned=False)
         for n in (1, 2, 3, 4)],
        ("alone", "together"), "lcores", "ns a packet"),
    "latency": Set(
        "Echoes over memif and a tap against jetgen on the other CPU: the round trip at a steady rate, and full speed.",
        [Case("100k/s", "memif latency --size 64", 500_000, "echo", pinned=False,
              goals={"p50": ("<=", 15), "p99": ("<=", 60)}),
         Case("100k/s, idle: sleep", "memif latency --size 64 --idle sleep", 500_000, "echo", pinned=False),
         *[Case(f"1k/s, idle: {idle}", f"memif latency --size 64 --rate 1000 --idle {idle}", 5000, "echo", pinned=False)
           for idle in ("poll", "pause", "sleep")],
         *[Case(f"1k/s by tap, idle: {idle}", f"memif latency --tap --size 64 --rate 1000 --idle {idle}", 5000, "echo",
                pinned=False) for idle in ("pause", "sleep", "interrupt")],
         Case("full speed 1400", "memif echo --seconds 3", 1, "run", pinned=False, goals={"bits": (">=", 12)})],
        ("p50", "p99"), y_label="us"),
    "library": Set(
        "Bulk over loopback with jetperf, client and server on a CPU each.",
        [Case("1 stream", "loopback --bytes 2G", 2 << 30, "byte", pinned=False, goals={"receiver": (">=", 6)}),
         Case("100 streams", "loopback --bytes 2G -P 100", 2 << 30, "byte", pinned=False)],
        ("goodput", "receiver", "sender"), y_label="Gbit/s"),
    "timing": Set(
        "Does time tell secrets? Welch's t of two classes of inputs: below 4.5 no difference was found, above 10 there is one.",
        [Case(what, f"bench_timing {n} {what}", n, "measurement",
              goals={"t": (">=", 10) if what == "control-leak" else ("<=", 4.5)})
         for what in TIMING for n in [300_000 if "mlkem" in what else 1_000_000]],
        ("t",), y_label="|t|"),
    "peer-secgw": Set(
        "DPDK's ipsec-secgw example, built outside the tree, and our receive path, both fed from memory, in turns.",
        [Case("secgw", "peer_secgw --turns 5", 10 * 300 * 1024, pinned=False,
              goals={"ratio.1400": (">=", 1.5), "ratio.100": (">=", 1.5)})],
        tuple(f"{what}.{size}" for size in (1400, 100) for what in ("ingress", "secgw.poll", "secgw.library")),
        y_label="packets/s"),
    "peer-quic": Set(
        "Bulk over loopback by the programs of ngtcp2, a QUIC stack in C, and by jetperf, in turns, a CPU each side.",
        [Case("ngtcp2", "peer_quic --turns 3", 3 * 2 << 30, "byte", pinned=False, goals={"ratio.receiver": (">=", 1)})],
        tuple(f"{who}.{what}" for what in ("goodput", "receiver", "sender") for who in ("jetplane", "ngtcp2")),
        y_label="Gbit/s"),
}
