-- Puts a dead letter back into its queue, under the same identity.
--
-- KEYS  1 dead  2 dead:index  3 events  4 queue:<handler>  5 wake:<worker>
-- ARGV  1 job  2 the dead letter as it was read  3 event id  4 ticket
-- Returns 1, 0 if it is no dead letter any more, -1 if its payload is gone.
--@shared shared_wake
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return 0
end
if redis.call('HEXISTS', KEYS[3], ARGV[3]) == 0 then
  return -1
end
redis.call('LLEN', KEYS[5])
redis.call('RPUSH', KEYS[4], ARGV[4])
wake(KEYS[5])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[1], ARGV[1])
return 1
