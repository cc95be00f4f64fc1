-- Hands jobs to a worker: a fair share of each queue, oldest first, with the attempt counted before user code runs.
--
-- A claim takes from few queues at a time: each of them costs commands, however few of its jobs are taken. A queue that is
-- left out is named first the next time.
--
-- KEYS  1 leases  2 claims:<worker id>  3 events  4 wake:<worker>  5 turn:<worker id>, then queue:<handler>...
-- ARGV  1 worker id  2 how many at the most  3 crashes after which a job's start is marked on its own (start.lua)
--       4 the worker's claim epoch (recount.lua), then the handlers
-- Returns {'lost'} if the worker holds no lease, has begun another epoch, or cannot keep claims, as another program's key
--         is in their place; else {'ok', {jobs left in each queue, -1 where another program's key is in its place}, and for
--         each queue that gave some {its position, {`job attempt:failures:crashes`...}, one digit a job: whether it counts as
--         started}..., and at the end {the jobs' envelopes in this order...}}
--@shared shared_may
--@shared shared_read
--@shared shared_wake
local queues, limits = #KEYS - 5, nil
--@shared shared_may_claim
--@shared shared_claimed
--@shared shared_claim
return reply
