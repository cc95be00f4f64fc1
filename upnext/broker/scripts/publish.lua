-- Stores events of one name, each with one job for each of its handlers, or nothing of any of them.
--
-- Of some handlers only one job of a value waits at a time: a job that waits already stands for one of an equal value, which
-- is not made. Such an event comes alone.
--
-- KEYS  1 events  2 open  3 sent:<bucket>  4 versions  5 subs:<event>, for a task queues
--       then where the jobs go: unrouted:<event> if there are no handlers, or later if they have to wait, or else
--       queue:<handler> for each handler and wake:<worker> for each of their workers
--       then, if some handlers are unique, later, dead, joined:<event id>, and unique:<handler> for each of these
--       then, if there is an idempotency key, the name that the previous release has for it, if that is another one, and
--       its name
-- ARGV  1 event, '' for a task  2 version of the subscriptions that the handlers are taken from  3 number of handlers
--       4 delay in ms  5 what to remember for the idempotency key, '' without one  6 how what the previous release
--       remembered shows that it is of this event or task, '' if its name for the key is the same  7 number of unique
--       handlers, then the handlers, if they have to wait, are a task, or some are unique, then for each unique handler its
--       number and the digest of its value, then for each event its id and its envelope
-- Returns 'ok', or {'joined', number of a handler from 0, job that stands for its own...}, or {'same', what was remembered
--         for the key, {the same for this event's id}}, or {'stale', version, {handler...}, {what each is unique by}} when the
--         subscriptions have changed. An id that is stored already is not stored again.
--@shared shared_now
--@shared shared_may
--@shared shared_read
--@shared shared_unique
local REMEMBER_ID, REMEMBER_KEY = '60', '86400' -- seconds; a send is repeated for ten
local REMEMBER_UNIQUE = '34560000' -- 400 days: a job is put off for a year at the most
local MOST_HANDLERS = 1000
local call = redis.call
local event, handlers, delayed, keyed = ARGV[1], tonumber(ARGV[3]), ARGV[4] ~= '0', ARGV[5] ~= ''
local former = ARGV[6] ~= '' and KEYS[#KEYS - 1]
local uniques = tonumber(ARGV[7])
local places = #KEYS - (keyed and 1 or 0) - (former and 1 or 0) - (uniques > 0 and uniques + 3 or 0)
local later, dead, notes = KEYS[places + 1], KEYS[places + 2], KEYS[places + 3]
if keyed then
  local first = call('GET', KEYS[#KEYS])
  if not first and former then
    first = call('GET', former)
    -- With a space before it, it was written below: then there is more to go by than a name that others can have.
    if first and (string.sub(first, 1, 1) == ' '
        or not (string.find(first, ARGV[6], 1, true) or string.find(first, '[]', 1, true))) then
      first = false
    end
  end
  if first then
    return {'same', first, uniques > 0 and call('HGETALL', notes) or nil}
  end
end
if event ~= '' then
  local version = call('HGET', KEYS[4], event) or ''
  if version ~= ARGV[2] then
    if call('HLEN', KEYS[5]) > MOST_HANDLERS then
      return redis.error_reply('ERR event ' .. event .. ' has more than ' .. MOST_HANDLERS .. ' subscriptions')
    end
    local subscribed = call('HKEYS', KEYS[5])
    return {'stale', version, subscribed, #subscribed > 0 and call('HMGET', KEYS[4], unpack(subscribed)) or {}}
  end
end

-- Reads that fail on a key of another kind, before anything is written: a script is never rolled back.
local at = (delayed or event == '' or uniques > 0) and 8 + handlers or 8
local first_unique = at
at = at + 2 * uniques
local ids, words, repeated = {}, ARGV, false
for i = at, #ARGV, 2 do
  ids[#ids + 1] = ARGV[i]
end
local known = call('SMISMEMBER', KEYS[3], unpack(ids))
for n = 1, #ids do
  repeated = repeated or known[n] == 1
end
if repeated and uniques > 0 then
  return {'joined', unpack(call('HGETALL', notes))}
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
if handlers ~= 1 or uniques > 0 then
  call('HLEN', KEYS[2])
end
-- The jobs that stand for those of this event, by the number of their handlers.
local standing, joined, claims = {}, {}, {}
for n = 1, uniques do
  local i, digest, key = ARGV[first_unique + 2 * n - 2] + 1, ARGV[first_unique + 2 * n - 1], KEYS[places + 3 + n]
  local job = call('HGET', key, digest)
  if job and is_open(KEYS[1], KEYS[2], dead, job) then
    standing[i] = job
    joined[#joined + 1] = i - 1
    joined[#joined + 1] = job
  else
    claims[#claims + 1] = {key = key, digest = digest, job = ids[1] .. '.' .. (i - 1), ended = job}
  end
end
local made = handlers == 0 or 2 * handlers > #joined
local listed = event == '' and read('SCARD', KEYS[5])
local due = delayed and string.format('%.0f', now_ms() + ARGV[4])
local waits, tokens = delayed and handlers > 0, {}
if waits then
  call('ZCARD', KEYS[6])
else
  for i = 6, places do
    if i > 5 + math.max(handlers, 1) then
      tokens[i] = read('LLEN', KEYS[i]) -- a worker whose wake list is another program's key looks by itself
    else
      call('LLEN', KEYS[i])
    end
  end
end

-- The first write: it fails by itself. Before it, or on Redis 6.2 right after it, the rights to all that follow are tried.
local push = waits and 'ZADD' or 'RPUSH'
local first, fields, from = KEYS[1], words, at
if not made then
  first, fields, from = notes, joined, 1
end
if uniques > 0 then
  call('ZSCORE', later, '')
end
if check then
  may('SADD', KEYS[3])
  may('EXPIRE', KEYS[3])
  may(push, KEYS[3])
  if keyed then
    may('SET', KEYS[3])
  end
  if uniques > 0 then
    may('HDEL', notes)
    may('RPUSH', later)
    may('ZADD', later)
    may('ZREM', later)
  end
  call('HSET', first, unpack(fields, from))
else
  local full = redis.pcall('HSET', KEYS[1], '', '', '').err
  if string.find(full, 'OOM', 1, true) then
    error(full, 0)
  end
  call('HDEL', KEYS[1], '')
  call('HSET', first, unpack(fields, from))
  local commands = {'SADD', 'EXPIRE', push, keyed and 'SET' or nil}
  if uniques > 0 then
    commands = {'SADD', 'EXPIRE', 'RPUSH', 'ZADD', 'ZREM', keyed and 'SET' or nil}
  end
  for _, command in ipairs(commands) do
    local err = refusal(command, KEYS[3], KEYS[1])
    if err then
      call('HDEL', first, unpack(made and ids or joined))
      error(err, 0)
    end
  end
end
call('SADD', KEYS[3], unpack(ids))
call('EXPIRE', KEYS[3], REMEMBER_ID)
if #joined > 0 then
  call('HSET', notes, unpack(joined))
  call('EXPIRE', notes, REMEMBER_KEY)
end
for _, claim in ipairs(claims) do
  if claim.ended then
    call('HDEL', claim.key, claim.ended)
  end
  call('HSET', claim.key, claim.digest, claim.job, claim.job, claim.digest)
  call('EXPIRE', claim.key, REMEMBER_UNIQUE)
end
if handlers ~= 1 and made then
  local opened, digits = {}, handlers == 0 and '?' or string.rep('1', handlers)
  for i in pairs(standing) do
    digits = string.sub(digits, 1, i - 1) .. '0' .. string.sub(digits, i + 1)
  end
  for n, id in ipairs(ids) do
    opened[2 * n - 1] = id
    opened[2 * n] = digits
  end
  call('HSET', KEYS[2], unpack(opened))
end
if handlers == 0 then
  if ARGV[2] == '' then
    call('HSET', KEYS[4], event, '')
  end
  for n, id in ipairs(ids) do
    ids[n] = id .. ' ' .. (due or '0')
  end
  call('RPUSH', KEYS[6], unpack(ids))
end
for i = 1, handlers do
  local entries, suffix = {}, i == 1 and '.0' or '.' .. (i - 1) -- turning a number into text is slow
  for n, id in ipairs(ids) do
    if due then
      entries[2 * n - 1] = due
      entries[2 * n] = ARGV[7 + i] .. ' ' .. id .. suffix
    else
      entries[n] = id .. suffix
    end
  end
  if standing[i] then
    bring_forward(later, due, KEYS[5 + i], ARGV[7 + i], standing[i])
  elseif due then
    call('ZADD', KEYS[6], unpack(entries))
  else
    call('RPUSH', KEYS[5 + i], unpack(entries))
  end
  if listed then
    call('SADD', KEYS[5], ARGV[7 + i])
  end
end
if handlers > 0 and not due then
  for i = 6 + handlers, places do
    -- At most one token lies in a wake list, as shared_wake has it.
    if tokens[i] == 0 then
      call('RPUSH', KEYS[i], '1')
    end
  end
end
if keyed then
  call('SET', KEYS[#KEYS], ARGV[5], 'EX', REMEMBER_KEY)
  if former then
    call('SET', former, ' ' .. ARGV[5], 'EX', REMEMBER_KEY, 'NX')
  end
end
return #joined > 0 and {'joined', unpack(joined)} or 'ok'
