-- Moves jobs that are due into their queues.
--
-- KEYS  1 later, then for each job queue:<handler> and wake:<worker>
-- ARGV  for each job its member of the sorted set, its handler, or '' if the member is not a job, and its entry
-- Returns how many were moved, and the numbers of those that were not: what is not a job is never due again, a job whose queue
--         is another program's key is put off.
--@shared shared_now
--@shared shared_may
--@shared shared_read
--@shared shared_wake
--@shared shared_enqueue
local now, moved, blocked = now_ms(), 0, {}
read('LLEN', KEYS[3] or KEYS[1])
if redis.call('ZCARD', KEYS[1]) == 0 then
  return {0, blocked}
end
may('RPUSH', KEYS[2] or KEYS[1], KEYS[1])
may('ZADD', KEYS[1], KEYS[1])
-- A write that changes nothing: after it a full server lets the rest pass.
redis.call('ZREM', KEYS[1], '')
for n = 1, #ARGV / 3 do
  local member, handler, entry = ARGV[3 * n - 2], ARGV[3 * n - 1], ARGV[3 * n]
  local queue, list = KEYS[2 * n], KEYS[2 * n + 1]
  local due = redis.call('ZSCORE', KEYS[1], member)
  if due and tonumber(due) <= now then
    if handler == '' then
      redis.call('ZADD', KEYS[1], 'XX', '+inf', member)
      blocked[#blocked + 1] = n
    elseif enqueue('RPUSH', queue, KEYS[1], handler, entry, now) then
      redis.call('ZREM', KEYS[1], member)
      wake(list)
      moved = moved + 1
    else
      blocked[#blocked + 1] = n
    end
  end
end
return {moved, blocked}
