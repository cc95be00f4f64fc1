"""Job ids, and the short texts in which the server keeps jobs."""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from upnext.broker.replies import read_json
from upnext.limits import MAX_PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

_ENVELOPE_HEAD = b"1\n"  # its version
_HEADERS_HEAD = b"2\n"  # the version with a line of headers
_OUTBOX_DIGITS = "0b0c"  # the last ones of ids that are made for an outbox
_is_job_id = re.compile(r"[0-9a-f]{28}(-\d{1,2})?\.\d{1,6}").fullmatch
_are_hex = re.compile("[0-9a-fA-F]+").fullmatch
_TIME_DIGITS = 12
_LAST = 253_402_300_799_999  # ms since 1970, in the year 9999
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


def new_event_id(partition: int = 0) -> str:
    """Return a new id: 12 hex digits of time in ms, then 16 random ones, so that ids sort by their age.

    One of another partition than the first says so in its end: `-partition`.
    """
    event_id = f"{time.time_ns() // 1_000_000:012x}{os.urandom(8).hex()}"
    return in_partition(event_id, partition) if partition else event_id


def new_outbox_id() -> str:
    """Return a new id of a send within a transaction.

    Its last digits say so: a wait for its jobs can tell what no relay has sent yet from what the server lost.
    """
    return new_event_id()[: -len(_OUTBOX_DIGITS)] + _OUTBOX_DIGITS


def may_be_in_outbox(event_or_job_id: str) -> bool:
    """Return whether something was sent within a transaction; of what was not, one in 65,536 looks as if it were."""
    return event_or_job_id.partition(".")[0].partition("-")[0].endswith(_OUTBOX_DIGITS)


def in_partition(event_id: str, partition: int) -> str:
    """Return an id as it is in a partition, whichever one it was made for."""
    plain = event_id.partition("-")[0]
    return f"{plain}-{partition}" if partition else plain


def partition_of(event_or_job_id: str) -> int:
    """Return the partition of an event or a job; the first for an id of another kind."""
    number = event_or_job_id.partition("-")[2].partition(".")[0]
    is_number = len(number) <= len(str(MAX_PARTITIONS)) and number.isascii() and number.isdecimal()
    return int(number) if is_number and int(number) < MAX_PARTITIONS else 0


def is_job_id(job_id: str) -> bool:
    """Return whether a text can be the id of a job at all."""
    return _is_job_id(job_id) is not None


def sent_at(event_or_job_id: str) -> float | None:
    """Return when something was sent, in seconds since 1970 by its sender's clock; None for an id of another kind."""
    digits = event_or_job_id[:_TIME_DIGITS]
    milliseconds = hex_number(digits) if len(digits) == _TIME_DIGITS else None
    return None if milliseconds is None or milliseconds > _LAST else milliseconds / 1000


def hex_number(digits: str) -> int | None:
    """Return the number that hex digits write; None for anything else, such as the "0x1" and "1_0" that `int` takes."""
    return int(digits, 16) if _are_hex(digits) else None


def bucket_of(event_id: str) -> str:
    """Return the set of recent sends that an id belongs to: the same for every repetition of a send."""
    return event_id[:_BUCKET_DIGITS]


def pack(body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """Return the envelope of a payload: a line of our own, one of headers if there are any, then the payload's JSON."""
    if not headers:
        return _ENVELOPE_HEAD + body
    return _HEADERS_HEAD + json.dumps(dict(headers)).encode() + b"\n" + body


def unpack(envelope: bytes) -> bytes | None:
    """Return the payload's JSON, or None for an envelope of a version that this library does not know."""
    if envelope.startswith(_ENVELOPE_HEAD):
        return envelope[len(_ENVELOPE_HEAD) :]
    parts = envelope.split(b"\n", 2) if envelope.startswith(_HEADERS_HEAD) else ()
    return parts[2] if len(parts) == 3 else None  # version, headers, payload


def is_later(envelope: bytes) -> bool:
    """Return whether something that cannot be unpacked begins like an envelope of a later version."""
    version, end, _ = envelope.partition(b"\n")
    return bool(end) and version.isdigit() and len(version) < 10 and int(version) > 2


def headers_of(envelope: bytes) -> dict[str, str]:
    """Return what travels beside a payload, {} if nothing does or it cannot be read."""
    if not envelope.startswith(_HEADERS_HEAD):
        return {}
    headers = read_json(envelope.split(b"\n", 2)[1])
    if not isinstance(headers, dict):
        return {}
    pairs = cast("dict[str, object]", headers).items()
    return {name: value for name, value in pairs if isinstance(value, str)}
