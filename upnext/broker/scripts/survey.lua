-- Reads what may have to be done: jobs that are due, leases, dead workers' claims. Writes nothing.
--
-- KEYS  1 later  2 leases  3 graves  4 partitions
-- ARGV  1 how many due jobs at the most  2 in how many ms the leases that are read run out: a fleet has very many
-- Returns {now in ms, {due member...}, when the next one is due ('' if none), {worker, end of lease...}, {grave...},
--         how many leases there are, the worker whose lease runs out last ('' if there is none),
--         how many partitions are to be served ('' if that is not noted here)}
--@shared shared_now
local now = string.format('%.0f', now_ms())
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
local following = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
local leases = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now + ARGV[2], 'WITHSCORES')
local last = redis.call('ZRANGE', KEYS[2], -1, -1)[1] or ''
return {now, due, following[2] or '', leases, redis.call('SMEMBERS', KEYS[3]), redis.call('ZCARD', KEYS[2]), last,
  redis.call('HGET', KEYS[4], 'served') or ''}
