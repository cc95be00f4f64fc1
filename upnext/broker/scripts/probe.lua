-- Tries the commands that upnext uses, to find those that this client may not run. Leaves nothing behind.
--
-- KEYS  1 probe
-- ARGV  for each command: the command, how many words follow the key, these words
-- Returns the commands that are refused. No other error is about rights.
local refused = {}
local function try(command, ...)
  local reply = redis.pcall(command, ...)
  local err = type(reply) == 'table' and reply.err
  -- The first is the text since version 7, the second the one before.
  if err and (string.find(err, 'ACL failure', 1, true) or string.find(err, "can't run this command", 1, true)) then
    refused[#refused + 1] = command
  end
end
try('TIME')
-- A write that changes nothing: after it a full server lets the rest pass, so that all of it is tried and taken away.
redis.pcall('HDEL', KEYS[1], '')
local i = 1
while i <= #ARGV do
  local words = tonumber(ARGV[i + 1])
  try(ARGV[i], KEYS[1], unpack(ARGV, i + 2, i + 1 + words))
  i = i + 2 + words
end
return refused
