-- Returns the slots of claims that are gone, and wakes a worker for jobs that waited for them. claim_limited.lua does what
-- it leaves undone.
--
-- KEYS  1 claims:<worker id>  2 wake:<worker>, then slots:<handler> of each handler
-- ARGV  1 worker id, then for each handler its identity, how many jobs, and the jobs
-- Returns how many slots there were to give back.
--@shared shared_may
--@shared shared_read
--@shared shared_wake
local gone, at = {}, 2
for key = 3, #KEYS do
  local last, fields, slots = at + 1 + ARGV[at + 1], {}, {}
  for n = at + 2, last do
    fields[#fields + 1] = ARGV[at] .. ' ' .. ARGV[n]
  end
  for n, claim in ipairs(read('HMGET', KEYS[1], unpack(fields)) or {}) do
    if not claim then
      slots[#slots + 1] = ARGV[1] .. ' ' .. ARGV[at + 1 + n]
    end
  end
  if #slots > 0 and (read('ZCARD', KEYS[key]) or 0) > 0 then
    gone[key] = slots
  end
  at = last + 1
end
local first = next(gone)
if not first then
  return 0
end
read('LLEN', KEYS[2])
may('ZREM', KEYS[first], KEYS[2])
may('RPUSH', KEYS[2], KEYS[first])
local freed = 0
for key, slots in pairs(gone) do
  freed = freed + redis.call('ZREM', KEYS[key], unpack(slots))
end
if freed > 0 then
  wake(KEYS[2])
end
return freed
