-- Takes claims from a dead worker and moves them to the head of their queues, or to the dead letters.
--
-- KEYS  1 graves  2 claims:<dead worker>  3 dead  4 dead:index  5 later
--       then for each claim queue:<handler>, wake:<worker> and unique:<handler>
-- ARGV  1 dead worker, then for each claim: `handler job`, its value as it was read, job, handler, new entry ('' to bury
--       it), dead letter (JSON)
-- Returns how many claims the dead worker still has.
--@shared shared_now
--@shared shared_may
--@shared shared_read
--@shared shared_wake
--@shared shared_enqueue
--@shared shared_end_unique
if redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 0 then
  return 0
end
local now, buries = now_ms(), false
for i = 2, #ARGV, 6 do
  buries = buries or ARGV[i + 4] == ''
end
if buries then
  redis.call('ZCARD', KEYS[4])
  redis.call('HLEN', KEYS[3])
end
read('HLEN', KEYS[2])
read('HGET', KEYS[2], '')
read('LLEN', KEYS[7] or KEYS[2])
may('LPUSH', KEYS[6] or KEYS[1], KEYS[1])
may('RPUSH', KEYS[7] or KEYS[1], KEYS[1])
may('HSET', KEYS[3], KEYS[1])
may('ZADD', KEYS[4], KEYS[1])
may('HDEL', KEYS[2], KEYS[1])
-- A write that changes nothing: after it a full server lets the rest pass.
redis.call('SREM', KEYS[1], '')
for i = 2, #ARGV, 6 do
  local n = (i - 2) / 6
  local queue, list, unique = KEYS[6 + 3 * n], KEYS[7 + 3 * n], KEYS[8 + 3 * n]
  if redis.call('HGET', KEYS[2], ARGV[i]) == ARGV[i + 1] then
    if ARGV[i + 4] == '' then
      redis.call('HSET', KEYS[3], ARGV[i + 2], ARGV[i + 5])
      redis.call('ZADD', KEYS[4], string.format('%.0f', now), ARGV[i + 2])
      end_unique(unique, ARGV[i + 2])
    elseif enqueue('LPUSH', queue, KEYS[5], ARGV[i + 3], ARGV[i + 4], now) then
      wake(list)
    end
    redis.call('HDEL', KEYS[2], ARGV[i])
  end
end
local left = read('HLEN', KEYS[2]) or 0
if left == 0 then
  redis.call('SREM', KEYS[1], ARGV[1])
end
return left
