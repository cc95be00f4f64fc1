-- Returns the slots of claims that are gone, if limits apply to each value of a field, and brings back the first jobs in the
-- lines of these values, as many as there is room for. Removes starts that no rate counts any more.
--
-- KEYS  1 later  2 queue:<handler>  3 wake:<worker>  4 taken:<handler>  5 begun:<handler>  6 line:<handler>, then
--       claims:<worker id> of the workers that may hold the slots
-- ARGV  1 handler  2 how many jobs of a value at once  3 how many starts  4 within how many ms ('' for what is not limited)
--       5 number of slots  6 number of starts, then for each slot `value worker job` and the number of its worker among the
--       keys, then the starts, `value ms job counts`, then values whose lines are looked at in any case
-- Returns in how many ms the first of those is due that wait for their rate only now ('' if there is none).
--@shared shared_now
--@shared shared_may
--@shared shared_read
--@shared shared_wake
local MOST = 50 -- places in one line that are looked at: their jobs may be gone, cancelled or due before
local QUEUED = 1000 -- places in the queue where those that have been brought back, or were due, are looked for
local handler, limit, rate, period = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local slots, starts, gone, over, values, seen = tonumber(ARGV[5]), tonumber(ARGV[6]), {}, {}, {}, {}
local again = {}
local function look_at(value)
  if not seen[value] then
    seen[value] = true
    values[#values + 1] = value
  end
end
for n = 1, slots do
  local slot, claims = ARGV[5 + 2 * n], KEYS[6 + ARGV[6 + 2 * n]]
  local value, job = string.match(slot, '^(%S+) %S+ (.+)$')
  if read('HEXISTS', claims, handler .. ' ' .. job) ~= 1 then
    gone[#gone + 1] = slot
    look_at(value)
  end
end
local now = now_ms()
local before = period and now - period or math.huge
for n = 7 + 2 * slots + starts, #ARGV do
  look_at(ARGV[n])
end
for n = 7 + 2 * slots, 6 + 2 * slots + starts do
  local value, at, rest = string.match(ARGV[n], '^(%S+) (%d+) (.+)$')
  if (tonumber(at) or 0) <= before then
    over[#over + 1] = ARGV[n]
  elseif tonumber(at) > now then -- the clock was set back: what started later than now started now
    over[#over + 1] = ARGV[n]
    again[#again + 1] = 0
    again[#again + 1] = value .. ' ' .. string.format('%015.0f', now) .. ' ' .. rest
  end
end
for n = 4, 6 do
  if not read('ZCARD', KEYS[n]) then
    return ''
  end
end
local holder = KEYS[#gone > 0 and 4 or #over > 0 and 5 or 6]
if #values + #over == 0 or redis.call('ZCARD', holder) == 0 or not read('LLEN', KEYS[2]) then
  return ''
end
redis.call('ZSCORE', KEYS[1], '') -- the rights to read as well
redis.call('ZRANGE', KEYS[6], 0, 0)
redis.call('LRANGE', KEYS[2], 0, 0)
read('LLEN', KEYS[3])
may('RPUSH', KEYS[2], holder)
may('ZREM', KEYS[1], KEYS[2])
may('ZADD', KEYS[5], KEYS[2])
-- A write that changes nothing: after it a full server lets the rest pass.
redis.call('ZREM', KEYS[1], '')
if #again > 0 then
  redis.call('ZADD', KEYS[5], unpack(again))
end
if #over > 0 then
  redis.call('ZREM', KEYS[5], unpack(over))
end
if #gone > 0 then
  redis.call('ZREM', KEYS[4], unpack(gone))
end
--@shared shared_next_start
local queued
local function is_queued(entry)
  if not queued then
    queued = {}
    for _, each in ipairs(redis.call('LRANGE', KEYS[2], 0, QUEUED - 1)) do
      queued[each] = true
    end
  end
  return queued[entry]
end
local back, soonest = 0, math.huge
for _, value in ipairs(values) do
  local from, to = '[' .. value .. ' ', '(' .. value .. '!'
  local room, ahead = limit and limit - #redis.call('ZRANGE', KEYS[4], from, to, 'BYLEX', 'LIMIT', 0, limit) or MOST, 0
  local function newest(number)
    return redis.call('ZRANGE', KEYS[5], to, from, 'BYLEX', 'REV', 'LIMIT', number - 1, 1)[1]
  end
  for _, place in ipairs(room > 0 and redis.call('ZRANGE', KEYS[6], from, to, 'BYLEX', 'LIMIT', 0, MOST) or {}) do
    if ahead >= room then
      break
    end
    local entry = string.sub(place, #value + 2)
    local member = handler .. ' ' .. entry
    local due = tonumber(redis.call('ZSCORE', KEYS[1], member) or nil)
    local may_start = due and rate and next_start(ahead, rate, period, now, newest) or now
    if due and may_start <= now then
      redis.call('RPUSH', KEYS[2], entry)
      redis.call('ZREM', KEYS[1], member)
      ahead, back = ahead + 1, back + 1
    elseif due then
      if due > may_start then -- it waited for a slot, or for others that are gone: now it waits for its rate
        redis.call('ZADD', KEYS[1], 'XX', string.format('%.0f', may_start), member)
        soonest = math.min(soonest, may_start)
      elseif not limit then
        break -- and so are those behind it
      end
      ahead = ahead + 1
    elseif is_queued(entry) then
      ahead = ahead + 1 -- it keeps its place until it is claimed: there may be no room for it again
    else
      redis.call('ZREM', KEYS[6], place)
    end
  end
end
if back > 0 then
  wake(KEYS[3])
end
return soonest < math.huge and string.format('%.0f', soonest - now) or ''
