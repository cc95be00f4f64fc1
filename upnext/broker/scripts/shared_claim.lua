-- Claims jobs of `queues` queues, as claim.lua says, into `reply`. `limits` is nil, or says how many may be taken of some of
-- them, and writes down which were, before their claims are.
local MOST_QUEUES = 16
local left, suspect = tonumber(ARGV[2]), tonumber(ARGV[3])
local lengths, take, waiting = {}, {}, 0
for i = 1, queues do
  lengths[i] = read('LLEN', KEYS[5 + i]) or -1
  if limits and limits.room[i] and lengths[i] > limits.room[i] then
    lengths[i] = limits.room[i]
  end
  take[i] = 0
  if lengths[i] > 0 then
    waiting = waiting + 1
  end
end
while left > 0 and waiting > 0 do
  local share = math.max(1, math.floor(left / math.min(waiting, MOST_QUEUES)))
  waiting = 0
  for i = 1, queues do
    local n = math.max(0, math.min(share, lengths[i] - take[i], left))
    take[i] = take[i] + n
    left = left - n
    if take[i] < lengths[i] then
      waiting = waiting + 1
    end
  end
end

local reply, more, ids, claims, heads = {'ok', lengths}, false, {}, {}, {}
for i = 1, queues do
  if take[i] > 0 then
    heads[i] = redis.call('LRANGE', KEYS[5 + i], 0, take[i] - 1)
    for _, entry in ipairs(heads[i]) do
      ids[#ids + 1] = string.match(entry, '^([^:]*)%.%d+') or ''
    end
  end
end
local envelopes = envelopes_of(KEYS[3], ids)
left = #envelopes
for i = 1, queues do
  take[i] = math.min(take[i], left)
  left = left - take[i]
  if take[i] > 0 then
    local entries, started, prefix = {}, {}, ARGV[4 + i] .. ' '
    for n = 1, take[i] do
      local job, counts, begun = claimed(heads[i][n], suspect)
      claims[#claims + 1] = prefix .. job
      claims[#claims + 1] = counts .. ':' .. begun
      entries[n] = job .. ' ' .. counts
      started[n] = begun
    end
    reply[#reply + 1] = {i - 1, entries, table.concat(started)}
  end
end
if #envelopes > 0 then
  read('LLEN', KEYS[4])
  may('LTRIM', KEYS[6], KEYS[1])
  may('RPUSH', KEYS[4], KEYS[1])
  -- A write that changes nothing: after it a full server lets the rest pass.
  redis.call('HDEL', KEYS[2], '')
  if limits then
    limits.keep(reply)
  end
  redis.call('HSET', KEYS[2], unpack(claims))
  reply[#reply + 1] = envelopes
end
for i = 1, queues do
  if take[i] > 0 then
    redis.call('LTRIM', KEYS[5 + i], take[i], -1)
    lengths[i] = lengths[i] - take[i]
  end
  more = more or lengths[i] > 0
end
if more then
  wake(KEYS[4])
end
