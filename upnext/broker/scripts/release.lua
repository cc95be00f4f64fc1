-- Hands a claimed job back, at the head of its queue, for another worker to take at once.
--
-- KEYS  1 leases  2 claims:<worker id>  3 queue:<handler>  4 wake:<worker>
-- ARGV  1 worker id  2 `handler job`  3 counts of the claim  4 new ticket
-- Returns 1, or 0 if the worker does not hold the job any more.
--@shared shared_wake
--@shared shared_holds
if not holds(KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3]) then
  return 0
end
redis.call('LLEN', KEYS[4])
redis.call('LPUSH', KEYS[3], ARGV[4])
wake(KEYS[4])
redis.call('HDEL', KEYS[2], ARGV[2])
return 1
