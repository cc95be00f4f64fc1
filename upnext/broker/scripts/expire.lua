-- Ends the lease of a worker that did not renew it, which fences the worker out; its claims can then be reclaimed.
--
-- KEYS  1 leases  2 graves  3 workers
-- ARGV  1 worker id  2 the end of its lease as it was seen, then perhaps: 3 anything, if it was watched not to renew for its
--       whole length: then it ends, whatever the clock shows
-- Returns 1, or 0 if it has renewed its lease since, or another worker has ended it.
--@shared shared_now
--@shared shared_may
--@shared shared_read
local ends = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not ends or tonumber(ends) ~= tonumber(ARGV[2]) or (tonumber(ends) > now_ms() and not ARGV[3]) then
  return 0
end
redis.call('SCARD', KEYS[2])
local described = read('HLEN', KEYS[3])
may('SADD', KEYS[2], KEYS[1])
may('HDEL', KEYS[3], KEYS[1])
-- A write that changes nothing: after it a full server lets the rest pass.
redis.call('ZREM', KEYS[1], '')
redis.call('SADD', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[1], ARGV[1])
if described then
  redis.call('HDEL', KEYS[3], ARGV[1])
end
return 1
