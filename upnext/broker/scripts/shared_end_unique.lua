-- Stops a job from absorbing sends: from now on a send of an equal value creates another job.
local function end_unique(unique, job)
  local digest = read('HGET', unique, job)
  if digest then
    redis.call('HDEL', unique, job)
    if redis.call('HGET', unique, digest) == job then
      redis.call('HDEL', unique, digest)
    end
  end
end
