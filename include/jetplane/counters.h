/* Every counter of the data plane: one list, so the same names appear in shared memory, jetctl and
 * JSON.
 *
 * The unit of accounting is one packet's worth of work. Units come from JP_SOURCES and each ends in
 * exactly one of JP_FATES or JP_DROPS, counted by the lcore where it ends (for what ends at the
 * main lcore, which has no row: in the row of the worker it came from); JP_HELD units wait for
 * theirs in a reorder queue. Summed over all lcores, once traffic has stopped and the control plane
 * has read what waits for it:
 *
 *   sum(sources) = sum(fates) + sum(drops) + held
 *
 * X(name, description) */
#ifndef JETPLANE_COUNTERS_H
#define JETPLANE_COUNTERS_H

#define JP_SOURCES(X)                                                                              \
    X(rx_packets, "packets received from ports")                                                   \
    X(relay_rx, "data packets that came by TCP")                                                   \
    X(split_frames, "further data frames of one packet, each delivered as a unit of its own")      \
    X(fec_recovered, "lost packets recovered by FEC")

#define JP_FATES(X)                                                                                \
    X(delivered, "data delivered to a sink")                                                       \
    X(control, "authentic packets with control frames only")                                       \
    X(repair, "authentic FEC repairs taken in")                                                    \
    X(transport, "authentic packets of full sessions")                                             \
    X(punted, "handshake packets handed to the control plane")                                     \
    X(keepalive, "NAT keepalives")                                                                 \
    X(arp, "ARP requests answered")                                                                \
    X(ndp, "neighbour solicitations answered")                                                     \
    X(icmp, "ICMP echo requests answered")

#define JP_DROPS(X)                                                                                \
    X(eth_other, "neither IPv4, IPv6 nor ARP, or another VLAN")                                    \
    X(arp_other, "ARP that asks nothing of us")                                                    \
    X(ip_malformed, "IP header cut short or contradicting itself")                                 \
    X(ip_checksum, "bad IPv4 header checksum")                                                     \
    X(ip_fragment, "IP fragment")                                                                  \
    X(ip_not_ours, "IP packet to another address")                                                 \
    X(ip_other_mac, "IP packet in a frame to another Ethernet address")                            \
    X(ip_source, "UDP from what is no host's address")                                             \
    X(ip_other, "neither UDP nor an ICMP request we answer")                                       \
    X(udp_malformed, "UDP length contradicts the packet")                                          \
    X(udp_checksum, "bad UDP checksum, where it decides: a hello, or another path")                \
    X(port_closed, "UDP to a port without listener")                                               \
    X(too_short, "shorter than its kind of packet, or a hello of another length")                  \
    X(spi_reserved, "SPI 1 to 255")                                                                \
    X(pn_mismatch, "low 32 bits do not repeat the packet number's")                                \
    X(hs_version, "handshake of an unknown version")                                               \
    X(hs_type, "handshake message only a server sends, or of an unknown type")                     \
    X(steer_full, "ring to the owner lcore was full")                                              \
    X(relay_long, "by TCP: longer than what any port takes")                                       \
    X(relay_full, "by TCP: ring to the owner lcore was full")                                      \
    X(unknown_spi, "no session with this SPI")                                                     \
    X(epoch_far, "packet number more than one epoch away")                                         \
    X(auth_failed, "forged or damaged: the tag is wrong")                                          \
    X(replay_seen, "replayed: packet number seen before")                                          \
    X(replay_old, "packet number before the replay window")                                        \
    X(bad_trailer, "ESP trailer is not one of ours")                                               \
    X(bad_frame, "malformed frame: the session is closed")                                         \
    X(fec_duplicate, "original of a source already delivered or recovered")                        \
    X(fec_late, "source or repair of a forgotten FEC block")                                       \
    X(fec_bad, "FEC symbol contradicts its block")                                                 \
    X(reorder_duplicate, "fragment already delivered or skipped")                                  \
    X(gap_broken, "fragment of a message that lost another part")                                  \
    X(stream_limit, "stream id beyond the limit, or no memory for streams")                        \
    X(session_gone, "held for a session that ended")                                               \
    X(transport_full, "of a full session, which sends it again: memory was used up")               \
    X(punt_limited, "handshake above its source's rate")                                           \
    X(punt_full, "handshake with the control plane away or behind")                                \
    X(punt_lost, "handshake on its way to the control plane when that went away")                  \
    X(no_mbuf, "no packet buffer for a unit's copy")

