-- Turns a job into a dead letter. Its event stays stored, so that it can be replayed.
--
-- KEYS  1 leases  2 claims:<worker id>  3 dead  4 dead:index
-- ARGV  1 worker id  2 `handler job`  3 counts of the claim  4 job  5 dead letter (JSON)
-- Returns 1, or 0 if the worker does not hold the job any more.
--@shared shared_now
--@shared shared_may
--@shared shared_read
--@shared shared_fence
if not holds(KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3]) then
  return 0
end
redis.call('ZCARD', KEYS[4])
local now = string.format('%.0f', now_ms())
may('HSET', KEYS[3], KEYS[1])
may('ZADD', KEYS[4], KEYS[2])
-- A write that changes nothing: after it a full server lets the rest pass.
redis.call('HDEL', KEYS[2], '')
redis.call('HSET', KEYS[3], ARGV[4], ARGV[5])
redis.call('ZADD', KEYS[4], now, ARGV[4])
redis.call('HDEL', KEYS[2], ARGV[2])
return 1
