-- Reads the states of the jobs of one event. Writes nothing.
--
-- KEYS  1 events  2 open  3 dead  4 routed:<event id>, then result:<job> for each job
-- ARGV  1 event id, then the jobs
-- Returns {handlers (JSON) of an event that was routed late, or '' , '?' while it still waits for its first handler}
--         and for each job {'done', result}, {'dead', dead letter}, {'open'}, or {'ended'} if there is no trace of it.
--@shared shared_read
local stored = redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1
local digits = redis.call('HGET', KEYS[2], ARGV[1])
local late = redis.call('GET', KEYS[4]) or ''
if digits == '?' then
  late = '?'
end
local reply = {late}
for n = 2, #ARGV do
  local job = ARGV[n]
  local result, letter = redis.call('GET', KEYS[3 + n]), read('HGET', KEYS[3], job)
  local at = tonumber(string.match(job, '%.(%d+)$')) + 1
  if letter then
    reply[n] = {'dead', letter}
  elseif stored and (not digits or digits == '?' or string.sub(digits, at, at) == '1') then
    reply[n] = {'open'}
  elseif result then
    reply[n] = {'done', result}
  else
    reply[n] = {'ended'}
  end
end
return reply
