-- Replayed, forged, duplicated and damaged packets between the real ones: none may be delivered, none may do harm.
--
--   jetgen replay-and-forgery.lua [sessions=16] [seconds=5] [rate=20000] [size=512] [replay=0.05]
--                                 [forge=0.05] [duplicate=0.02] [corrupt=0.02]
--
-- Expects every message back whose packet was not damaged, whole and once. The data plane's replay_seen should be
-- replays_injected + duplicated.

local opened = jetgen.open { sessions = jetgen.arg("sessions", 16), streams = 4 }
jetgen.expect(opened.handshakes_failed == 0, "not every handshake was completed")

local r = jetgen.run {
  seconds = jetgen.arg("seconds", 5),
  rate = jetgen.arg("rate", 20000),
  size = jetgen.arg("size", 512),
  replay = jetgen.arg("replay", 0.05),
  forge = jetgen.arg("forge", 0.05),
  duplicate = jetgen.arg("duplicate", 0.02),
  corrupt = jetgen.arg("corrupt", 0.02),
}
jetgen.print("%d messages, %d damaged, %d delivered; %d replays, %d duplicates, %d forgeries", r.sent_messages,
  r.messages_lost, r.delivered, r.replays_injected, r.duplicated, r.forgeries_injected)
jetgen.expect(r.replays_injected > 0 and r.forgeries_injected > 0, "nothing was injected")
jetgen.expect(r.corrupt_delivered == 0, "a message came back changed")
jetgen.expect(r.duplicate_delivered == 0, "a message came back twice")
jetgen.expect(r.delivered == r.sent_messages - r.messages_lost, "a message did not come back")
jetgen.expect(r.resets == 0 and r.closed == 0, "a session was lost")
jetgen.close()
