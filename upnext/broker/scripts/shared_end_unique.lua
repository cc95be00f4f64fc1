-- Lets a job stand for no further sends: from now on one of an equal value makes a job of its own.
local function end_unique(unique, job)
  local digest = read('HGET', unique, job)
  if digest then
    redis.call('HDEL', unique, job)
    if redis.call('HGET', unique, digest) == job then
      redis.call('HDEL', unique, digest)
    end
  end
end
