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
