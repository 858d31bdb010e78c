-- Loss, and FEC against it: the share of messages delivered, without any being sent twice, is what the code promises.
--
--   jetgen lossy-fec.lua [sessions=8] [k=20] [r=4] [losses=0.01,0.05,0.10] [burst=4] [blocks=500]
--                        [rate=40000] [size=1000] [datagrams=0] [drain=1]
--
-- First random loss at each of the given rates, `blocks` full FEC blocks a session. A block of k + r packets loses
-- nothing while at most r of them are lost; beyond, its lost messages stay lost. Expects the messages lost for good
-- within the 99 % interval around that. Then bursts of up to `burst` packets: expects every message back. The data
-- plane's reorder_timeout_us must be longer than a block takes, k * sessions / rate seconds, and shorter than `drain`
-- seconds: messages wait that long behind one that is lost for good, or until reorder_max of them do, which must be more
-- than k. The rate does not wait for echoes, so that blocks fill at it whatever waits.

local sessions = jetgen.arg("sessions", 8)
local k, repairs = jetgen.arg("k", 20), jetgen.arg("r", 4)
local blocks = jetgen.arg("blocks", 500)
local rate = jetgen.arg("rate", 40000)
local size = jetgen.arg("size", 1000)
local datagrams = jetgen.arg("datagrams", 0)
local drain = jetgen.arg("drain", 1)

local function choose(n, m)
  local c = 1
  for i = 1, m do
    c = c * (n - m + i) / i
  end
  return c
end

-- Mean and variance of the messages that a block loses for good at loss rate p. Of m lost packets m * k / n are
-- sources on average (hypergeometric).
local function block_loss(p)
  local n, mean, square = k + repairs, 0, 0
  for m = repairs + 1, n do
    local probability = choose(n, m) * p ^ m * (1 - p) ^ (n - m)
    local lost = m * k / n
    local variance = m * k / n * repairs / n * (n - m) / (n - 1)
    mean = mean + probability * lost
    square = square + probability * (variance + lost * lost)
  end
  return mean, square - mean * mean
end

local function check(r)
  jetgen.expect(r.corrupt_delivered == 0, "a message came back changed")
  jetgen.expect(r.duplicate_delivered == 0, "a message came back twice")
end

local opened = jetgen.open { sessions = sessions, fec = { k, repairs }, fec_flush_us = 200000 }
jetgen.expect(opened.handshakes_ok == sessions, "not every handshake was completed")

for text in string.gmatch(jetgen.arg("losses", "0.01,0.05,0.10"), "[%d.]+") do
  local p = tonumber(text)
  local n = sessions * blocks
  local mean, variance = block_loss(p)
  -- the normal interval, and one block for where losses are too rare for it
  local half = 2.576 * math.sqrt(variance * n) + k
  local r = jetgen.run {
    messages = n * k, rate = rate, window = 0, size = size, loss = p, datagrams = datagrams, drain = drain,
  }
  local gone = r.sent_messages - r.delivered
  jetgen.print("loss %4.1f %%: %d of %d messages lost on the way, %d recovered, %d gone; promised %.0f +- %.0f",
    p * 100, r.messages_lost, r.sent_messages, r.fec_recovered, gone, mean * n, half)
  check(r)
  jetgen.expect(r.fec_recovered > 0, "nothing was recovered")
  jetgen.expect(math.abs(gone - mean * n) <= half,
    string.format("%d messages are gone, %.0f +- %.0f were promised", gone, mean * n, half))
end

for length = 1, jetgen.arg("burst", 4) do
  -- far enough apart that no block meets two bursts
  local r = jetgen.run {
    messages = sessions * blocks * k, rate = rate, window = 0, size = size, datagrams = datagrams, drain = drain,
    burst = { every = 2 * (k + repairs) + 8, length = length },
  }
  jetgen.print("bursts of %d: %d of %d messages lost on the way, %d recovered", length, r.messages_lost,
    r.sent_messages, r.fec_recovered)
  check(r)
  jetgen.expect(r.messages_lost > 0 and r.delivered == r.sent_messages, "a burst was not recovered")
end
jetgen.close()
