-- Moves jobs that are due into their queues.
--
-- KEYS  1 later, then for each job queue:<handler> and wake:<worker>
-- ARGV  for each job its member of the sorted set and its ticket
-- Returns how many were moved.
--@shared shared_now
--@shared shared_wake
local now, moved = now_ms(), 0
for n = 1, #ARGV / 2 do
  local member, ticket, queue, list = ARGV[2 * n - 1], ARGV[2 * n], KEYS[2 * n], KEYS[2 * n + 1]
  local due = redis.call('ZSCORE', KEYS[1], member)
  if due and tonumber(due) <= now then
    redis.call('LLEN', list)
    redis.call('RPUSH', queue, ticket)
    redis.call('ZREM', KEYS[1], member)
    wake(list)
    moved = moved + 1
  end
end
return moved
