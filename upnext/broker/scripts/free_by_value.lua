-- Gives back the slots of claims that are gone, where limits hold for each value of a field, and brings back the jobs that
-- stand first in the lines of these values, as many as have room now. Takes out starts that no rate counts any more.
--
-- KEYS  1 later  2 queue:<handler>  3 wake:<worker>  4 taken:<handler>  5 begun:<handler>  6 line:<handler>, then
--       claims:<worker id> of the workers that may hold the slots
-- ARGV  1 handler  2 how many jobs of a value at once  3 how many starts  4 within how many ms ('' for what is not limited)
--       5 number of slots  6 number of starts, then for each slot `value worker job` and the number of its worker among the
--       keys, then the starts, `value ms job counts`, then values whose lines are looked at in any case
-- Returns how many jobs were brought back.
--@shared shared_now
--@shared shared_may
--@shared shared_read
--@shared shared_wake
local MOST = 50 -- places in one line that are looked at: their jobs may be gone, cancelled or due before
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
    return 0
  end
end
local holder = KEYS[#gone > 0 and 4 or #over > 0 and 5 or 6]
if #values + #over == 0 or redis.call('ZCARD', holder) == 0 or not read('LLEN', KEYS[2]) then
  return 0
end
redis.call('ZSCORE', KEYS[1], '') -- the rights to read as well
redis.call('ZRANGE', KEYS[6], 0, 0)
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
local back = 0
for _, value in ipairs(values) do
  local from, to = '[' .. value .. ' ', '(' .. value .. '!'
  local room = limit and limit - #redis.call('ZRANGE', KEYS[4], from, to, 'BYLEX', 'LIMIT', 0, limit) or MOST
  -- What waits for its rate is due by itself.
  local start = rate and redis.call('ZRANGE', KEYS[5], to, from, 'BYLEX', 'REV', 'LIMIT', rate - 1, 1)[1]
  if start and (tonumber(string.match(start, ' (%d+) ')) or 0) > before then
    room = 0
  end
  for _, place in ipairs(room > 0 and redis.call('ZRANGE', KEYS[6], from, to, 'BYLEX', 'LIMIT', 0, MOST) or {}) do
    if room == 0 then
      break
    end
    local entry = string.sub(place, #value + 2)
    local member = handler .. ' ' .. entry
    if redis.call('ZSCORE', KEYS[1], member) then
      redis.call('RPUSH', KEYS[2], entry)
      redis.call('ZREM', KEYS[1], member)
      room, back = room - 1, back + 1
    end
    redis.call('ZREM', KEYS[6], place)
  end
end
if back > 0 then
  wake(KEYS[3])
end
return back
