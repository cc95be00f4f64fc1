"""The small texts in which jobs are kept on the server, and their ids."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace

from upnext.limits import MAX_PARTITIONS

_ENVELOPE_HEAD = b"1\n"  # its version
_BUCKET_DIGITS = 9  # of an id; those that are left out are four seconds


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A job in a queue.

    Attributes:
        job_id: `event id.position among the event's jobs`.
        attempt: How often it was started.
        failures: How often it failed.
        crashes: How often its worker died under it.
    """

    job_id: str
    attempt: int = 0
    failures: int = 0
    crashes: int = 0

    @property
    def event_id(self) -> str:
        """The event (or submission) that the job belongs to."""
        return self.job_id.rpartition(".")[0]

    def __str__(self) -> str:
        """Write it as it stands in queues; a job that never ran is its id alone."""
        if self.attempt or self.failures or self.crashes:
            return f"{self.job_id}:{self.attempt}:{self.failures}:{self.crashes}"
        return self.job_id

    def failed(self) -> QueueEntry:
        """The same job after one more failure."""
        return replace(self, failures=self.failures + 1)

    def crashed(self) -> QueueEntry:
        """The same job after its worker died under it."""
        return replace(self, crashes=self.crashes + 1)

    def afresh(self) -> QueueEntry:
        """The same job with both budgets full again, for a replay."""
        return replace(self, failures=0, crashes=0)


def new_event_id(partition: int = 0) -> str:
    """Return a new id: 12 hex digits of time in ms, then 16 random ones, so that ids sort by their age.

    One of another partition than the first says so in its end: `-partition`.
    """
    event_id = f"{time.time_ns() // 1_000_000:012x}{os.urandom(8).hex()}"
    return f"{event_id}-{partition}" if partition else event_id


def partition_of(event_or_job_id: str) -> int:
    """Return the partition of an event or a job; the first for an id of another kind."""
    number = event_or_job_id.partition("-")[2].partition(".")[0]
    is_number = len(number) <= len(str(MAX_PARTITIONS)) and number.isascii() and number.isdecimal()
    return int(number) if is_number and int(number) < MAX_PARTITIONS else 0


def sent_at(event_or_job_id: str) -> float | None:
    """Return when something was sent, in seconds since 1970 by its sender's clock; None for an id of another kind."""
    try:
        return int(event_or_job_id[:12], 16) / 1000
    except ValueError:
        return None


def age_of(event_id: str) -> float:
    """Return the seconds since an event was sent, by this machine's clock."""
    return time.time() - int(event_id[:12], 16) / 1000


def bucket_of(event_id: str) -> str:
    """Return the set of recent sends that an id belongs to: the same for every repetition of a send."""
    return event_id[:_BUCKET_DIGITS]


def pack(body: bytes) -> bytes:
    """Return the envelope of a payload: a line of our own, then the payload's JSON."""
    return _ENVELOPE_HEAD + body


def unpack(envelope: bytes) -> bytes | None:
    """Return the payload's JSON, or None for an envelope of a version that this library does not know."""
    return envelope[len(_ENVELOPE_HEAD) :] if envelope.startswith(_ENVELOPE_HEAD) else None
