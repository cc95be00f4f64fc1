-- Reads the envelopes of jobs in their order: the first, and as many more as one answer may hold. Larger ones would keep
-- all these jobs from being started until the last byte is there, and a server that limits what it keeps for a client
-- closes the connection. Few are read at first, and then as many as may fit, but never many more than were read so far: of
-- what does not fit, little is read in vain.
local MOST_BYTES, FEW = 1000000, 4
local function envelopes_of(events, ids)
  local found, bytes, size = {}, 0, FEW
  while #found < #ids do
    local first = #found + 1
    for n, envelope in ipairs(redis.call('HMGET', events, unpack(ids, first, math.min(first + size - 1, #ids)))) do
      local length = envelope and #envelope or 0
      if bytes + length > MOST_BYTES and #found > 0 then
        return found
      end
      found[#found + 1], bytes = envelope, bytes + length
    end
    size = math.max(1, math.min(4 * size, math.floor((MOST_BYTES - bytes) * #found / (bytes + 1))))
  end
  return found
end
