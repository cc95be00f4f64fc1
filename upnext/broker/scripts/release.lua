-- Hands a claimed job back, at the head of its queue, for another worker to take at once.
--
-- KEYS  1 leases  2 claims:<worker id>  3 queue:<handler>  4 wake:<worker>  5 later
-- ARGV  1 worker id  2 `handler job`  3 counts of the claim  4 new entry  5 handler
-- Returns 1, or 0 if the worker no longer holds the job.
--@shared shared_now
--@shared shared_may
--@shared shared_read
--@shared shared_wake
--@shared shared_enqueue
--@shared shared_fence
if not holds(KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3]) then
  return 0
end
read('LLEN', KEYS[4])
local now = now_ms()
may('LPUSH', KEYS[3], KEYS[1])
may('RPUSH', KEYS[4], KEYS[1])
may('ZADD', KEYS[5], KEYS[2])
-- A write that changes nothing: after it a full server lets the rest pass.
redis.call('HDEL', KEYS[2], '')
if enqueue('LPUSH', KEYS[3], KEYS[5], ARGV[5], ARGV[4], now) then
  wake(KEYS[4])
end
redis.call('HDEL', KEYS[2], ARGV[2])
return 1
