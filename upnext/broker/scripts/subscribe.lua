-- Subscribes handlers to an event; the first ever get what was sent before them (route.lua moves it).
--
-- KEYS  1 versions  2 subs:<event>  3 queues  4 unrouted:<event>  5 routes
-- ARGV  1 event  2 a token never used before  3 these handlers as JSON, then each of them
-- Returns the handlers (JSON) that waiting events must be routed to, or '' if none wait.
--@shared shared_now
local event, now = ARGV[1], string.format('%.0f', now_ms())
redis.call('SCARD', KEYS[3])
redis.call('HLEN', KEYS[5])
local changed = false
for i = 4, #ARGV do
  if redis.call('HSET', KEYS[2], ARGV[i], now) == 1 then
    changed = true
  end
  redis.call('SADD', KEYS[3], ARGV[i])
end
if changed or (redis.call('HGET', KEYS[1], event) or '') == '' then
  redis.call('HSET', KEYS[1], event, ARGV[2])
end
if redis.call('LLEN', KEYS[4]) == 0 then
  return ''
end
redis.call('HSETNX', KEYS[5], event, ARGV[3])
return redis.call('HGET', KEYS[5], event)