/* What happened besides: never part of the sum above. */
#define JP_EVENTS(X)                                                                               \
    X(rx_bytes, "bytes received from ports")                                                       \
    X(tx_packets, "packets sent")                                                                  \
    X(tx_bytes, "bytes sent")                                                                      \
    X(tx_full, "packets dropped because a transmit queue was full")                                \
    X(tx_reset, "packets dropped because their port was being reset")                              \
    X(tx_blocked, "packets not sent because the next epoch waits for an acknowledgement")          \
    X(tx_no_mbuf, "packets not sent for want of a packet buffer")                                  \
    X(tx_refused, "not sent: a stream or datagram size the client does not take, or no such port") \
    X(relay_tx, "packets sent by TCP")                                                             \
    X(relay_tx_full, "not sent by TCP: ring to the main lcore was full")                           \
    X(relay_tx_lost, "not sent by TCP: the control plane went away")                               \
    X(delivered_bytes, "payload bytes delivered")                                                  \
    X(messages, "messages and datagrams of full sessions delivered")                               \
    X(packets_lost, "packets sent by full sessions and declared lost")                             \
    X(bytes_again, "stream bytes that full sessions sent again")                                   \
    X(misdirected, "packets that arrived at another lcore than their owner")                       \
    X(handed_in, "packets taken over from other lcores")                                           \
    X(acks_sent, "ACK packets sent")                                                               \
    X(repairs_sent, "FEC repairs sent")                                                            \
    X(fec_lost, "packets lost beyond FEC's help")                                                  \
    X(gaps_skipped, "reorder gaps given up")                                                       \
    X(rekeys, "epochs entered, both directions")                                                   \
    X(resets_asked, "packets of unknown sessions reported to the control plane")                   \
    X(resets_limited, "packets of unknown sessions above the rate of reports")                     \
    X(paths_changed, "sessions whose peer moved to another address")                               \
    X(sessions_installed, "sessions installed")                                                    \
    X(sessions_refused, "sessions refused: table full or SPI taken")                               \
    X(sessions_idle, "sessions ended by idling")                                                   \
    X(sessions_unconfirmed, "sessions whose client never confirmed its keys")                      \
    X(sessions_closed, "sessions closed by their peer")                                            \
    X(sessions_failed, "sessions closed for a protocol violation")                                 \
    X(sessions_evicted, "sessions closed as memory for what they held ran out")                    \
    X(sessions_retired, "sessions retired by the operator")                                        \
    X(polls, "turns of the lcore's loop")                                                          \
    X(polls_busy, "turns that found work")                                                         \
    X(interrupts, "rests that a port's receive interrupt ended")                                   \
    X(cycles_busy, "TSC cycles spent in turns that found work")                                    \
    X(cycles_idle, "TSC cycles spent in turns that found none, and resting")

/* Events too: TSC cycles of each stage, in the order packets take. One turn of the loop in 17 is
 * measured and counted 17 times, so what they say holds over many turns: a few may show nothing of
 * a stage, or more than the turns took. A packet that is received pays for rx to steer where it
 * arrives and for decrypt to deliver where it is owned; deliver includes what the sink does. One
 * that is sent pays for the rest. */
#define JP_RX_STAGES(X)                                                                            \
    X(rx_cycles, "TSC cycles spent receiving")                                                     \
    X(parse_cycles, "TSC cycles spent parsing")                                                    \
    X(steer_cycles, "TSC cycles spent handing over what others own")

#define JP_OWNER_STAGES(X)                                                                         \
    X(decrypt_cycles, "TSC cycles spent decrypting")                                               \
    X(replay_cycles, "TSC cycles spent taking packet numbers, and in full sessions' transport")    \
    X(fec_cycles, "TSC cycles spent reading frames and recovering what was lost")                  \
    X(reorder_cycles, "TSC cycles spent reordering")                                               \
    X(deliver_cycles, "TSC cycles spent delivering")

#define JP_TX_STAGES(X)                                                                            \
    X(schedule_cycles, "TSC cycles spent scheduling")                                              \
    X(frame_cycles, "TSC cycles spent framing")                                                    \
    X(protect_cycles, "TSC cycles spent making FEC sources and repairs")                           \
    X(encrypt_cycles, "TSC cycles spent encrypting and addressing")                                \
    X(tx_cycles, "TSC cycles spent handing packets to ports")

#define JP_STAGES(X) JP_RX_STAGES(X) JP_OWNER_STAGES(X) JP_TX_STAGES(X)

/* Not counters: the present value. */
#define JP_GAUGES(X)                                                                               \
    X(held, "packets waiting in reorder queues")                                                   \
    X(sessions, "sessions")                                                                        \
    X(sessions_full, "of them, with the full transport")                                           \
    X(pooled, "objects that sessions hold in pools: further streams, fragments, FEC; looked at "   \
              "now and then")

#define JP_COUNTERS(X) JP_SOURCES(X) JP_FATES(X) JP_DROPS(X) JP_EVENTS(X) JP_STAGES(X) JP_GAUGES(X)

#define JP_COUNTER_INDEX(name, text) JP_##name,
enum jp_counter { JP_COUNTERS(JP_COUNTER_INDEX) JP_COUNTER_COUNT };
#undef JP_COUNTER_INDEX

#endif
