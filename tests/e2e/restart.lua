-- Traffic while the data plane is killed and comes back: every session is reset once, shakes hands anew, and goes on.

local sessions = jetgen.arg("sessions", 100)

local opened = jetgen.open { sessions = sessions, idle_timeout = 60 }
jetgen.expect(opened.handshakes_ok == sessions, "not every handshake was completed")
local r = jetgen.run { seconds = jetgen.arg("seconds", 10), rate = 4000, size = 256 }
jetgen.print("%d resets, %d handshakes, %d of %d messages", r.resets, r.handshakes_ok, r.delivered, r.sent_messages)
jetgen.expect(r.resets >= sessions and r.sessions == sessions, "not every session came back")
jetgen.expect(r.corrupt_delivered == 0 and r.duplicate_delivered == 0, "a message came back changed or twice")
local after = jetgen.run { messages = sessions * 20, rate = 4000, size = 256, drain = 2 }
jetgen.expect(after.delivered == after.sent_messages, "a message did not come back afterwards")
jetgen.close()
