"""The names of all keys upnext keeps on the server; `docs/protocol.md` describes what each one holds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one partition of a namespace; they share one hash tag, so that they live on one cluster node.

    Attributes:
        namespace: The namespace.
        partition: Its partition, from 0.
    """

    namespace: str
    partition: int = 0

    def _key(self, name: str) -> str:
        return f"upnext:{{{self.namespace}:{self.partition}}}:{name}"

    @property
    def events(self) -> str:
        """Hash: event id -> envelope; as long as one of its jobs is open or dead."""
        return self._key("events")

    @property
    def open(self) -> str:
        """Hash: event id -> one digit per job, 1 while it is open; only for events of more than one job."""
        return self._key("open")

    @property
    def scheduled(self) -> str:
        """Sorted set: `handler entry` by the time it is due, in ms."""
        return self._key("later")

    @property
    def versions(self) -> str:
        """Hash: event -> a token that changes with its subscriptions, "" if it never had any; handler -> `unique`."""
        return self._key("versions")

    @property
    def routes(self) -> str:
        """Hash: event -> the handlers that its unrouted events go to (JSON)."""
        return self._key("routes")

    @property
    def queues(self) -> str:
        """Set of every handler and task that ever connected, or had a queue."""
        return self._key("queues")

    @property
    def outboxes(self) -> str:
        """Hash, in the first of several: outbox -> how far behind it was when its relay last looked (JSON); expires."""
        return self._key("outboxes")

    @property
    def leases(self) -> str:
        """Sorted set: worker id by the end of its lease, in ms."""
        return self._key("leases")

    @property
    def workers(self) -> str:
        """Hash: worker id -> what it told of itself (JSON)."""
        return self._key("workers")

    @property
    def dead_workers(self) -> str:
        """Set of dead workers whose claims are not all reclaimed yet."""
        return self._key("graves")

    @property
    def dead(self) -> str:
        """Hash: job id -> dead letter (JSON)."""
        return self._key("dead")

    @property
    def dead_index(self) -> str:
        """Sorted set: job id of a dead letter by the time of its death, in ms."""
        return self._key("dead:index")

    @property
    def partitions(self) -> str:
        """Hash, in the first of several: `served` -> how many; a number that senders use -> since when, in ms."""
        return self._key("partitions")

    @property
    def paused(self) -> str:
        """Hash, in the first of several: handler -> since when it has been paused, in ms."""
        return self._key("paused")

    @property
    def schedules(self) -> str:
        """Hash, in the first of several: the handler of a schedule -> what it is and was (JSON)."""
        return self._key("schedules")

    @property
    def ticks(self) -> str:
        """Sorted set, in the first of several: the handler of a schedule by the latest tick that it ran for, in ms."""
        return self._key("ticks")

    def contracts(self, digest: str) -> str:
        """String, in the first of several: the contracts of a worker's handlers (JSON), by their digest; expires."""
        return self._key(f"contracts:{digest}")

    @property
    def probe(self) -> str:
        """Nothing: commands are tried on it when a worker starts."""
        return self._key("probe")

    def subscriptions(self, event: str) -> str:
        """Hash: handler -> when a worker last connected with it, in ms."""
        return self._key(f"subs:{event}")

    def unrouted(self, event: str) -> str:
        """List: `event-id due-ms` of events sent before the first handler ever connected."""
        return self._key(f"unrouted:{event}")

    def routed(self, event_id: str) -> str:
        """String: the handlers (JSON) that an unrouted event went to; expires."""
        return self._key(f"routed:{event_id}")

    def queue(self, handler: str) -> str:
        """List of entries, oldest first."""
        return self._key(f"queue:{handler}")

    def slots(self, handler: str) -> str:
        """Sorted set: `worker-id job-id` of claims that count against a handler's limit, by the last look at them."""
        return self._key(f"slots:{handler}")

    def starts(self, handler: str) -> str:
        """Sorted set: `job-id counts` of what a handler's rate counts, by the time it was claimed, in ms; expires."""
        return self._key(f"starts:{handler}")

    def taken(self, handler: str) -> str:
        """Sorted set, by name: `value worker-id job-id` of claims that count against a handler's limit by value."""
        return self._key(f"taken:{handler}")

    def begun(self, handler: str) -> str:
        """Sorted set, by name: `value ms job-id counts` of what a handler's rate by value counts; expires."""
        return self._key(f"begun:{handler}")

    def line(self, handler: str) -> str:
        """Sorted set, by name: `value entry` of jobs put off to `later`, as their value has no room; expires."""
        return self._key(f"line:{handler}")

    def unique(self, handler: str) -> str:
        """Hash: digest of a value -> the job of a unique handler that waits with it; that job -> digest; expires."""
        return self._key(f"unique:{handler}")

    def joined(self, event_id: str) -> str:
        """Hash: number of a job that was not made, or was replayed under another id -> what stands for it; expires."""
        return self._key(f"joined:{event_id}")

    def wake(self, worker: str) -> str:
        """List: at most one token, for a worker that waits."""
        return self._key(f"wake:{worker}")

    def claims(self, worker_id: str) -> str:
        """Hash: `handler job-id` -> `attempt:failures:crashes:started` of what a worker holds."""
        return self._key(f"claims:{worker_id}")

    def claim_epoch(self, worker_id: str) -> str:
        """String: the epoch of a worker's claims, once an answer to a claim was lost; expires."""
        return self._key(f"turn:{worker_id}")

    def sent(self, bucket: str) -> str:
        """Set of event ids stored lately, so that a send repeated after a lost reply is stored once; expires."""
        return self._key(f"sent:{bucket}")

    def idempotency(self, event: str, key: str) -> str:
        """String: the event id and jobs (JSON) that a key was first used for; expires."""
        return self._key(f"key:{event}:{key}")

    def exact_idempotency(self, event: str, key: str) -> str:
        """String: the same where the event, the task or the key has a colon, after the length of the name; expires."""
        return self._key(f"key:{len(event)}:{event}:{key}")

    def result(self, job_id: str) -> str:
        """String: what a job returned (JSON), unless that is null; expires."""
        return self._key(f"result:{job_id}")

    def failure(self, job_id: str) -> str:
        """String: the last failure of a job that waits for its retry (JSON, without its traceback); expires."""
        return self._key(f"failure:{job_id}")

    def traceback(self, digest: str) -> str:
        """String: a traceback of such failures, stored once however many jobs failed alike; expires."""
        return self._key(f"traceback:{digest}")

    def django_task(self, job_id: str) -> str:
        """String: what a task of Django's is and how far it came (JSON), once a worker has begun it; expires."""
        return self._key(f"django:{job_id}")

    def ended(self, bucket: str) -> str:
        """Set of marks (numbers) of jobs that ended, for the events of sixteen milliseconds; expires."""
        return self._key(f"ended:{bucket}")

    @property
    def unmarked(self) -> str:
        """String: there while workers live, or lived lately, of a release that marks no job that ended; expires."""
        return self._key("unmarked")
