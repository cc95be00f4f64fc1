-- Hands jobs to a worker: a fair share of each queue, oldest first, with the attempt counted before user code runs.
--
-- KEYS  1 leases  2 claims:<worker id>  3 events  4 wake:<worker>, then queue:<handler>...
-- ARGV  1 worker id  2 how many at the most  3 crashes after which a job runs only alone, then the handlers
-- Returns {'lost'} if the worker holds no lease, else
--         {'ok', {jobs left in each queue}, {position of the handler, job, attempt, failures, crashes, started, envelope}...}
--@shared shared_wake
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  return {'lost'}
end
local queues, left, alone = #KEYS - 4, tonumber(ARGV[2]), tonumber(ARGV[3])
local lengths, take, waiting = {}, {}, 0
for i = 1, queues do
  lengths[i] = redis.call('LLEN', KEYS[4 + i])
  take[i] = 0
  if lengths[i] > 0 then
    waiting = waiting + 1
  end
end
while left > 0 and waiting > 0 do
  local share = math.max(1, math.floor(left / waiting))
  waiting = 0
  for i = 1, queues do
    local n = math.min(share, lengths[i] - take[i], left)
    take[i] = take[i] + n
    left = left - n
    if take[i] < lengths[i] then
      waiting = waiting + 1
    end
  end
end

local reply, claims, more = {'ok', lengths}, {}, false
for i = 1, queues do
  if take[i] > 0 then
    local tickets = redis.call('LRANGE', KEYS[4 + i], 0, take[i] - 1)
    local ids = {}
    for n, ticket in ipairs(tickets) do
      ids[n] = string.match(ticket, '^([^:]*)%.%d+') or ''
    end
    local envelopes = redis.call('HMGET', KEYS[3], unpack(ids))
    for n, ticket in ipairs(tickets) do
      local job, attempt, failures, crashes = string.match(ticket, '^([^:]+):(%d+):(%d+):(%d+)$')
      if not job then
        job, attempt, failures, crashes = ticket, 0, 0, 0
      end
      attempt = attempt + 1
      local started = tonumber(crashes) < alone and 1 or 0
      local counts = attempt .. ':' .. failures .. ':' .. crashes
      claims[#claims + 1] = ARGV[3 + i] .. ' ' .. job
      claims[#claims + 1] = counts .. ':' .. started
      reply[#reply + 1] = {i - 1, job, attempt, tonumber(failures), tonumber(crashes), started, envelopes[n]}
    end
    redis.call('HSET', KEYS[2], unpack(claims))
    claims = {}
    redis.call('LTRIM', KEYS[4 + i], take[i], -1)
    lengths[i] = lengths[i] - take[i]
  end
  more = more or lengths[i] > 0
end
if more then
  wake(KEYS[4])
end
return reply
