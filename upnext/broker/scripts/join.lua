-- Gives a worker its lease; without one it can claim nothing.
--
-- KEYS  1 leases  2 workers
-- ARGV  1 worker id  2 lease in ms  3 the worker's metadata (JSON)
-- Returns 1, or 0 if another program's key keeps the metadata from being stored; the lease is stored all the same.
--@shared shared_now
--@shared shared_may
--@shared shared_read
redis.call('ZCARD', KEYS[1])
local now = now_ms()
local described = read('HLEN', KEYS[2]) and 1 or 0
may('ZADD', KEYS[1], KEYS[2])
-- A write that changes nothing: after it a full server lets the rest pass.
redis.call('ZREM', KEYS[1], '')
if described == 1 then
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
end
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), ARGV[1])
return described
