-- At most one token lies in a wake list: it says "look again", not how much there is. Another program's key in its place
-- costs a worker a second, and nobody anything else.
local function wake(list)
  if read('LLEN', list) == 0 then
    redis.call('RPUSH', list, '1')
  end
end
