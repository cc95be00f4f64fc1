-- Takes claims from a dead worker: back to the head of their queues, or to the dead letters.
--
-- KEYS  1 graves  2 claims:<dead worker>  3 dead  4 dead:index
--       then for each claim queue:<handler> and wake:<worker>
-- ARGV  1 dead worker, then for each claim: `handler job`, its value as it was read, job, new ticket ('' to bury it),
--       dead letter (JSON)
-- Returns how many claims the dead worker still has.
--@shared shared_now
--@shared shared_wake
if redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 0 then
  return 0
end
redis.call('ZCARD', KEYS[4])
redis.call('HLEN', KEYS[3])
for i = 2, #ARGV, 5 do
  local n = (i - 2) / 5
  local queue, list = KEYS[5 + 2 * n], KEYS[6 + 2 * n]
  if redis.call('HGET', KEYS[2], ARGV[i]) == ARGV[i + 1] then
    redis.call('LLEN', list)
    if ARGV[i + 3] ~= '' then
      redis.call('LPUSH', queue, ARGV[i + 3])
      wake(list)
    else
      redis.call('HSET', KEYS[3], ARGV[i + 2], ARGV[i + 4])
      redis.call('ZADD', KEYS[4], string.format('%.0f', now_ms()), ARGV[i + 2])
    end
    redis.call('HDEL', KEYS[2], ARGV[i])
  end
end
local left = redis.call('HLEN', KEYS[2])
if left == 0 then
  redis.call('SREM', KEYS[1], ARGV[1])
end
return left
