-- Lists what a worker holds, in a new turn: its claims of an earlier one, which may still be on their way, take nothing
-- any more.
--
-- KEYS  1 turn:<worker id>  2 claims:<worker id>
-- ARGV  1 number of the turn  2 seconds to remember it
-- Returns each claim and its value.
redis.call('HLEN', KEYS[2])
if tonumber(ARGV[1]) > (tonumber(redis.call('GET', KEYS[1]) or '0') or 0) then
  redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
end
return redis.call('HGETALL', KEYS[2])
