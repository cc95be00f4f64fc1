-- Reads what maintenance may have to do: due jobs, leases, claims of dead workers. Writes nothing.
--
-- KEYS  1 later  2 leases  3 graves  4 partitions
-- ARGV  1 how many due jobs at most  2 in how many ms the leases that are read run out: a fleet has very many
--       3 how many leases at most  4 where the last survey ended among the dead workers  5 after how many ms the leases
--       end that are read as well: none ends so late, unless the clock was set back since it was renewed
-- Returns {now in ms, {due member...}, when the next one is due ('' if none), {worker, end of lease...},
--         {some dead workers...}, where to go on among them, how many leases there are, the worker whose lease runs out last
--         ('' if there is none), how many partitions are to be served ('' if that is not noted here),
--         {the numbers of KEYS that are another program's...}}
--@shared shared_now
--@shared shared_read
local now, foreign = string.format('%.0f', now_ms()), {}
for n, command in ipairs({'ZCARD', 'ZCARD', 'SCARD', 'HLEN'}) do
  if not read(command, KEYS[n]) then
    foreign[#foreign + 1] = n
  end
end
local due = read('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1]) or {}
local following = read('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf', 'WITHSCORES', 'LIMIT', 0, 1) or {}
local leases = read('ZRANGEBYSCORE', KEYS[2], '-inf', now + ARGV[2], 'WITHSCORES', 'LIMIT', 0, ARGV[3]) or {}
local late = read('ZRANGEBYSCORE', KEYS[2], string.format('(%.0f', now + ARGV[5]), '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[3])
for _, part in ipairs(late or {}) do
  leases[#leases + 1] = part
end
local last = (read('ZRANGE', KEYS[2], -1, -1) or {})[1] or ''
local dead = read('SSCAN', KEYS[3], ARGV[4], 'COUNT', 100) or {'0', {}}
return {now, due, following[2] or '', leases, dead[2], dead[1], read('ZCARD', KEYS[2]) or 0, last,
  read('HGET', KEYS[4], 'served') or '', foreign}
