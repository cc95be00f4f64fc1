-- Stores events as publish.lua documents; the handlers follow word `before` of ARGV. `unique` is nil, or does what
-- publish_unique.lua documents.
local REMEMBER_ID, REMEMBER_KEY = '60', '86400' -- seconds; a send is repeated for ten
local MOST_HANDLERS = 1000
local call = redis.call
local event, handlers, delayed, keyed = ARGV[1], tonumber(ARGV[3]), ARGV[4] ~= '0', ARGV[5] ~= ''
local former = ARGV[6] ~= '' and KEYS[#KEYS - 1]
local places = #KEYS - (keyed and 1 or 0) - (former and 1 or 0) - (unique and unique.keys or 0)
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
    return {'same', first, unique and unique.read_joined(places)}
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
local at = (delayed or event == '' or unique) and before + 1 + handlers or before + 1
local ids, words, repeated = {}, ARGV, false
for i = at, #ARGV, 2 do
  ids[#ids + 1] = ARGV[i]
end
local known = call('SMISMEMBER', KEYS[3], unpack(ids))
for n = 1, #ids do
  repeated = repeated or known[n] == 1
end
if repeated and unique then
  return {'joined', unpack(unique.read_joined(places))}
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
local stands = unique and unique.look(places, handlers, ids[1])
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
local first, fields, from, undo = KEYS[1], words, at, ids
if unique and not unique.is_made then
  first, fields, from, undo = KEYS[places + 3], unique.joined, 1, unique.joined
end
if check then
  may('SADD', KEYS[3])
  may('EXPIRE', KEYS[3])
  may(push, KEYS[3])
  if keyed then
    may('SET', KEYS[3])
  end
  if unique then
    for _, command in ipairs(unique.commands) do
      may(command, KEYS[3])
    end
  end
  call('HSET', first, unpack(fields, from))
else
  local full = redis.pcall('HSET', KEYS[1], '', '', '').err
  if string.find(full, 'OOM', 1, true) then
    error(full, 0)
  end
  call('HDEL', KEYS[1], '')
  call('HSET', first, unpack(fields, from))
  local commands = {'SADD', 'EXPIRE', push, unpack(unique and unique.commands or {})}
  if keyed then
    commands[#commands + 1] = 'SET'
  end
  for _, command in ipairs(commands) do
    local err = refusal(command, KEYS[3], KEYS[1])
    if err then
      call('HDEL', first, unpack(undo))
      error(err, 0)
    end
  end
end
call('SADD', KEYS[3], unpack(ids))
call('EXPIRE', KEYS[3], REMEMBER_ID)
if unique then
  unique.write(places)
end
if handlers ~= 1 and not (unique and not unique.is_made) then
  local opened, digits = {}, handlers == 0 and '?' or string.rep('1', handlers)
  if unique then
    digits = unique.digits(digits)
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
      entries[2 * n] = ARGV[before + i] .. ' ' .. id .. suffix
    else
      entries[n] = id .. suffix
    end
  end
  if stands and stands[i] then
    unique.bring_forward(places, i, due)
  elseif due then
    call('ZADD', KEYS[6], unpack(entries))
  else
    call('RPUSH', KEYS[5 + i], unpack(entries))
  end
  if listed then
    call('SADD', KEYS[5], ARGV[before + i])
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
