-- Stores an event like publish.lua, if some of its handlers are unique: while a job of such a handler has not started, no
-- further job of an equal value is created. The waiting job is brought forward if the later send is due earlier.
--
-- Whether a job still waits is checked here and not left to the code that ends jobs: a job that is done, dead, or was lost
-- with its data absorbs no sends, whatever is recorded about it.
--
-- KEYS  as publish.lua has them; before those of the idempotency key later, dead, joined:<event id>, and unique:<handler> of
--       each unique handler
-- ARGV  1 to 6 as publish.lua has them  7 number of unique handlers, then for each of these its number from 0 and the digest
--       of its value, then the handlers in any case, then the event's id and its envelope
-- Returns what publish.lua does, or {'joined', number of a handler from 0, job that stands for its own...}; after what was
--         remembered for the key, {the same for this event's id}
--@shared shared_now
--@shared shared_may
--@shared shared_read
local REMEMBER_UNIQUE, REMEMBER_JOINED = '34560000', '86400' -- 400 days: a job is put off for a year at most
local count = tonumber(ARGV[7])
local before = 7 + 2 * count
local unique = {keys = 3 + count, commands = {'HDEL', 'RPUSH', 'ZADD', 'ZREM'}, joined = {}}
local stands, taken = {}, {}

function unique.read_joined(places)
  return redis.call('HGETALL', KEYS[places + 3])
end
-- Whether a job waits or runs: it is neither done nor a dead letter, and its event was not lost.
local function is_open(job, dead)
  local event_id, position = string.match(job, '^(.*)%.(%d+)$')
  if not event_id or redis.call('HEXISTS', KEYS[1], event_id) == 0 or redis.call('HEXISTS', dead, job) == 1 then
    return false
  end
  local digits = redis.call('HGET', KEYS[2], event_id)
  return not digits or string.sub(digits, position + 1, position + 1) == '1'
end
-- Returns the waiting jobs that absorb some of this event, by the numbers of the handlers.
function unique.look(places, handlers, event_id)
  redis.call('HLEN', KEYS[2]) -- the rights to read, before the first write
  redis.call('ZSCORE', KEYS[places + 1], '')
  for n = 1, count do
    local i, digest, key = ARGV[6 + 2 * n] + 1, ARGV[7 + 2 * n], KEYS[places + 3 + n]
    local job = redis.call('HGET', key, digest)
    if job and is_open(job, KEYS[places + 2]) then
      stands[i] = job
      unique.joined[#unique.joined + 1] = i - 1
      unique.joined[#unique.joined + 1] = job
    else
      taken[#taken + 1] = {key = key, digest = digest, job = event_id .. '.' .. (i - 1), former = job}
    end
  end
  unique.is_made = #unique.joined < 2 * handlers
  return stands
end
-- Records which jobs absorb sends of which values, and which were not created.
function unique.write(places)
  if #unique.joined > 0 then
    redis.call('HSET', KEYS[places + 3], unpack(unique.joined))
    redis.call('EXPIRE', KEYS[places + 3], REMEMBER_JOINED)
  end
  for _, one in ipairs(taken) do
    if one.former then
      redis.call('HDEL', one.key, one.former)
    end
    redis.call('HSET', one.key, one.digest, one.job, one.job, one.digest)
    redis.call('EXPIRE', one.key, REMEMBER_UNIQUE)
  end
end
function unique.digits(digits)
  for i in pairs(stands) do
    digits = string.sub(digits, 1, i - 1) .. '0' .. string.sub(digits, i + 1)
  end
  return digits
end
-- Makes a delayed job run no later than the send requires: at `due`, or at once without it.
function unique.bring_forward(places, i, due)
  local later, member = KEYS[places + 1], ARGV[before + i] .. ' ' .. stands[i]
  local now_due = redis.call('ZSCORE', later, member)
  if now_due and not due then
    redis.call('RPUSH', KEYS[5 + i], stands[i])
    redis.call('ZREM', later, member)
  elseif now_due and tonumber(due) < tonumber(now_due) then
    redis.call('ZADD', later, 'XX', due, member)
  end
end
--@shared shared_publish
return #unique.joined > 0 and {'joined', unpack(unique.joined)} or 'ok'
