-- At most one token lies in a wake list: it says "look again", not how much there is. Another program's key in its place
-- delays a worker by a second, and has no other cost.
local function wake(list)
  if read('LLEN', list) == 0 then
    redis.call('RPUSH', list, '1')
  end
end
