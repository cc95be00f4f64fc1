-- At most one token lies in a wake list: it says "look again", not how much there is.
local function wake(list)
  if redis.call('LLEN', list) == 0 then
    redis.call('RPUSH', list, '1')
  end
end
