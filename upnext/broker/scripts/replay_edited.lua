-- Puts a dead letter back into its queue with another payload. The only job of an event keeps its id; if other
-- jobs share the stored payload, it becomes a separate job with a new id.
--
-- KEYS  1 dead  2 dead:index  3 events  4 open  5 queue:<handler>  6 wake:<worker>  7 joined:<event id>  8 queues
-- ARGV  1 job  2 the dead letter as it was read  3 event id  4 entry  5 a new event id  6 entry under that  7 envelope
--       8 the new job  9 seconds for which the old id leads to it  10 handler
-- Returns 1 if it keeps its id, 2 if it has the new one, 0 if it is not a dead letter any more.
--@shared shared_close_job
--@shared shared_may
--@shared shared_read
--@shared shared_wake
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return 0
end
local shared = redis.call('HGET', KEYS[4], ARGV[3])
redis.call('LLEN', KEYS[5])
read('LLEN', KEYS[6])
redis.call('ZCARD', KEYS[2])
redis.call('HLEN', KEYS[3])
local listed = read('SCARD', KEYS[8])
local known = shared and read('HLEN', KEYS[7])
may('HSET', KEYS[3], KEYS[1])
may('HSET', KEYS[4], KEYS[1])
may('RPUSH', KEYS[5], KEYS[1])
may('SADD', KEYS[8], KEYS[1])
may('ZREM', KEYS[2], KEYS[1])
if known then
  may('HSET', KEYS[7], KEYS[1])
  may('EXPIRE', KEYS[7], KEYS[1])
end
-- A write that changes nothing, and tries the right to it.
redis.call('HDEL', KEYS[1], '')
redis.call('HSET', KEYS[3], shared and ARGV[5] or ARGV[3], ARGV[7])
redis.call('RPUSH', KEYS[5], shared and ARGV[6] or ARGV[4])
if listed then
  redis.call('SADD', KEYS[8], ARGV[10]) -- only for status, from which a task that was removed is taken
end
wake(KEYS[6])
if shared then
  close_job(KEYS[3], KEYS[4], ARGV[1])
  if known then
    redis.call('HSET', KEYS[7], string.match(ARGV[1], '(%d+)$'), ARGV[8])
    redis.call('EXPIRE', KEYS[7], ARGV[9])
  end
end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[1], ARGV[1])
return shared and 2 or 1
