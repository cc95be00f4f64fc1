-- Reads, at one moment, whether anything is left to do. Writes nothing.
--
-- KEYS  1 queues  2 leases  3 graves  4 later, then claims:<worker id> for each worker and queue:<handler> for each handler
-- ARGV  1 number of workers
-- Returns {how many handlers, living and dead workers there are, jobs that are put off, jobs that wait or are claimed}
local workers, open = tonumber(ARGV[1]), 0
for i = 5, #KEYS do
  open = open + redis.call(i <= 4 + workers and 'HLEN' or 'LLEN', KEYS[i])
end
local known = redis.call('ZCARD', KEYS[2]) + redis.call('SCARD', KEYS[3])
return {redis.call('SCARD', KEYS[1]), known, redis.call('ZCARD', KEYS[4]), open}
