-- Ends jobs that have done their work, and keeps what they returned.
--
-- KEYS  1 leases  2 claims:<worker id>  3 events  4 open, then result:<job> for each job that returned something
-- ARGV  1 worker id  2 seconds to keep results, then for each job: `handler job`, counts of the claim, job,
--       its result's position among the result keys (0 for none), its result
-- Returns for each job 1, or 0 if the worker does not hold it any more.
--@shared shared_holds
--@shared shared_close
local reply = {}
redis.call('HLEN', KEYS[3])
redis.call('HLEN', KEYS[4])
-- A write that changes nothing: after it, a server that is out of memory lets the rest pass, which frees some.
redis.call('HDEL', KEYS[2], '')
for i = 3, #ARGV, 5 do
  local field, counts, job, position, result = ARGV[i], ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3]), ARGV[i + 4]
  if holds(KEYS[1], KEYS[2], ARGV[1], field, counts) then
    if position > 0 then
      redis.call('SET', KEYS[4 + position], result, 'EX', ARGV[2])
    end
    close_job(KEYS[3], KEYS[4], job)
    redis.call('HDEL', KEYS[2], field)
    reply[#reply + 1] = 1
  else
    reply[#reply + 1] = 0
  end
end
return reply
