-- Renews a lease that still exists, and updates the worker's record; a lease that was taken away stays away.
--
-- KEYS  1 leases  2 workers
-- ARGV  1 worker id  2 lease in ms, then perhaps: 3 the worker's record (JSON)
-- Returns the time in ms, or 0 if the worker holds no lease.
--@shared shared_now
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  return 0
end
local now = now_ms()
-- A write that changes nothing: after it a full server lets the rest pass.
redis.call('ZREM', KEYS[1], '')
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), ARGV[1])
if ARGV[3] then
  redis.pcall('HSET', KEYS[2], ARGV[1], ARGV[3]) -- the lease stands also where the record cannot be kept
end
return now
