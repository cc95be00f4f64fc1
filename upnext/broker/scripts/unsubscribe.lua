-- Ends a handler's subscription to an event; after the last one, the event is as if no handler had ever connected.
--
-- KEYS  1 versions  2 subs:<event>
-- ARGV  1 event  2 a token never used before  3 handler
-- Returns 1, or 0 if the handler was not subscribed.
redis.call('HLEN', KEYS[1])
if redis.call('HEXISTS', KEYS[2], ARGV[3]) == 0 then
  return 0
end
-- A write that changes nothing: after it a full server lets the rest pass, and the right to it has been tried.
redis.call('HDEL', KEYS[2], '')
-- Both are hashes by now, so that neither write can fail for its key's kind. Senders come first.
redis.call('HSET', KEYS[1], ARGV[1], redis.call('HLEN', KEYS[2]) == 1 and '' or ARGV[2])
redis.call('HDEL', KEYS[2], ARGV[3])
redis.call('HDEL', KEYS[1], ARGV[3])
return 1
