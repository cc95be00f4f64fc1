-- Stores events of one name, each with one job for each of its handlers, or none of them.
--
-- KEYS  1 events  2 open  3 sent:<bucket>  4 versions  5 subs:<event>, for a task queues
--       then where the jobs go: unrouted:<event> if there are no handlers, or later if they have to wait, or else
--       queue:<handler> for each handler and wake:<worker> for each of their workers
--       then, if there is an idempotency key, the name that the previous release has for it, if that is another one, and
--       its name
-- ARGV  1 event, '' for a task  2 version of the subscriptions that the handlers are taken from  3 number of handlers
--       4 delay in ms  5 what to remember for the idempotency key, '' without one  6 how what the previous release
--       remembered shows that it is of this event or task, '' if its name for the key is the same
--       then the handlers, if they have to wait or are a task, then for each event its id and its envelope
-- Returns 'ok', or {'same', what was remembered for the key}, or {'stale', version, {handler...}, {what each is unique by}}
--         when the subscriptions have changed. An id that is stored already is not stored again.
--@shared shared_now
--@shared shared_may
--@shared shared_read
local before, unique = 6, nil
--@shared shared_publish
return 'ok'
