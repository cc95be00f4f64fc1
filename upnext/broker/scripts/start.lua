-- Marks a claimed job as started, just before its user code runs.
--
-- KEYS  1 leases  2 claims:<worker id>, then unique:<handler> if only one job of a value waits
-- ARGV  1 worker id  2 `handler job`  3 counts of the claim  4 job
-- Returns 1, or 0 if the worker does not hold the job any more.
--@shared shared_read
--@shared shared_fence
--@shared shared_end_unique
if not holds(KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3]) then
  return 0
end
-- A write that changes nothing: after it a full server lets the rest pass.
redis.call('HDEL', KEYS[2], '')
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3] .. ':1')
if KEYS[3] then
  end_unique(KEYS[3], ARGV[4])
end
return 1
