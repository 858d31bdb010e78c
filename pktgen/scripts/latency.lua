-- How long an echo takes at a steady rate: the round trip from just before a message is framed to just after it is read.
--
--   jetgen latency.lua [rate=100000] [size=64] [seconds=5] [sessions=16] [streams=4]
--
-- Expects every message back.

local sessions = jetgen.arg("sessions", 16)

local opened = jetgen.open { sessions = sessions, streams = jetgen.arg("streams", 4) }
jetgen.expect(opened.handshakes_ok == sessions, "not every handshake was completed")

local r = jetgen.run {
  seconds = jetgen.arg("seconds", 5),
  rate = jetgen.arg("rate", 100000),
  size = jetgen.arg("size", 64),
}
jetgen.print("%.3f Mpps, p50 %.1f us, p99 %.1f us, p99.9 %.1f us", r.mpps, r.p50_us, r.p99_us, r.p999_us)
jetgen.expect(r.corrupt_delivered == 0, "a message came back changed")
jetgen.expect(r.delivered == r.sent_messages, "a message did not come back")
jetgen.close()
