-- Renews a lease that still stands; one that was taken away stays away.
--
-- KEYS  1 leases
-- ARGV  1 worker id  2 lease in ms
-- Returns 1, or 0 if the worker holds none.
--@shared shared_now
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  return 0
end
redis.call('ZADD', KEYS[1], string.format('%.0f', now_ms() + ARGV[2]), ARGV[1])
return 1
