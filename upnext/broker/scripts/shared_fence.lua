-- Whether a worker still holds a claim in the very state that it believes it in: owner and counts are the fence.
local function holds(leases, claims, worker, field, counts)
  if not redis.call('ZSCORE', leases, worker) then
    return false
  end
  local held = read('HGET', claims, field)
  return held and string.sub(held, 1, #counts + 1) == counts .. ':'
end
