-- Gives back the slots of claims that are gone, and has somebody look for jobs that waited for them. What it leaves undone,
-- claim_limited.lua does.
--
-- KEYS  1 claims:<worker id>  2 wake:<worker>, then slots:<handler> for each claim
-- ARGV  for each claim `handler job` and its slot
-- Returns how many slots there were to give back.
--@shared shared_may
--@shared shared_read
--@shared shared_wake
local gone = {}
for n = 1, #ARGV / 2 do
  if read('HEXISTS', KEYS[1], ARGV[2 * n - 1]) ~= 1 and read('ZSCORE', KEYS[2 + n], ARGV[2 * n]) then
    gone[#gone + 1] = n
  end
end
if #gone == 0 then
  return 0
end
read('LLEN', KEYS[2])
local slots = KEYS[2 + gone[1]]
may('ZREM', slots, KEYS[2])
may('RPUSH', KEYS[2], slots)
for _, n in ipairs(gone) do
  redis.call('ZREM', KEYS[2 + n], ARGV[2 * n])
end
wake(KEYS[2])
return #gone
