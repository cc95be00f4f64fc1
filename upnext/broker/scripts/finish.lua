-- Ends jobs that have done their work, marks them as ended, and keeps what they returned. The last job of an event takes
-- it along.
--
-- KEYS  1 leases  2 claims:<worker id>  3 events  4 open, then result:<job> for each job that returned something, then
--       ended:<bucket> for the marks
-- ARGV  1 worker id  2 seconds to keep results and marks  3 number of jobs  4 number of results
--       then for each job `handler job` and the counts of its claim, then for each result key its job's number and the
--       result, then for each set of marks how many there are, and for each of them its job's number and the mark
-- Returns for each job 1, or 0 if the worker does not hold it any more.
--@shared shared_may
--@shared shared_read
local count, results, reply, fields = tonumber(ARGV[3]), tonumber(ARGV[4]), {}, {}
for n = 1, count do
  fields[n] = ARGV[2 * n + 3]
  reply[n] = 0
end
redis.call('HLEN', KEYS[3])
redis.call('HLEN', KEYS[4])
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) or not read('HLEN', KEYS[2]) then
  return reply
end
if results > 0 then
  may('SET', KEYS[5], KEYS[1])
end
if #KEYS > 4 + results then
  may('SADD', KEYS[5 + results], KEYS[1])
  may('EXPIRE', KEYS[5 + results], KEYS[1])
end
may('HSET', KEYS[4], KEYS[1])
-- A write that changes nothing: after it a full server lets the rest pass, which frees memory.
redis.call('HDEL', KEYS[2], '')
-- As shared_fence has it for one: the claim must stand in the very state that the worker believes it in.
local held, done, seen = redis.call('HMGET', KEYS[2], unpack(fields)), {}, {}
for n, field in ipairs(fields) do
  local counts = ARGV[2 * n + 4] .. ':'
  if held[n] and not seen[field] and string.sub(held[n], 1, #counts) == counts then
    seen[field] = true
    reply[n] = 1
    done[#done + 1] = field
  end
end
if #done == 0 then
  return reply
end
local at = 5 + 2 * count
for k = 5, 4 + results do
  if reply[tonumber(ARGV[at])] == 1 then
    redis.call('SET', KEYS[k], ARGV[at + 1], 'EX', ARGV[2])
  end
  at = at + 2
end
for k = 5 + results, #KEYS do
  local marks, last = {}, at + 2 * tonumber(ARGV[at])
  for i = at + 1, last, 2 do
    if reply[tonumber(ARGV[i])] == 1 then
      marks[#marks + 1] = ARGV[i + 1]
    end
  end
  at = last + 1
  -- Another program's key in the way costs the mark, and not the job.
  if #marks > 0 and type(redis.pcall('SADD', KEYS[k], unpack(marks))) == 'number' then
    redis.call('EXPIRE', KEYS[k], ARGV[2])
  end
end

local ids, positions = {}, {}
for n, field in ipairs(done) do
  local id, position = string.match(field, '^%S+ (%S+)%.(%d+)$')
  ids[n], positions[n] = id or '', position or 0
end
-- What is known of an event with several jobs: one digit a job, 1 while it is open.
local opened, digits, over, closed = redis.call('HMGET', KEYS[4], unpack(ids)), {}, {}, {}
for n, id in ipairs(ids) do
  local now = digits[id] or opened[n]
  if now then
    local at = tonumber(positions[n]) + 1
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
