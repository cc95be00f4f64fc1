-- Returns the server's error if this client may not run a command on a key, else nil. A script is not rolled back, so every
-- right is tried before the first write. Redis 6.2 cannot be asked: there the command is run on `holder`, a key that holds
-- something of another kind, with words that change nothing.
local check = redis.acl_check_cmd
local function refusal(command, key, holder)
  local reply
  if not check then
    -- Made here: elsewhere every run of every script would make it.
    local HARMLESS = {
      EXPIRE = {'x'}, HDEL = {''}, HSET = {'', '', ''}, LPUSH = {''}, LTRIM = {'0', '-1'}, RPUSH = {''}, SADD = {''},
      SET = {'', 'NX', 'XX'}, SREM = {''}, ZADD = {'NX', 'XX', '0', ''}, ZREM = {''},
    }
    reply = redis.pcall(command, holder, unpack(HARMLESS[command]))
  elseif not check(command, key, '', '') then
    reply = redis.pcall(command, key, '', '') -- it is refused, in the server's own words
  end
  local err = type(reply) == 'table' and reply.err
  -- The first is the text since version 7, the second the one before.
  if err and (string.find(err, 'ACL failure', 1, true) or string.find(err, "can't run this command", 1, true)) then
    return err
  end
end
local function may(command, key, holder)
  local err = not (check and check(command, key, '', '')) and refusal(command, key, holder)
  if err then
    error(err, 0)
  end
end
