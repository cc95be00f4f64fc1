-- Deletes dead letters for good; an event goes with its last job.
--
-- KEYS  1 dead  2 dead:index  3 events  4 open
-- ARGV  jobs
-- Returns for each job 1, or 0 if it is not a dead letter.
--@shared shared_may

-- Closes one job of an event; the last one takes the event with it. A job that is closed already changes nothing.
local function close_job(events, open, job_id)
  local event_id, position = string.match(job_id, '^(.*)%.(%d+)$')
  if not event_id then
    return -- another program's: there is no event
  end
  local digits = redis.call('HGET', open, event_id)
  if not digits then
    redis.call('HDEL', events, event_id)
    return
  end
  local at = tonumber(position) + 1
  digits = string.sub(digits, 1, at - 1) .. '0' .. string.sub(digits, at + 1)
  if string.find(digits, '1', 1, true) then
    redis.call('HSET', open, event_id, digits)
  else
    redis.call('HDEL', events, event_id)
    redis.call('HDEL', open, event_id)
  end
end

local reply = {}
redis.call('HLEN', KEYS[1])
redis.call('ZCARD', KEYS[2])
redis.call('HLEN', KEYS[3])
redis.call('HGET', KEYS[4], '')
redis.call('HEXISTS', KEYS[1], '')
may('HSET', KEYS[4], KEYS[1])
may('ZREM', KEYS[2], KEYS[1])
redis.call('HDEL', KEYS[1], '') -- changes nothing, and tries the right to it
for i, job in ipairs(ARGV) do
  reply[i] = redis.call('HEXISTS', KEYS[1], job)
  if reply[i] == 1 then
    close_job(KEYS[3], KEYS[4], job)
    redis.call('ZREM', KEYS[2], job)
    redis.call('HDEL', KEYS[1], job)
  end
end
return reply
