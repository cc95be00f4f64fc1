-- Writes the definition of a schedule, unless another process has changed it since it was read.
--
-- KEYS  1 schedules  2 ticks
-- ARGV  1 handler  2 what was read, '' for nothing  3 what it is (JSON)  4 the moment from which a new one counts
--       5 '1' if one that is known counts from then as well
-- Returns 1, or 0 if it has changed.
--@shared shared_may
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then
  return 0
end
redis.call('ZCARD', KEYS[2])
may('ZADD', KEYS[2], KEYS[1])
-- A write that changes nothing: after it a full server lets the rest pass, and the right to it has been tried.
redis.call('HDEL', KEYS[1], '')
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
if ARGV[5] == '1' then
  redis.call('ZADD', KEYS[2], ARGV[4], ARGV[1])
else
  redis.call('ZADD', KEYS[2], 'NX', ARGV[4], ARGV[1])
end
return 1
