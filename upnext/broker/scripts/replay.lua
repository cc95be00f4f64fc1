-- Puts a dead letter back into its queue, under the same identity.
--
-- KEYS  1 dead  2 dead:index  3 events  4 queue:<handler>  5 wake:<worker>  6 queues
-- ARGV  1 job  2 the dead letter as it was read  3 event id  4 entry  5 handler
-- Returns 1, 0 if it is no longer a dead letter, -1 if its payload is gone.
--@shared shared_may
--@shared shared_read
--@shared shared_wake
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return 0
end
if redis.call('HEXISTS', KEYS[3], ARGV[3]) == 0 then
  return -1
end
redis.call('LLEN', KEYS[4])
read('LLEN', KEYS[5])
redis.call('ZCARD', KEYS[2])
local listed = read('SCARD', KEYS[6])
may('RPUSH', KEYS[4], KEYS[1])
may('SADD', KEYS[6], KEYS[1])
may('ZREM', KEYS[2], KEYS[1])
-- A write that changes nothing: after it a full server lets the rest pass.
redis.call('HDEL', KEYS[1], '')
redis.call('RPUSH', KEYS[4], ARGV[4])
if listed then
  redis.call('SADD', KEYS[6], ARGV[5]) -- only for status, from which a task that was removed is taken
end
wake(KEYS[5])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[1], ARGV[1])
return 1
