-- Reads the jobs at the head of a queue with their envelopes. Writes nothing.
--
-- KEYS  1 events  2 queue:<handler>
-- ARGV  1 how many
-- Returns {entries, envelopes}; none where another program's key is in the queue's place.
--@shared shared_read
local entries, ids = read('LRANGE', KEYS[2], 0, ARGV[1] - 1) or {}, {}
for n, entry in ipairs(entries) do
  ids[n] = string.match(entry, '^([^:]*)%.%d+') or ''
end
return {entries, #ids > 0 and redis.call('HMGET', KEYS[1], unpack(ids)) or {}}
