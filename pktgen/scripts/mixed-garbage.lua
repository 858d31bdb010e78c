-- Everything at once, for a long time: mixed sizes, streams and datagrams under loss, reordering, duplication, damage,
-- replays, forgeries and garbage, with FEC and frequent rekeying. For soaking.
--
--   jetgen mixed-garbage.lua [sessions=200] [seconds=60] [rate=20000] [loss=0.03] [loss_rx=0]
--                            [garbage=0.005] [rekey_every=5000]
--
-- Expects no message changed or delivered twice, most lost ones recovered, and no session lost.

local sessions = jetgen.arg("sessions", 200)
local garbage = jetgen.arg("garbage", 0.005)

local opened = jetgen.open { sessions = sessions, streams = 8, fec = { 20, 4 }, idle_timeout = 60 }
jetgen.expect(opened.handshakes_ok == sessions, "not every handshake was completed")

local r = jetgen.run {
  seconds = jetgen.arg("seconds", 60),
  rate = jetgen.arg("rate", 20000),
  sizes = { { 64, 7 }, { 576, 4 }, { 1350, 1 } },
  datagrams = 0.2,
  rekey_every = jetgen.arg("rekey_every", 5000),
  loss = jetgen.arg("loss", 0.03),
  loss_rx = jetgen.arg("loss_rx", 0),
  gilbert = { enter = 0.001, exit = 0.3, loss = 0.8 },
  reorder = { p = 0.02, distance = 3 },
  duplicate = 0.01,
  corrupt = 0.01,
  replay = 0.01,
  forge = 0.01,
  garbage = { random = garbage, truncated = garbage, wrong_spi = garbage, hello = garbage / 4, headers = garbage },
  drain = 2,
}
jetgen.print("%d messages, %d delivered, %d lost on the way, %d recovered", r.sent_messages, r.delivered, r.messages_lost,
  r.fec_recovered)
jetgen.expect(r.corrupt_delivered == 0, "a message came back changed")
jetgen.expect(r.duplicate_delivered == 0, "a message came back twice")
jetgen.expect(r.fec_recovered > r.messages_lost / 2, "FEC recovered less than half of what was lost")
jetgen.expect(r.resets == 0 and r.closed == 0 and r.sessions == sessions, "a session was lost")
jetgen.close()
