-- Hellos from thousands of spoofed addresses, first garbage, then well-formed ones: established sessions must not
-- notice, and new ones must still be possible.
--
--   jetgen --sources 16 handshake-flood.lua [sessions=64] [rate=20000] [seconds=3] [sources=512]
--
-- The data plane's punt_rate and jetplaned's limits decide what a flood costs. Expects every message of the
-- established sessions back, after each flood, and new handshakes to succeed in the end.

local sessions = jetgen.arg("sessions", 64)
local flood = {
  rate = jetgen.arg("rate", 20000),
  seconds = jetgen.arg("seconds", 3),
  sources = jetgen.arg("sources", 512),
}

local function echo(when)
  local r = jetgen.run { messages = sessions * 100, rate = 20000, drain = 2 }
  jetgen.expect(r.corrupt_delivered == 0 and r.duplicate_delivered == 0, "a message came back changed or twice " .. when)
  jetgen.expect(r.delivered == r.sent_messages, "a message did not come back " .. when)
  jetgen.expect(r.sessions == sessions, "a session was lost " .. when)
end

local function open(when)
  local r = jetgen.open { sessions = sessions }
  jetgen.print("%s: %d handshakes, p50 %.1f ms, p99 %.1f ms, %d hellos repeated, %d retries", when, r.handshakes_ok,
    r.handshake_p50_ms, r.handshake_p99_ms, r.hellos_repeated, r.retries)
  jetgen.expect(r.handshakes_ok == sessions, "not every handshake was completed " .. when)
end

open("before")
for _, valid in ipairs { false, true } do
  flood.valid = valid
  local r = jetgen.flood(flood)
  jetgen.print("%s hellos: %d sent, %d answered by a Retry, %d by a ServerHello", valid and "well-formed" or "garbage",
    r.hellos_sent, r.server_retries, r.server_hellos)
  jetgen.expect(valid or r.server_hellos + r.server_retries == 0, "garbage was answered")
  echo(valid and "after the flood of hellos" or "after the flood of garbage")
end
jetgen.close()
open("after")
echo("in the end")
jetgen.close()
