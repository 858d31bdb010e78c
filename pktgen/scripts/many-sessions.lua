-- Thousands of sessions: shake hands, let each send a few messages, close.
--
--   jetgen --sources 64 many-sessions.lua [sessions=10000] [inflight=64] [handshake_rate=0]
--                                         [messages=10] [size=512] [rate=200000] [streams=1]
--
-- More than 64512 sessions need --sources; so do the data plane's limits by source prefix. Expects every handshake
-- completed and every message back, whole and once.

local sessions = jetgen.arg("sessions", 10000)
local messages = jetgen.arg("messages", 10)

local opened = jetgen.open {
  sessions = sessions,
  inflight = jetgen.arg("inflight", 64),
  rate = jetgen.arg("handshake_rate", 0),
  streams = jetgen.arg("streams", 1),
  idle_timeout = 300,
}
jetgen.print("%d handshakes, %.0f a second, p50 %.1f ms, p99 %.1f ms, %d hellos repeated, %d retries",
  opened.handshakes_ok, opened.handshakes_per_s, opened.handshake_p50_ms, opened.handshake_p99_ms,
  opened.hellos_repeated, opened.retries)
jetgen.expect(opened.handshakes_ok == sessions, "not every handshake was completed")

local r = jetgen.run {
  messages = sessions * messages,
  size = jetgen.arg("size", 512),
  rate = jetgen.arg("rate", 200000),
  drain = 2,
}
jetgen.print("%d messages, %.3f Mpps, p50 %.0f us, p99 %.0f us", r.delivered, r.mpps, r.p50_us, r.p99_us)
jetgen.expect(r.sent_messages == sessions * messages, "not every message was sent")
jetgen.expect(r.corrupt_delivered == 0, "a message came back changed")
jetgen.expect(r.duplicate_delivered == 0, "a message came back twice")
jetgen.expect(r.delivered == r.sent_messages, "a message did not come back")
jetgen.close()
