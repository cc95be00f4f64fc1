-- Ends a worker that stops in order. What it still holds, if anything, is left to the living to reclaim.
--
-- KEYS  1 leases  2 workers  3 claims:<worker id>  4 graves
-- ARGV  1 worker id
-- Returns how many jobs it left behind.
local held = redis.call('HLEN', KEYS[3])
if held > 0 and redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  redis.call('SADD', KEYS[4], ARGV[1])
end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
return held
