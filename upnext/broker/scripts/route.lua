-- Moves events that were sent before their first handler connected into the handlers' queues.
--
-- KEYS  1 unrouted:<event>  2 routes  3 open  4 later  5 queues, then queue:<handler> for each handler,
--       then wake:<worker> for each of their workers, then routed:<event id> for each event of the batch
-- ARGV  1 event  2 handlers as JSON  3 seconds to remember where events went  4 number of handlers
--       5 number of workers, then the handlers, then the batch: entries as they stand at the head of the list
-- Returns how many wait still, or -1 if the head of the list is not that batch any more.
--@shared shared_now
--@shared shared_may
--@shared shared_read
--@shared shared_wake
--@shared shared_enqueue
local handlers, workers = tonumber(ARGV[4]), tonumber(ARGV[5])
local first = 5 + handlers
local batch = #ARGV - first
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then
  return -1
end
for i, entry in ipairs(redis.call('LRANGE', KEYS[1], 0, batch - 1)) do
  if entry ~= ARGV[first + i] then
    return -1
  end
end
redis.call('HLEN', KEYS[3])
redis.call('ZCARD', KEYS[4])
redis.call('LLEN', KEYS[1])
for _, command in ipairs({'SET', 'ZADD', 'RPUSH', 'HSET', 'LTRIM'}) do
  -- The first two are tried on a hash as well as on a list.
  may(command, KEYS[1], command == 'HSET' and KEYS[1] or KEYS[2])
end
local now = now_ms()
-- A write that changes nothing: after it a full server lets the rest pass.
redis.call('HDEL', KEYS[2], '')
for n = 1, batch do
  local id, due = string.match(ARGV[first + n], '^(%S+) (%d+)$')
  if id and #due < 16 then
    redis.call('SET', KEYS[5 + handlers + workers + n], ARGV[2], 'EX', ARGV[3])
  else
    -- Another program's: it becomes a dead letter of every handler, as junk in a queue does.
    id, due = ARGV[first + n], '0'
  end
  for i = 1, handlers do
    local entry = id .. '.' .. (i - 1)
    if tonumber(due) > now then
      redis.call('ZADD', KEYS[4], due, ARGV[5 + i] .. ' ' .. entry)
    else
      enqueue('RPUSH', KEYS[5 + i], KEYS[4], ARGV[5 + i], entry, now)
    end
  end
  if handlers > 1 then
    redis.call('HSET', KEYS[3], id, string.rep('1', handlers))
  else
    redis.call('HDEL', KEYS[3], id)
  end
end
redis.call('LTRIM', KEYS[1], batch, -1)
for i = 1, workers do
  wake(KEYS[5 + handlers + i])
end
local left = redis.call('LLEN', KEYS[1])
if left == 0 then
  redis.call('HDEL', KEYS[2], ARGV[1])
end
return left
