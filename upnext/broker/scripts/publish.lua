-- Stores events of one name, each with one job for each of its handlers, or nothing of any of them.
--
-- KEYS  1 events  2 open  3 sent:<bucket>  4 versions  5 later  6 unrouted:<event>  7 subs:<event>  8 queues
--       9 key:<event>:<key>, or any key where no idempotency key is given
--       then queue:<handler> for each handler, then wake:<worker> for each of their workers
-- ARGV  1 event, '' for a task  2 version of the subscriptions that the handlers are taken from  3 delay in ms
--       4 seconds to remember the ids  5 seconds to remember the key, 0 without one  6 what to remember for the key
--       7 number of handlers, then the handlers, then for each event its id and its envelope
-- Returns {'ok'}, {'same', what was remembered for the key}, or {'stale', version, handler...} when the subscriptions
--         have changed. An id that is stored already is not stored again.
--@shared shared_now
local event, handlers = ARGV[1], tonumber(ARGV[7])
if ARGV[5] ~= '0' then
  local first = redis.call('GET', KEYS[9])
  if first then
    return {'same', first}
  end
end
if event ~= '' then
  local version = redis.call('HGET', KEYS[4], event) or ''
  if version ~= ARGV[2] then
    return {'stale', version, unpack(redis.call('HKEYS', KEYS[7]))}
  end
end

-- Reads that fail on a key of another kind, before anything is written: a script is never rolled back.
local delay = tonumber(ARGV[3])
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
local lengths = {}
for i = 10, #KEYS do
  lengths[i] = redis.call('LLEN', KEYS[i])
end

local ids, stored, opened = {}, {}, {}
for i = 8 + handlers, #ARGV, 2 do
  local id = ARGV[i]
  if redis.call('SADD', KEYS[3], id) == 1 then
    ids[#ids + 1] = id
    stored[#stored + 1] = id
    stored[#stored + 1] = ARGV[i + 1]
  end
end
if #ids == 0 then
  return {'ok'}
end
redis.call('EXPIRE', KEYS[3], ARGV[4])
redis.call('HSET', KEYS[1], unpack(stored))
local due = delay > 0 and string.format('%.0f', now_ms() + delay)
if handlers ~= 1 then
  local digits = handlers == 0 and '?' or string.rep('1', handlers)
  for n, id in ipairs(ids) do
    opened[2 * n - 1] = id
    opened[2 * n] = digits
  end
  redis.call('HSET', KEYS[2], unpack(opened))
end
if handlers == 0 then
  redis.call('HSETNX', KEYS[4], event, '')
  for _, id in ipairs(ids) do
    redis.call('RPUSH', KEYS[6], id .. ' ' .. (due or '0'))
  end
end
for i = 1, handlers do
  local tickets, suffix = {}, '.' .. (i - 1)
  for n, id in ipairs(ids) do
    if due then
      tickets[2 * n - 1] = due
      tickets[2 * n] = ARGV[7 + i] .. ' ' .. id .. suffix
    else
      tickets[n] = id .. suffix
    end
  end
  if due then
    redis.call('ZADD', KEYS[5], unpack(tickets))
  else
    redis.call('RPUSH', KEYS[9 + i], unpack(tickets))
  end
  if event == '' then
    redis.call('SADD', KEYS[8], ARGV[7 + i])
  end
end
if not due then
  for i = 10 + handlers, #KEYS do
    -- At most one token lies in a wake list, as shared_wake has it.
    if lengths[i] == 0 then
      redis.call('RPUSH', KEYS[i], '1')
    end
  end
end
if ARGV[5] ~= '0' then
  redis.call('SET', KEYS[9], ARGV[6], 'EX', ARGV[5])
end
return {'ok'}
