-- Puts a job into its handler's queue. Where another program has put something else in the queue's place, the job is put
-- off for a minute, so that nothing is stuck behind it. Returns whether it is in the queue.
local BLOCKED_QUEUE_MS = 60000
local function enqueue(push, queue, scheduled, handler, entry, now)
  if read('LLEN', queue) then
    redis.call(push, queue, entry)
    return true
  end
  redis.call('ZADD', scheduled, string.format('%.0f', now + BLOCKED_QUEUE_MS), handler .. ' ' .. entry)
  return false
end
