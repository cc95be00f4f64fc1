-- Turns a waiting job into a dead letter, wherever it is in its queue or among those that are not due yet.
--
-- KEYS  1 queue:<handler>  2 later  3 dead  4 dead:index  5 unique:<handler>
-- ARGV  1 its entry in the queue ('' for one in `later`)  2 its member of `later` ('' for one in the queue)  3 job
--       4 dead letter (JSON)  5 where it was seen in the queue, from 0  6 how far from there it is looked for
-- Returns 1, or 0 if it is no longer there: a worker may have claimed it.
--@shared shared_now
--@shared shared_may
--@shared shared_read
--@shared shared_end_unique
local now = string.format('%.0f', now_ms())
redis.call('LLEN', KEYS[1])
redis.call('HLEN', KEYS[3])
redis.call('ZCARD', KEYS[4])
read('HGET', KEYS[5], '')
local queued, at = ARGV[1] ~= '', nil
if queued then
  local first = math.max(0, tonumber(ARGV[5]) - tonumber(ARGV[6]))
  for i, entry in ipairs(redis.call('LRANGE', KEYS[1], first, tonumber(ARGV[5]) + tonumber(ARGV[6]))) do
    if entry == ARGV[1] then
      at = first + i - 1
      break
    end
  end
end
local put_off = redis.call('ZSCORE', KEYS[2], ARGV[2])
if not (at or not queued and put_off) then
  return 0
end
local holder = queued and KEYS[1] or KEYS[2]
local last = queued and redis.call('LINDEX', KEYS[1], -1)
may('HSET', KEYS[3], holder)
may('ZADD', KEYS[4], holder)
may('HDEL', KEYS[3], holder)
if queued then
  may('LTRIM', KEYS[1], holder)
else
  may('ZREM', KEYS[2], holder)
end
-- A write that changes nothing: after it a full server lets the rest pass.
redis.call('HDEL', KEYS[3], '')
if queued then
  -- Changes nothing either. Workers need no right to LSET, so that a client without it is told by name.
  local tried = redis.pcall('LSET', KEYS[1], at, ARGV[1])
  if tried.err then
    return redis.error_reply('NOPERM LSET, which cancelling a job in a queue takes: ' .. tried.err)
  end
end
redis.call('HSET', KEYS[3], ARGV[3], ARGV[4])
redis.call('ZADD', KEYS[4], now, ARGV[3])
end_unique(KEYS[5], ARGV[3])
if queued then
  -- The last job takes its place: taking it out of the middle would walk through the whole queue.
  redis.call('LSET', KEYS[1], at, last)
  redis.call('LTRIM', KEYS[1], 0, -2)
else
  redis.call('ZREM', KEYS[2], ARGV[2])
end
return 1
