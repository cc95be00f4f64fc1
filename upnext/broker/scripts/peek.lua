-- Reads the jobs at the head of a queue with their envelopes, as many as fit into one reply. Writes nothing.
--
-- KEYS  1 events  2 queue:<handler>
-- ARGV  1 how many
-- Returns {entries, envelopes}; none where another program's key is in the queue's place.
--@shared shared_read
--@shared shared_envelopes
local entries, ids = read('LRANGE', KEYS[2], 0, ARGV[1] - 1) or {}, {}
for n, entry in ipairs(entries) do
  ids[n] = string.match(entry, '^([^:]*)%.%d+') or ''
end
local envelopes = envelopes_of(KEYS[1], ids)
return {{unpack(entries, 1, #envelopes)}, envelopes}
