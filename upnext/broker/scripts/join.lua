-- Gives a worker its lease; without one it can claim nothing.
--
-- KEYS  1 leases  2 workers
-- ARGV  1 worker id  2 lease in ms  3 what the worker tells of itself (JSON)
--@shared shared_now
redis.call('ZCARD', KEYS[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
redis.call('ZADD', KEYS[1], string.format('%.0f', now_ms() + ARGV[2]), ARGV[1])
return 1
