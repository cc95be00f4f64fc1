-- Subscribes handlers to an event; the first ever get what was sent before them (route.lua moves it).
--
-- KEYS  1 versions  2 subs:<event>  3 queues  4 unrouted:<event>  5 routes
-- ARGV  1 event  2 a token never used before  3 these handlers as JSON, then each of them, and what it is unique by (JSON,
--       '' for nothing)
-- Returns the handlers (JSON) that waiting events must be routed to, or '' if none wait.
--@shared shared_now
--@shared shared_may
--@shared shared_read
local event, now = ARGV[1], string.format('%.0f', now_ms())
redis.call('HLEN', KEYS[2])
local version, waiting = redis.call('HGET', KEYS[1], event) or '', read('LLEN', KEYS[4]) or 0
local listed = read('SCARD', KEYS[3])
local route = waiting > 0 and redis.call('HGET', KEYS[5], event)
-- A write that changes nothing: after it a full server lets the rest pass.
redis.call('HDEL', KEYS[2], '')
may('HSET', KEYS[2], KEYS[2])
if listed then
  -- Only for status: a handler that is in this set and is not subscribed has no jobs.
  for i = 4, #ARGV, 2 do
    redis.call('SADD', KEYS[3], ARGV[i])
  end
end
local changed = false
for i = 4, #ARGV, 2 do
  if redis.call('HSET', KEYS[2], ARGV[i], now) == 1 then
    changed = true
  end
  if (redis.call('HGET', KEYS[1], ARGV[i]) or '') ~= ARGV[i + 1] then
    changed = true
    if ARGV[i + 1] == '' then
      redis.call('HDEL', KEYS[1], ARGV[i])
    else
      redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    end
  end
end
if changed or version == '' then
  redis.call('HSET', KEYS[1], event, ARGV[2])
end
if waiting == 0 then
  return ''
end
if not route then
  route = ARGV[3]
  redis.call('HSET', KEYS[5], event, route)
end
return route
