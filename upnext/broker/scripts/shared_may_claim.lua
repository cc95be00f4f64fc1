-- Ends a script that claims, unless the worker holds a lease, can keep claims, and is still in the epoch of ARGV 4.
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) or not read('HLEN', KEYS[2]) then
  return {'lost'}
end
local epoch = read('GET', KEYS[5])
if epoch == nil or (tonumber(epoch or '0') or 0) > tonumber(ARGV[4]) then
  return {'lost'} -- an answer that the worker has given up waiting for: it would never hear of these jobs
end
