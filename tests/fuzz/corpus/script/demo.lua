-- The main job in one run: many sessions echo through loss and reordering, FEC recovers, replays and forgeries bounce off.
--
--   jetgen demo.lua [sessions=1000] [seconds=10] [rate=60000] [size=1000] [loss=0.05] [k=20] [r=4]
--
-- Every message that comes back is checked byte by byte. Sessions send trains of k messages, as media does, so that
-- blocks fill quickly and what FEC recovers is hardly late.

local sessions = jetgen.arg("sessions", 1000)
local k, repairs = jetgen.arg("k", 20), jetgen.arg("r", 4)

local opened = jetgen.open { sessions = sessions, fec = { k, repairs }, streams = 4, idle_timeout = 60 }
jetgen.expect(opened.handshakes_ok == sessions, "not every handshake was completed")

local r = jetgen.run {
  seconds = jetgen.arg("seconds", 10),
  rate = jetgen.arg("rate", 60000),
  size = jetgen.arg("size", 1000),
  train = k,
  loss = jetgen.arg("loss", 0.05),
  reorder = { p = 0.02, distance = 3 },
  replay = 0.002,
  forge = 0.002,
}
jetgen.expect(r.corrupt_delivered == 0, "a message came back changed")
jetgen.expect(r.duplicate_delivered == 0, "a message came back twice")
jetgen.expect(r.fec_recovered > 0, "nothing was recovered")
jetgen.expect(r.resets == 0 and r.closed == 0, "a session was lost")
jetgen.close()
