-- Hands jobs to a worker like claim.lua, if some of its handlers have limits: across all workers, only a given number of
-- their jobs are claimed at once, and only a given number are handed out per period.
--
-- A slot is in use as long as the claim that it was given to exists, and nothing else decides: `slots:<handler>` only says
-- which claims to check. So a slot is returned with its claim, whatever happens to the worker or to a reply, and no script
-- that ends a claim has to know about limits. (free.lua returns it without waiting for this script.) A run checks the slots
-- of jobs that are reported as ended and, on request, a page of the others, starting with those checked longest ago.
--
-- KEYS  1 to 5 as claim.lua has them, then queue:<handler>..., then slots:<handler> and starts:<handler> of each handler
--       that has limits, then claims:<worker id> of other workers that hold slots
-- ARGV  1 to 4 and the handlers as claim.lua has them, then for each handler that has limits its number among them, how many
--       jobs at once, how many starts, and within how many ms ('' for what is not limited), how many slots to look at, how
--       many of its jobs have ended here, and these, then those other workers, then the number of handlers, and of those with limits
-- Returns {'lost'} as claim.lua does; else {what claim.lua returns, of each queue only as many jobs as may be claimed,
--         {worker that may hold a slot...}, 1 if jobs wait for slots of workers that were not passed, in how many ms more of
--         the jobs that wait may start ('' if time changes nothing), {number of KEYS that are another program's...},
--         {number of the handlers whose jobs wait for slots, from 0...}}
--@shared shared_now
--@shared shared_may
--@shared shared_read
--@shared shared_wake
local BATCH = 1000
local queues, limited = tonumber(ARGV[#ARGV - 1]), tonumber(ARGV[#ARGV])
local now, others, workers, unknown, foreign = now_ms(), {[ARGV[1]] = KEYS[2]}, {}, 0, {}
for i = 6 + queues + 2 * limited, #KEYS do
  others[ARGV[#ARGV - 2 - #KEYS + i]] = KEYS[i]
end
local function ms(number)
  return string.format('%.0f', number)
end

-- Returns so many of the slots, and those of jobs `first` to `last` of ARGV, which are likely to be free.
local function page_of(slots, length, first, last)
  local page, seen = {}, {}
  if length > 0 then
    page = redis.call('ZRANGE', slots, 0, length - 1)
  end
  for _, slot in ipairs(page) do
    seen[slot] = true
  end
  for n = first, last do
    local slot = ARGV[1] .. ' ' .. ARGV[n]
    if not seen[slot] and redis.call('ZSCORE', slots, slot) then
      seen[slot] = true
      page[#page + 1] = slot
    end
  end
  return page
end

-- Sorts slots into those whose claims are gone, and those whose claims stand; returns the number of the others.
local function look_at_slots(page, handler, gone, stand)
  local not_passed, looked_at = 0, {}
  for _, slot in ipairs(page) do
    local worker, job = string.match(slot, '^(%S+) (.+)$')
    if worker and worker ~= ARGV[1] then
      workers[worker] = true
    end
    if not worker then
      gone[#gone + 1] = slot
    elseif not others[worker] then
      not_passed = not_passed + 1
    else
      local held = looked_at[worker] or {slots = {}, fields = {}}
      looked_at[worker] = held
      held.slots[#held.slots + 1] = slot
      held.fields[#held.fields + 1] = handler .. ' ' .. job
    end
  end
  for worker, held in pairs(looked_at) do
    local claims = read('HMGET', others[worker], unpack(held.fields)) or {}
    for n, slot in ipairs(held.slots) do
      local place = claims[n] and stand or gone
      place[#place + 1] = slot
    end
  end
  return not_passed
end

local limits, of, at = {room = {}}, {}, 4 + queues
for n = 1, limited do
  local key, length, ended = 4 + queues + 2 * n, tonumber(ARGV[at + 5]), tonumber(ARGV[at + 6])
  local number = tonumber(ARGV[at + 1])
  local one = {
    most = tonumber(ARGV[at + 2]), starts_most = tonumber(ARGV[at + 3]), period = tonumber(ARGV[at + 4]),
    slots = KEYS[key], starts = KEYS[key + 1], gone = {}, stand = {}, old = {}, ahead = {}, taken = 0,
  }
  local room, waiting = math.huge, read('LLEN', KEYS[5 + number]) or 0
  of[number] = one
  if one.most then
    local used = read('ZCARD', one.slots)
    if not used then
      foreign[#foreign + 1] = key
      room = 0
    else
      local not_passed = look_at_slots(page_of(one.slots, length, at + 7, at + 6 + ended), ARGV[4 + number], one.gone, one.stand)
      one.many = used > length and length > 0
      room = math.max(one.most - used + #one.gone, 0)
      one.free_slots = room
      if room < waiting and not_passed > 0 then
        unknown = 1
      end
    end
  end
  if one.starts_most then
    local count = read('ZCARD', one.starts)
    if not count then
      foreign[#foreign + 1] = key + 1
      room = 0
    else
      one.old = redis.call('ZRANGEBYSCORE', one.starts, '-inf', ms(now - one.period), 'LIMIT', 0, BATCH)
      -- The clock was set back: what started later than now started now.
      one.ahead = redis.call('ZRANGEBYSCORE', one.starts, '(' .. ms(now), '+inf', 'LIMIT', 0, BATCH)
      one.started = count - #one.old
      room = math.min(room, math.max(one.starts_most - one.started, 0))
    end
  end
  limits.room[number], one.waiting = room, waiting
  at = at + 6 + ended
end

local tidied = false
local function scored_now(members)
  local words = {}
  for _, member in ipairs(members) do
    words[#words + 1] = ms(now)
    words[#words + 1] = member
  end
  return unpack(words)
end
-- Takes out what is over. First of all writes: a job may be claimed again by the worker that had it.
local function tidy()
  tidied = true
  may('ZREM', KEYS[1], KEYS[3])
  may('ZADD', KEYS[1], KEYS[3])
  may('EXPIRE', KEYS[1], KEYS[3])
  may('HSET', KEYS[2], KEYS[1])
  -- A write that changes nothing: after it a full server lets the rest pass.
  redis.call('HDEL', KEYS[2], '')
  for _, one in pairs(of) do
    if #one.gone > 0 then
      redis.call('ZREM', one.slots, unpack(one.gone))
    end
    if one.many and #one.stand > 0 then
      redis.call('ZADD', one.slots, scored_now(one.stand))
    end
    if #one.old > 0 then
      redis.call('ZREM', one.starts, unpack(one.old))
    end
    if #one.ahead > 0 then
      redis.call('ZADD', one.starts, scored_now(one.ahead))
    end
  end
end
-- Gives slots to jobs that are about to be claimed, and notes their starts. A slot without a claim is free again at the next
-- look; a claim without a slot would be one too many.
function limits.keep(taken)
  tidy()
  for n = 3, #taken do
    local one, slots = of[taken[n][1] + 1], {}
    if one then
      one.taken = #taken[n][2]
      for i, entry in ipairs(taken[n][2]) do
        slots[i] = ARGV[1] .. ' ' .. string.match(entry, '^(.*) %S+$')
      end
      if one.most then
        redis.call('ZADD', one.slots, scored_now(slots))
      end
      if one.starts_most then
        redis.call('ZADD', one.starts, scored_now(taken[n][2]))
        redis.call('EXPIRE', one.starts, ms(math.ceil(one.period / 1000) + 60))
      end
    end
  end
end
--@shared shared_may_claim
--@shared shared_claimed
--@shared shared_envelopes
--@shared shared_claim
if not tidied then
  for _, one in pairs(of) do
    if not tidied and #one.gone + #one.old + #one.ahead + (one.many and #one.stand or 0) > 0 then
      tidy()
    end
  end
end

local names, soonest, short = {}, '', {}
for worker in pairs(workers) do
  names[#names + 1] = worker
end
for number, one in pairs(of) do
  if one.free_slots and one.taken < one.waiting and one.taken >= one.free_slots then
    short[#short + 1] = number - 1
  end
  if one.started and one.taken < one.waiting and one.started + one.taken >= one.starts_most then
    local first = redis.call('ZRANGEBYSCORE', one.starts, '(' .. ms(now - one.period), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    local pause = first[2] and math.max(first[2] + one.period - now, 1)
    if pause and (soonest == '' or pause < soonest) then
      soonest = pause
    end
  end
end
return {reply, names, unknown, soonest, foreign, short}
