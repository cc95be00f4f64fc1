-- Lists what a worker holds, in a new claim epoch: claims of an earlier epoch that may still be on their way no longer take
-- anything.
--
-- KEYS  1 turn:<worker id>  2 claims:<worker id>
-- ARGV  1 number of the epoch  2 seconds to remember it
-- Returns each claim and its value.
--@shared shared_read
local held = read('HGETALL', KEYS[2])
if tonumber(ARGV[1]) > (tonumber(read('GET', KEYS[1]) or '0') or 0) then
  -- A write that changes nothing: after it a full server lets the rest pass.
  if held then
    redis.call('HDEL', KEYS[2], '')
  end
  redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
end
return held or {}
