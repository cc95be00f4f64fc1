-- Whether a job waits or runs: it is neither done nor a dead letter, and nobody has lost its event.
local function is_open(events, open, dead, job)
  local event_id, position = string.match(job, '^(.*)%.(%d+)$')
  if not event_id or redis.call('HEXISTS', events, event_id) == 0 or redis.call('HEXISTS', dead, job) == 1 then
    return false
  end
  local digits = redis.call('HGET', open, event_id)
  return not digits or string.sub(digits, position + 1, position + 1) == '1'
end
-- Lets a job that is put off run no later than a send that it stands for asks: at `due`, or at once without it.
local function bring_forward(later, due, queue, handler, job)
  local member = handler .. ' ' .. job
  local now_due = redis.call('ZSCORE', later, member)
  if not now_due then
    return
  elseif not due then
    redis.call('RPUSH', queue, job)
    redis.call('ZREM', later, member)
  elseif tonumber(due) < tonumber(now_due) then
    redis.call('ZADD', later, 'XX', due, member)
  end
end
