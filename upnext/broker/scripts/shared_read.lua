-- Reads a key in whose place another program may have put something of another kind: nil then. Other errors are raised.
local function read(command, key, ...)
  local reply = redis.pcall(command, key, ...)
  if type(reply) == 'table' and reply.err then
    if string.find(reply.err, 'WRONGTYPE', 1, true) then
      return nil
    end
    error(reply.err, 0)
  end
  return reply
end
