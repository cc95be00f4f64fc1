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
local REMEMBER_ID, REMEMBER_KEY = '60', '86400' -- seconds; a send is repeated for ten
local call = redis.call
local event, handlers, delayed, keyed = ARGV[1], tonumber(ARGV[3]), ARGV[4] ~= '0', ARGV[5] ~= ''
local places = keyed and #KEYS - 1 or #KEYS
if keyed then
  local first = call('GET', KEYS[#KEYS])
  if first then
    return {'same', first}
  end
end
if event ~= '' then
  local version = call('HGET', KEYS[4], event) or ''
  if version ~= ARGV[2] then
    return {'stale', version, unpack(call('HKEYS', KEYS[5]))}
  end
end

-- Reads that fail on a key of another kind, before anything is written: a script is never rolled back. The first write
-- fails by itself.
local at = (delayed or event == '') and 6 + handlers or 6
local ids, words, repeated = {}, ARGV, false
for i = at, #ARGV, 2 do
  ids[#ids + 1] = ARGV[i]
end
local known = call('SMISMEMBER', KEYS[3], unpack(ids))
for n = 1, #ids do
  repeated = repeated or known[n] == 1
end
if repeated then
  local all = ids
  ids, words = {}, {}
  for n, id in ipairs(all) do
    if known[n] == 0 then
      ids[#ids + 1] = id
      words[#words + 1] = id
      words[#words + 1] = ARGV[at + 2 * n - 1]
    end
  end
  at = 1
  if #ids == 0 then
    return 'ok'
  end
end
if handlers ~= 1 then
  call('HLEN', KEYS[2])
end
if event == '' then
  call('SCARD', KEYS[5])
end
local waits, lengths = delayed and handlers > 0, {}
if waits then
  call('ZCARD', KEYS[6])
else
  for i = 6, places do
    lengths[i] = call('LLEN', KEYS[i])
  end
end

call('HSET', KEYS[1], unpack(words, at))
call('SADD', KEYS[3], unpack(ids))
call('EXPIRE', KEYS[3], REMEMBER_ID)
if handlers ~= 1 then
  local opened, digits = {}, handlers == 0 and '?' or string.rep('1', handlers)
  for n, id in ipairs(ids) do
    opened[2 * n - 1] = id
    opened[2 * n] = digits
  end
  call('HSET', KEYS[2], unpack(opened))
end
local due = delayed and string.format('%.0f', now_ms() + ARGV[4])
if handlers == 0 then
  call('HSETNX', KEYS[4], event, '')
  for n, id in ipairs(ids) do
    ids[n] = id .. ' ' .. (due or '0')
  end
  call('RPUSH', KEYS[6], unpack(ids))
end
for i = 1, handlers do
  local tickets, suffix = {}, i == 1 and '.0' or '.' .. (i - 1) -- turning a number into text is slow
  for n, id in ipairs(ids) do
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
if keyed then
  call('SET', KEYS[#KEYS], ARGV[5], 'EX', REMEMBER_KEY)
end
return 'ok'
