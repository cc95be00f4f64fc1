-- Turns a job into a dead letter that a worker holds but has not started, because it waits for its turn there. start.lua
-- then tells the worker that it no longer holds the job.
--
-- KEYS  1 claims:<worker id>  2 dead  3 dead:index  4 unique:<handler>
-- ARGV  1 `handler job`  2 what is held of it: its counts, and that it has not started  3 job  4 dead letter (JSON)
-- Returns 1, or 0 if it is no longer held like that: it may have started.
--@shared shared_now
--@shared shared_may
--@shared shared_read
--@shared shared_end_unique
local now = string.format('%.0f', now_ms())
redis.call('HLEN', KEYS[2])
redis.call('ZCARD', KEYS[3])
read('HGET', KEYS[4], '')
if read('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return 0
end
may('HSET', KEYS[2], KEYS[1])
may('ZADD', KEYS[3], KEYS[1])
-- A write that changes nothing: after it a full server lets the rest pass.
redis.call('HDEL', KEYS[1], '')
redis.call('HSET', KEYS[2], ARGV[3], ARGV[4])
redis.call('ZADD', KEYS[3], now, ARGV[3])
end_unique(KEYS[4], ARGV[3])
redis.call('HDEL', KEYS[1], ARGV[1])
return 1
