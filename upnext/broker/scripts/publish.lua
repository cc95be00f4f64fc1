-- Stores events of one name, each with one job for each of its handlers, or nothing of any of them.
--
-- KEYS  1 events  2 open  3 sent:<bucket>  4 versions  5 subs:<event>, for a task queues
--       then where the jobs go: unrouted:<event> if there are no handlers, or later if they have to wait, or else
--       queue:<handler> for each handler and wake:<worker> for each of their workers
--       then key:<event>:<key> if there is an idempotency key
-- ARGV  1 event, '' for a task  2 version of the subscriptions that the handlers are taken from  3 number of handlers
--       4 delay in ms  5 what to remember for the idempotency key, '' without one
--       then the handlers, if they have to wait or are a task, then for each event its id and its envelope
-- Returns 'ok', or {'same', what was remembered for the key}, or {'stale', version, handler...} when the subscriptions
--         have changed. An id that is stored already is not stored again.
--@shared shared_now
local REMEMBER_ID, REMEMBER_KEY = 60, 24 * 3600 -- seconds; a send is repeated for ten
local call = redis.call
local event, handlers, delay, places = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4]), #KEYS
if ARGV[5] ~= '' then
  local first = call('GET', KEYS[places])
  if first then
    return {'same', first}
  end
  places = places - 1
end
if event ~= '' then
  local version = call('HGET', KEYS[4], event) or ''
  if version ~= ARGV[2] then
    return {'stale', version, unpack(call('HKEYS', KEYS[5]))}
  end
end

local first, ids, tails, stored, opened = 6, {}, {}, {}, {}
if delay > 0 or event == '' then
  first = 6 + handlers
end
for i = first, #ARGV, 2 do
  ids[#ids + 1] = ARGV[i]
end
-- Reads that fail on a key of another kind, before anything is written: a script is never rolled back. The first write
-- fails by itself.
local known, lengths = call('SMISMEMBER', KEYS[3], unpack(ids)), {}
if handlers ~= 1 then
  call('HLEN', KEYS[2])
end
if event == '' then
  call('SCARD', KEYS[5])
end
if delay > 0 and handlers > 0 then
  call('ZCARD', KEYS[6])
else
  for i = 6, places do
    lengths[i] = call('LLEN', KEYS[i])
  end
end

local digits = handlers == 0 and '?' or string.rep('1', handlers)
local new = {}
for n, id in ipairs(ids) do
  if known[n] == 0 then
    new[#new + 1] = id
    stored[#stored + 1] = id
    stored[#stored + 1] = ARGV[first + 2 * n - 1]
    opened[#opened + 1] = id
    opened[#opened + 1] = digits
  end
end
if #new == 0 then
  return 'ok'
end
call('HSET', KEYS[1], unpack(stored))
call('SADD', KEYS[3], unpack(new))
call('EXPIRE', KEYS[3], REMEMBER_ID)
if handlers ~= 1 then
  call('HSET', KEYS[2], unpack(opened))
end
local due = delay > 0 and string.format('%.0f', now_ms() + delay)
if handlers == 0 then
  call('HSETNX', KEYS[4], event, '')
  for n, id in ipairs(new) do
    tails[n] = id .. ' ' .. (due or '0')
  end
  call('RPUSH', KEYS[6], unpack(tails))
end
for i = 1, handlers do
  local tickets, suffix = {}, '.' .. (i - 1)
  for n, id in ipairs(new) do
    if due then
      tickets[2 * n - 1] = due
      tickets[2 * n] = ARGV[5 + i] .. ' ' .. id .. suffix
    else
      tickets[n] = id .. suffix
    end
  end
  if due then
    call('ZADD', KEYS[6], unpack(tickets))
  else
    call('RPUSH', KEYS[5 + i], unpack(tickets))
  end
  if event == '' then
    call('SADD', KEYS[5], ARGV[5 + i])
  end
end
if handlers > 0 and not due then
  for i = 6 + handlers, places do
    -- At most one token lies in a wake list, as shared_wake has it.
    if lengths[i] == 0 then
      call('RPUSH', KEYS[i], '1')
    end
  end
end
if ARGV[5] ~= '' then
  call('SET', KEYS[#KEYS], ARGV[5], 'EX', REMEMBER_KEY)
end
return 'ok'
