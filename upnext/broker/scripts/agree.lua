-- Reads how many partitions a namespace has, and takes note of more of them.
--
-- KEYS  1 partitions
-- ARGV  1 how many are to be served at least, 0 to leave it as it is  2 how many senders use from now on, 0 for none
-- Returns {now in ms, how many are to be served, {how many senders use, since when in ms...}}
--@shared shared_now
local now, served = string.format('%.0f', now_ms()), tonumber(redis.call('HGET', KEYS[1], 'served') or '1')
if tonumber(ARGV[1]) > served then
  served = tonumber(ARGV[1])
  redis.call('HSET', KEYS[1], 'served', ARGV[1])
end
if ARGV[2] ~= '0' then
  redis.call('HSETNX', KEYS[1], ARGV[2], now)
end
local used = {}
for _, number in ipairs(redis.call('HKEYS', KEYS[1])) do
  if number ~= 'served' then
    used[#used + 1] = number
    used[#used + 1] = redis.call('HGET', KEYS[1], number)
  end
end
return {now, served, used}
