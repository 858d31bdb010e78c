"""What is wrong with a soak, by its numbers alone. Pure functions: rows, totals and levels in, sentences out.

A leak is growth that does not end. Of each process's resident memory without pools, of its descriptors, and of the data
plane's packet buffers, a line is fitted by least squares to what was seen after the warm-up, while the number of sessions
stayed the same; it may not climb by more than an allowance, for what is touched late once, and a little an hour:

    memory       2 MiB, or 2 % of what the process has if that is more, and 1 MiB an hour
    descriptors  6, and 1 an hour
    buffers      256, and 64 an hour

And when every client has gone, descriptors, buffers, sessions and what the data plane's pools gave may not be one more
than they were before the first came: that finds the slow and the small, too. Pools are of fixed size; what is resident of
them grows when more is in use at once than ever before, and so tells nothing. Those of libjetplane's processes must be
whole when a loop's last session and listener have gone, which the library asserts."""

import statistics

SHORTEST = 120  # seconds after the warm-up: in less, lines say nothing
ALLOWANCES = {"own_kib": (2048, 0.02, 1024), "fds": (6, 0, 1), "mbufs": (256, 0, 64)}  # at once, share, an hour

# Drops that this traffic is bound to have, and why. Any other is a fault.
EXPLAINED = dict.fromkeys(
    """eth_other arp_other ip_malformed ip_checksum ip_fragment ip_other_mac ip_source udp_malformed udp_checksum port_closed
    too_short spi_reserved pn_mismatch hs_version hs_type epoch_far""".split(),
    "jetgen's garbage: headers with random bytes, random packets, packets cut short"
) | {
    "ip_other": "TCP to the kernel on the same interface, and ICMP for killed clients",
    "ip_not_ours": "the kernel's TCP in the other direction, which the same interface shows",
    "auth_failed": "damaged and forged packets", "replay_seen": "replays, and what the wire delivers twice",
    "replay_old": "replays, and what comes very late", "unknown_spi": "of sessions that have just ended, and garbage",
    "fec_duplicate": "what FEC had recovered before it came", "fec_late": "what came after its block was over",
    "reorder_duplicate": "what FEC had recovered before it came, or came after its gap was given up",
    "session_gone": "of killed clients, whose sessions ended",
}
# What has no excuse: to run out of something, or to break the protocol.
NEVER = ("tx_no_mbuf", "tx_refused", "sessions_refused", "sessions_failed", "sessions_evicted", "relay_tx_lost")
ENDS = ("sessions_idle", "sessions_unconfirmed", "sessions_closed", "sessions_failed", "sessions_evicted", "sessions_retired")


def warm_up(seconds):
    """A quarter of the run, and six minutes at least: pools grow until they have seen their busiest moments."""
    return max(0.25 * seconds, 360)


def has_trends(seconds):
    return seconds - warm_up(seconds) >= SHORTEST


def allowance(column, values, hours):
    at_once, share, an_hour = ALLOWANCES[column.split(".")[0]]
    return max(at_once, share * statistics.mean(values)) + an_hour * hours


def trends(rows, seconds):
    """column -> what the fitted line climbs by, and may climb by, from the warm-up to the end; nothing of short runs."""
    if not has_trends(seconds):
        return {}
    rows = [row for row in rows if warm_up(seconds) <= row["seconds"] <= seconds]
    times = [row["seconds"] for row in rows]
    found = {}
    for column in (name for name in rows[0] if name.split(".")[0] in ALLOWANCES):
        values = [row[column] for row in rows]
        slope = statistics.linear_regression(times, values).slope
        lasted = times[-1] - times[0]
        found[column] = {"mean": statistics.mean(values), "climbs": slope * lasted, "an_hour": slope * 3600,
                         "may_climb": allowance(column, values, lasted / 3600)}
    return found


def leaks(found):
    for column, trend in found.items():
        if trend["climbs"] > trend["may_climb"]:
            yield (f"leak: {column} climbs by {trend['climbs']:.0f} after the warm-up ({trend['an_hour']:.0f} an hour), "
                   f"{trend['may_climb']:.0f} are allowed")


def left_behind(before, after):
    for name, level in before.items():
        if after[name] > level:
            yield f"leak: {name} is {after[name]} when everybody has gone, and was {level} before"


def books(total, counters, handshakes):
    """`total`: the data plane's counters at rest; `counters`: their lists by name."""
    ends = counters["JP_FATES"] + counters["JP_DROPS"] + ["held"]
    lost = sum(total[name] for name in counters["JP_SOURCES"]) - sum(total[name] for name in ends)
    if lost:
        yield f"books: {lost} packets have no end"
    if total["sessions_installed"] != sum(total[name] for name in ENDS):
        yield f"books: {total['sessions_installed']} sessions began, {sum(total[name] for name in ENDS)} ended"
    if handshakes["ok"] != total["sessions_installed"]:
        yield f"books: jetplaned counts {handshakes['ok']} sessions, the data plane {total['sessions_installed']}"
    for name in counters["JP_DROPS"]:
        if total[name] and name not in EXPLAINED:
            yield f"drops: {total[name]} packets as {name}, for which there is no reason"
    for name in NEVER:
        if total[name]:
            yield f"events: {name} is {total[name]}"


def clients(ran, visits):
    """`ran`: kind -> how it ended -> times; `visits`: the last line of visits.py."""
    for kind, how in ran.items():
        if not how["well"]:
            yield f"clients: nobody did well as {kind}"
    if visits.get("error"):
        yield f"visits: {visits['error']}"
    if visits.get("broken"):
        yield f"visits: sessions broke: {visits['broken']}"
    if not visits.get("resumed"):
        yield "visits: no session was resumed"
