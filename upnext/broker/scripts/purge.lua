-- Deletes dead letters for good; an event goes with its last job.
--
-- KEYS  1 dead  2 dead:index  3 events  4 open
-- ARGV  jobs
-- Returns for each job 1, or 0 if it is not a dead letter.
--@shared shared_close_job
--@shared shared_may

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
