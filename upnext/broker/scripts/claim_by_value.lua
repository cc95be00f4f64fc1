-- Hands jobs of one handler to a worker like claim.lua, if its limits apply to each value of a payload field.
--
-- It goes through the head of the queue, whose values the worker has read. A job is claimed if its value is below the
-- limit; otherwise it is delayed and joins a line: free_by_value.lua brings the first of each line back as soon as there
-- is room. `later` keeps such a job even if the line is lost: it is due in some minutes at the latest.
--
-- As in claim_limited.lua, a slot is in use as long as the claim that it was given to exists.
--
-- KEYS  1 leases  2 claims:<worker id>  3 events  4 wake:<worker>  5 turn:<worker id>  6 queue:<handler>  7 later
--       8 taken:<handler>  9 begun:<handler>  10 line:<handler>
-- ARGV  1 worker id  2 how many at most  3 crashes after which a job's start is marked on its own (start.lua)
--       4 the worker's claim epoch (recount.lua)  5 handler  6 how many jobs at once  7 how many starts  8 within how many
--       ms ('' for what is not limited)  9 for how many ms a job is put off at most
--       then entries from the head of the queue, each with its value
-- Returns {'lost'} as claim.lua does; else {'ok', {jobs left in the queue}, {0, {`job attempt:failures:crashes`...}, one
--         digit a job: whether it counts as started} if there are some, {their values...}, in how many ms the rate allows the
--         first of those that were put off ('' if there is none), {the jobs' envelopes in this order...}};
--         {'ok', {-1}, {number of KEYS that are another program's...}, '', {}} where there are such
--@shared shared_now
--@shared shared_may
--@shared shared_read
--@shared shared_wake
--@shared shared_may_claim
--@shared shared_claimed
--@shared shared_envelopes
local foreign = {}
for n = 6, 10 do
  if not read(n == 6 and 'LLEN' or 'ZCARD', KEYS[n]) then
    foreign[#foreign + 1] = n
  end
end
if #foreign > 0 then
  return {'ok', {-1}, foreign, '', {}}
end
local length = redis.call('LLEN', KEYS[6])
local FEW = 100
local LINE_TTL = 86400 -- seconds: whatever stands in it is in `later` too
local most, suspect, handler = tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[5]
local limit, starts, period, longest = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local now = now_ms()
local function stamp(ms)
  return string.format('%015.0f', ms)
end

local function bounds(value)
  return '[' .. value .. ' ', '(' .. value .. '!'
end
-- How many jobs of each value are taken now.
local taken_of = {}
-- The so-manieth of the newest members of a value; those that are taken now count as well, and are true.
local function newest(key, value, number)
  number = number - (taken_of[value] or 0)
  local from, to = bounds(value)
  return number <= 0 or redis.call('ZRANGE', key, to, from, 'BYLEX', 'REV', 'LIMIT', number - 1, 1)[1]
end
--@shared shared_next_start
-- When a job of a value may start that has `ahead` others before it, at the earliest.
local function may_start(value, ahead)
  return next_start(ahead, starts, period, now, function(number)
    return newest(KEYS[9], value, number)
  end)
end
local function has_room(value)
  return not (limit and newest(KEYS[8], value, limit)) and not (starts and may_start(value, 0) > now)
end
-- How many stand in a value's line before a place. All do where it is not in the line yet. One that is had its turn, but
-- found no room, since others started later than they might have: before it are those that are put off with it now, and not
-- those few whose ids, made in the same ms or by another clock, sort before its own. Of many more it takes note.
local again_of = {}
local function ahead_of(value, place)
  local from, to = bounds(value)
  local first = redis.call('ZRANGE', KEYS[10], from, to, 'BYLEX', 'LIMIT', 0, 1)[1]
  if not first then
    return 0
  end
  local before_first, rank = redis.call('ZRANK', KEYS[10], first), redis.call('ZRANK', KEYS[10], place)
  if not rank then
    local last = redis.call('ZRANGE', KEYS[10], to, from, 'BYLEX', 'REV', 'LIMIT', 0, 1)[1]
    return redis.call('ZRANK', KEYS[10], last) + 1 - before_first
  end
  local with_it = again_of[value] or 0
  again_of[value] = with_it + 1
  return rank - before_first - with_it < math.max(starts, FEW) and with_it or rank - before_first
end

local looked_at, taken, values, put_off, value_of, soonest = 0, {}, {}, {}, {}, math.huge
for n = 10, #ARGV, 2 do
  value_of[ARGV[n]] = ARGV[n + 1]
end
-- Others may have taken some of them since.
local head, ids, envelopes = redis.call('LRANGE', KEYS[6], 0, (#ARGV - 9) / 2 - 1), {}, {}
for n, entry in ipairs(head) do
  ids[n] = string.match(entry, '^([^:]*)%.%d+') or ''
end
for n, envelope in ipairs(envelopes_of(KEYS[3], ids)) do
  local entry = head[n]
  local value = value_of[entry]
  if not value or #taken == most then
    break
  end
  if has_room(value) then
    taken_of[value] = (taken_of[value] or 0) + 1
    taken[#taken + 1] = entry
    values[#values + 1] = value
    envelopes[#envelopes + 1] = envelope
  else
    put_off[#put_off + 1] = {entry, value}
  end
  looked_at = n
end

local reply = {'ok', {length - looked_at}}
if looked_at > 0 then
  read('LLEN', KEYS[4])
  redis.call('ZRANK', KEYS[10], '') -- the rights to read as well
  redis.call('ZRANGE', KEYS[10], 0, 0)
  redis.call('HMGET', KEYS[3], '')
  for _, right in ipairs({{'ZADD', 7}, {'ZREM', 10}, {'EXPIRE', 9}, {'RPUSH', 4}}) do
    may(right[1], KEYS[right[2]], KEYS[right[1] == 'RPUSH' and 1 or 2])
  end
  may('LTRIM', KEYS[6], KEYS[1])
  may('HSET', KEYS[2], KEYS[1])
  -- A write that changes nothing: after it a full server lets the rest pass.
  redis.call('HDEL', KEYS[2], '')
  for n, entry in ipairs(taken) do
    redis.call('ZREM', KEYS[10], values[n] .. ' ' .. entry) -- nothing is behind it any more
  end
  for _, job in ipairs(put_off) do
    local entry, value = job[1], job[2]
    local place, due = value .. ' ' .. entry, now + longest
    if not (limit and newest(KEYS[8], value, limit)) then
      due = may_start(value, ahead_of(value, place))
      soonest = math.min(soonest, due)
    end
    redis.call('ZADD', KEYS[10], 0, place)
    redis.call('ZADD', KEYS[7], stamp(due), handler .. ' ' .. entry)
  end
  if #put_off > 0 then
    redis.call('EXPIRE', KEYS[10], LINE_TTL)
  end
end
local entries, started = {}, {}
for n, entry in ipairs(taken) do
  local job, counts, begun = claimed(entry, suspect)
  entries[n] = job .. ' ' .. counts
  started[n] = begun
  if limit then
    redis.call('ZADD', KEYS[8], 0, values[n] .. ' ' .. ARGV[1] .. ' ' .. job)
  end
  if starts then
    redis.call('ZADD', KEYS[9], 0, values[n] .. ' ' .. stamp(now) .. ' ' .. entries[n])
    redis.call('EXPIRE', KEYS[9], string.format('%.0f', math.ceil(period / 1000) + 60))
  end
  redis.call('HSET', KEYS[2], handler .. ' ' .. job, counts .. ':' .. begun)
end
if #taken > 0 then
  reply[3] = {0, entries, table.concat(started)}
end
reply[#reply + 1] = values
reply[#reply + 1] = soonest < math.huge and string.format('%.0f', math.max(soonest - now, 0)) or ''
reply[#reply + 1] = envelopes
if looked_at > 0 then
  redis.call('LTRIM', KEYS[6], looked_at, -1)
end
if length > looked_at then
  wake(KEYS[4])
end
return reply
