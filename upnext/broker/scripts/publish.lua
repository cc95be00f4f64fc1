-- Stores an event with one job for each of its handlers, or nothing.
--
-- KEYS  1 events  2 open  3 sent:<bucket>  4 versions  5 later  6 unrouted:<event>  7 subs:<event>  8 queues
--       9 key:<event>:<key>, or any key where no idempotency key is given
--       then queue:<handler> for each handler, then wake:<worker> for each of their workers
-- ARGV  1 event id  2 event, '' for a task  3 version of the subscriptions that the handlers are taken from
--       4 envelope  5 delay in ms  6 seconds to remember the id  7 seconds to remember the key, 0 without one
--       8 what to remember for the key  9 number of handlers, then the handlers
-- Returns {'ok'}, {'again'} for an id that is stored already, {'same', what was remembered for the key},
--         or {'stale', version, handler...} when the subscriptions have changed.
--@shared shared_now
--@shared shared_wake
local id, event, handlers = ARGV[1], ARGV[2], tonumber(ARGV[9])
if tonumber(ARGV[7]) > 0 then
  local first = redis.call('GET', KEYS[9])
  if first then
    return {'same', first}
  end
end
if event ~= '' then
  local version = redis.call('HGET', KEYS[4], event) or ''
  if version ~= ARGV[3] then
    return {'stale', version, unpack(redis.call('HKEYS', KEYS[7]))}
  end
end

-- Reads that fail on a key of another kind, before anything is written: a script is never rolled back.
local delay = tonumber(ARGV[5])
redis.call('HLEN', KEYS[1])
if handlers ~= 1 then
  redis.call('HLEN', KEYS[2])
end
if handlers == 0 then
  redis.call('LLEN', KEYS[6])
end
if delay > 0 then
  redis.call('ZCARD', KEYS[5])
end
if event == '' then
  redis.call('SCARD', KEYS[8])
end
for i = 10, #KEYS do
  redis.call('LLEN', KEYS[i])
end

if redis.call('SADD', KEYS[3], id) == 0 then
  return {'again'}
end
redis.call('EXPIRE', KEYS[3], ARGV[6])
redis.call('HSET', KEYS[1], id, ARGV[4])
local due = delay > 0 and now_ms() + delay or 0
if handlers == 0 then
  redis.call('HSET', KEYS[2], id, '?')
  redis.call('HSETNX', KEYS[4], event, '')
  redis.call('RPUSH', KEYS[6], id .. ' ' .. string.format('%.0f', due))
elseif handlers > 1 then
  redis.call('HSET', KEYS[2], id, string.rep('1', handlers))
end
for i = 1, handlers do
  local ticket = id .. '.' .. (i - 1)
  if due > 0 then
    redis.call('ZADD', KEYS[5], string.format('%.0f', due), ARGV[9 + i] .. ' ' .. ticket)
  else
    redis.call('RPUSH', KEYS[9 + i], ticket)
  end
  if event == '' then
    redis.call('SADD', KEYS[8], ARGV[9 + i])
  end
end
if due == 0 then
  for i = 10 + handlers, #KEYS do
    wake(KEYS[i])
  end
end
if tonumber(ARGV[7]) > 0 then
  redis.call('SET', KEYS[9], ARGV[8], 'EX', ARGV[7])
end
return {'ok'}
