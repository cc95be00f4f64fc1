-- Turns waiting jobs of a handler into dead letters: those at the head of its queue, or some that are not due yet.
--
-- KEYS  1 queue:<handler>  2 later  3 dead  4 dead:index  5 unique:<handler>
-- ARGV  for each job: its entry in the queue ('' for one in `later`), its member of `later` ('' for one in the queue),
--       job, dead letter (JSON)
-- Returns how many there were; a queue whose head has changed is left alone.
--@shared shared_now
--@shared shared_may
--@shared shared_read
--@shared shared_end_unique
local queued_jobs, put_off = redis.call('LLEN', KEYS[1]), redis.call('ZCARD', KEYS[2])
redis.call('HLEN', KEYS[3])
redis.call('ZCARD', KEYS[4])
read('HGET', KEYS[5], '')
redis.call('LINDEX', KEYS[1], 0)
redis.call('ZSCORE', KEYS[2], '')
if queued_jobs + put_off == 0 then
  return 0
end
local holder = queued_jobs > 0 and KEYS[1] or KEYS[2]
may('HSET', KEYS[3], holder)
may('ZADD', KEYS[4], holder)
may('LTRIM', KEYS[1], holder)
may('ZREM', KEYS[2], holder)
may('HDEL', KEYS[3], holder)
-- A write that changes nothing: after it a full server lets the rest pass.
redis.call('HDEL', KEYS[3], '')
local now, moved = string.format('%.0f', now_ms()), 0
for i = 1, #ARGV, 4 do
  local queued = ARGV[i] ~= ''
  local here
  if queued then
    here = redis.call('LINDEX', KEYS[1], 0) == ARGV[i]
  else
    here = redis.call('ZSCORE', KEYS[2], ARGV[i + 1])
  end
  if here then
    redis.call('HSET', KEYS[3], ARGV[i + 2], ARGV[i + 3])
    redis.call('ZADD', KEYS[4], now, ARGV[i + 2])
    end_unique(KEYS[5], ARGV[i + 2])
    if queued then
      redis.call('LTRIM', KEYS[1], 1, -1)
    else
      redis.call('ZREM', KEYS[2], ARGV[i + 1])
    end
    moved = moved + 1
  elseif queued then
    return moved
  end
end
return moved
