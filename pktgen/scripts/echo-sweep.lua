-- Echo at full speed over message sizes: how many packets and bits a second go round, and how long they take.
--
--   jetgen echo-sweep.lua [sessions=16] [streams=4] [seconds=3] [sizes=64,256,512,1024,1400]
--                         [window=512] [suite=aes-256-gcm] [rekey_every=0]
--
-- Expects every message back, whole and once.

local sessions = jetgen.arg("sessions", 16)
local seconds = jetgen.arg("seconds", 3)
local window = jetgen.arg("window", 512)
local rekey_every = jetgen.arg("rekey_every", 0)

local opened = jetgen.open {
  sessions = sessions,
  streams = jetgen.arg("streams", 4),
  suite = jetgen.arg("suite", "aes-256-gcm"),
}
jetgen.expect(opened.handshakes_ok == sessions, "not every handshake was completed")

jetgen.print("%6s %9s %9s %9s %9s %9s %12s", "size", "Mpps", "Gbit/s", "p50 us", "p99 us", "p99.9 us", "cycles tx/rx")
for size in string.gmatch(jetgen.arg("sizes", "64,256,512,1024,1400"), "%d+") do
  local run = { seconds = seconds, size = tonumber(size), window = window }
  if rekey_every > 0 then
    run.rekey_every = rekey_every
  end
  local r = jetgen.run(run)
  jetgen.print("%6d %9.3f %9.3f %9.0f %9.0f %9.0f %6.0f/%-6.0f", tonumber(size), r.mpps, r.gbps, r.p50_us, r.p99_us,
    r.p999_us, r.tx_cycles_per_packet, r.rx_cycles_per_packet)
  jetgen.expect(r.corrupt_delivered == 0, "a message came back changed")
  jetgen.expect(r.duplicate_delivered == 0, "a message came back twice")
  jetgen.expect(r.out_of_order == 0, "a message overtook another of its stream")
  jetgen.expect(r.delivered == r.sent_messages, "a message did not come back")
end
jetgen.close()
