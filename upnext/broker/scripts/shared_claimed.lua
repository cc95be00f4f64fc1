-- What a claim makes of an entry in a queue: the job, its counts with the attempt that begins, and one digit: whether the job
-- counts as started, which one that `suspect` workers died under does not, until start.lua says so.
local function claimed(entry, suspect)
  if not string.find(entry, ':', 1, true) then
    return entry, '1:0:0', '1'
  end
  local job, attempt, rest, crashes = string.match(entry, '^([^:]+):(%d+)(:%d+:(%d+))$')
  -- Numbers that long are another program's, and Lua would not count on from them.
  if job and #attempt < 10 and #rest < 21 then
    return job, (attempt + 1) .. rest, tonumber(crashes) < suspect and '1' or '0'
  end
  return entry, '1:0:0', '1'
end
