"""The last failure of a job that waits for its retry, as the server keeps it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final

from upnext.broker.replies import parse_json

FAILURE_TTL: Final = 24 * 3600
"""Seconds that a failure is kept for longer than the job's retry is put off."""

_ERROR_LIMIT = 500  # characters: a million jobs may wait for their retries
_FIELDS = ("error", "where", "reason", "attempt", "digest")


@dataclass(frozen=True, slots=True)
class JobFailure:
    """One failed attempt of a job.

    The traceback is stored apart, under its digest: jobs that fail alike share it, so that an outage which fails a
    million jobs stores it once.

    Attributes:
        error: What was raised, its notes, members and causes, a line each; it may hold what user code put into it.
        where: The type of what was raised and its last place in the user's code, without any message.
        reason: "failed" or "timeout"; "payload" of a job that cannot become a dead letter now.
        attempt: Which attempt failed.
        traceback: Types, frames and lines of source, without messages; "" if it is no longer kept, or there is none.
        digest: Names the traceback on the server.
    """

    error: str
    where: str
    reason: str
    attempt: int
    traceback: str = ""
    digest: str = ""

    @classmethod
    def of(cls, error: str, where: str, reason: str, attempt: int, traceback: str) -> JobFailure:
        """Make the record of an attempt."""
        name = hashlib.sha256(traceback.encode(errors="backslashreplace")).hexdigest()[:16]
        return cls(error[:_ERROR_LIMIT], where, reason, attempt, traceback, name)

    def to_json(self) -> str:
        """Write it as it is stored, without the traceback."""
        return json.dumps({name: getattr(self, name) for name in _FIELDS})

    @classmethod
    def from_json(cls, text: bytes) -> JobFailure:
        """Read what `to_json` wrote.

        Raises:
            ValueError: If it is something else (also KeyError and TypeError).
        """
        data: dict[str, Any] = parse_json(text)
        return cls(**{name: data[name] for name in _FIELDS})
