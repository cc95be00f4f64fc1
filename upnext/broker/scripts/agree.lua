-- Reads how many partitions a namespace has, and records a larger number.
--
-- KEYS  1 partitions
-- ARGV  1 how many have to be served at least, 0 to leave it as it is  2 how many senders use from now on, 0 for none
--       3 the maximum
-- Returns {now in ms, how many have to be served, {how many senders use, since when in ms...}, the value in place of the
--         number to serve if it is not a number, '' if all is well}
--@shared shared_now
local now, most = string.format('%.0f', now_ms()), tonumber(ARGV[3])
-- A whole number from 1 to the most there can be; another program's text is none.
local function number(text, highest)
  local found = text and #text < 16 and string.match(text, '^%d+$') and tonumber(text)
  return found and found >= 1 and found <= highest and found
end
local fields, used = {'served'}, {}
for n = 1, most do
  fields[n + 1] = tostring(n)
end
local noted = redis.call('HMGET', KEYS[1], unpack(fields))
local served = number(noted[1], most)
local foreign = noted[1] and not served and string.sub(noted[1], 1, 100) or ''
served = served or 1
if tonumber(ARGV[1]) > served then
  served = tonumber(ARGV[1])
  -- A write that changes nothing: after it a full server lets the rest pass. Workers are started on it to empty it.
  redis.call('HDEL', KEYS[1], '')
  redis.call('HSET', KEYS[1], 'served', ARGV[1])
end
local uses = tonumber(ARGV[2])
if uses > 0 and not number(noted[uses + 1], math.huge) then
  redis.call('HSET', KEYS[1], ARGV[2], now)
  noted[uses + 1] = now
end
for n = 1, most do
  if number(noted[n + 1], math.huge) then
    used[#used + 1] = n
    used[#used + 1] = noted[n + 1]
  end
end
return {now, served, used, foreign}
