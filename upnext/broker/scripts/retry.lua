-- Puts a failed job back, to be run again later.
--
-- KEYS  1 leases  2 claims:<worker id>  3 later  4 queue:<handler>  5 wake:<worker>
--       then, to keep why it failed, failure:<job> and traceback:<digest>
-- ARGV  1 worker id  2 `handler job`  3 counts of the claim  4 new entry  5 delay in ms  6 handler
--       then the failure (JSON), its traceback ('' for none) and the seconds to keep both
-- Returns 1, or 0 if the worker does not hold the job any more.
--@shared shared_now
--@shared shared_may
--@shared shared_read
--@shared shared_wake
--@shared shared_enqueue
--@shared shared_fence
if not holds(KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3]) then
  return 0
end
read('LLEN', KEYS[5])
local now = now_ms()
may('RPUSH', KEYS[4], KEYS[1])
may('ZADD', KEYS[3], KEYS[2])
if KEYS[6] then
  may('SET', KEYS[6], KEYS[1])
end
-- A write that changes nothing: after it a full server lets the rest pass.
redis.call('HDEL', KEYS[2], '')
local delay = tonumber(ARGV[5])
if delay > 0 then
  redis.call('ZADD', KEYS[3], string.format('%.0f', now + delay), ARGV[6] .. ' ' .. ARGV[4])
elseif enqueue('RPUSH', KEYS[4], KEYS[3], ARGV[6], ARGV[4], now) then
  wake(KEYS[5])
end
if KEYS[6] then
  redis.call('SET', KEYS[6], ARGV[7], 'EX', ARGV[9])
  if ARGV[8] ~= '' then
    redis.call('SET', KEYS[7], ARGV[8], 'EX', ARGV[9])
  end
end
redis.call('HDEL', KEYS[2], ARGV[2])
return 1
