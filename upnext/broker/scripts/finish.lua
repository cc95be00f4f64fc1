-- Ends successful jobs, marks them as ended, and stores their results. The last job of an event removes the event.
--
-- KEYS  1 leases  2 claims:<worker id>  3 events  4 open, then ended:<bucket> for each set of marks, then result:<job> for
--       each job that returned something
-- ARGV  1 worker id  2 seconds to keep results and marks  3 number of jobs  4 number of sets of marks
--       then `handler job` of each job, the counts of each claim, the mark of each job ('' if it has none), for each set of
--       marks the number of its last job, and for each result key its job's number and the result
-- Returns for each job 1, or 0 if the worker no longer holds it.
--@shared shared_may
--@shared shared_read
local count, sets, reply = tonumber(ARGV[3]), tonumber(ARGV[4]), {}
local before_counts, before_marks, before_sets = 4 + count, 4 + 2 * count, 4 + 3 * count
for n = 1, count do
  reply[n] = 0
end
redis.call('HLEN', KEYS[3])
redis.call('HLEN', KEYS[4])
local held = redis.call('ZSCORE', KEYS[1], ARGV[1]) and read('HMGET', KEYS[2], unpack(ARGV, 5, 4 + count))
if not held then
  return reply
end
if #KEYS > 4 + sets then
  may('SET', KEYS[#KEYS], KEYS[1])
end
if sets > 0 then
  may('SADD', KEYS[5], KEYS[1])
  may('EXPIRE', KEYS[5], KEYS[1])
end
may('HSET', KEYS[4], KEYS[1])
-- A write that changes nothing: after it a full server lets the rest pass, which frees memory.
redis.call('HDEL', KEYS[2], '')
-- As in shared_fence for one job: the claim must be in exactly the state that the worker expects.
local done, ids, fences, seen = {}, {}, {}, {}
for n = 1, count do
  local field, counts = ARGV[4 + n], ARGV[before_counts + n]
  local fence = fences[counts]
  if not fence then
    fence = counts .. ':'
    fences[counts] = fence
  end
  if held[n] and not seen[field] and string.sub(held[n], 1, #fence) == fence then
    seen[field] = true
    reply[n] = 1
    done[#done + 1] = field
    ids[#done] = string.match(field, '^%S+ (%S+)%.%d+$') or ''
  end
end
if #done == 0 then
  return reply
end
local first = 1
for k = 1, sets do
  local last, marks = tonumber(ARGV[before_sets + k]), {}
  for n = first, last do
    local mark = ARGV[before_marks + n]
    if reply[n] == 1 and mark ~= '' then
      marks[#marks + 1] = mark
    end
  end
  first = last + 1
  -- Another program's key in the way costs the mark, and not the job.
  if #marks > 0 and type(redis.pcall('SADD', KEYS[4 + k], unpack(marks))) == 'number' then
    redis.call('EXPIRE', KEYS[4 + k], ARGV[2])
  end
end
local at = before_sets + sets + 1
for k = 5 + sets, #KEYS do
  if reply[tonumber(ARGV[at])] == 1 then
    redis.call('SET', KEYS[k], ARGV[at + 1], 'EX', ARGV[2])
  end
  at = at + 2
end

-- What is known of an event with several jobs: one digit per job, 1 while it is open.
local opened, digits, over, closed = redis.call('HMGET', KEYS[4], unpack(ids)), {}, {}, {}
for n, id in ipairs(ids) do
  local now = digits[id] or opened[n]
  if now then
    local at = (tonumber(string.match(done[n], '%d+$')) or 0) + 1
    digits[id] = string.sub(now, 1, at - 1) .. '0' .. string.sub(now, at + 1)
  else
    over[#over + 1] = id
  end
end
for id, now in pairs(digits) do
  if string.find(now, '1', 1, true) then
    redis.call('HSET', KEYS[4], id, now)
  else
    over[#over + 1] = id
    closed[#closed + 1] = id
  end
end
if #over > 0 then
  redis.call('HDEL', KEYS[3], unpack(over))
end
if #closed > 0 then
  redis.call('HDEL', KEYS[4], unpack(closed))
end
redis.call('HDEL', KEYS[2], unpack(done))
return reply
