-- Ends a worker that stops in order. Whatever it still holds is left for living workers to reclaim.
--
-- KEYS  1 leases  2 workers  3 claims:<worker id>  4 graves
-- ARGV  1 worker id
-- Returns how many jobs it left behind.
--@shared shared_may
--@shared shared_read
local held, described = read('HLEN', KEYS[3]) or 0, read('HLEN', KEYS[2])
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  may('SADD', KEYS[4], KEYS[1])
  may('HDEL', KEYS[2], KEYS[1])
  -- A write that changes nothing: after it a full server lets the rest pass.
  redis.call('ZREM', KEYS[1], '')
  if held > 0 then
    redis.call('SADD', KEYS[4], ARGV[1])
  end
  redis.call('ZREM', KEYS[1], ARGV[1])
end
if described then
  redis.call('HDEL', KEYS[2], ARGV[1])
end
return held
