"""What a handler can learn about the job that it runs in."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from upnext.errors import UpnextError

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True)
class Context:
    """The job that is running now.

    A handler or task gets it by annotating a parameter with `upnext.Context`, or from `get_current_context()`.

    Attributes:
        job_id: The job; the same over all its attempts.
        event_id: The event that the job belongs to (for a task, the id of its submission).
        event: The event's name, or the task's.
        handler: The handler's name, or the task's.
        attempt: Which start of the job this is, from 1.
        max_attempts: How often it may fail: retries + 1.
        deadline: When this attempt times out, with a time zone.
        failures: How often it has failed before; an attempt whose process was killed, or that was handed back, has not.
    """

    job_id: str
    event_id: str
    event: str
    handler: str
    attempt: int
    max_attempts: int
    deadline: datetime
    failures: int = 0

    @property
    def is_last_attempt(self) -> bool:
        """Whether no retry is left if this attempt fails; a crash does not use up a retry."""
        return self.failures + 1 >= self.max_attempts


@dataclass(frozen=True, slots=True, eq=False)
class LongWait:
    """A job that has been waiting for other jobs for a long time.

    Attributes:
        job_id: The job that waits.
        waits_for: The names of the handlers that it waits for.
        began: When its wait began, by `time.monotonic`.
    """

    job_id: str
    waits_for: tuple[str, ...]
    began: float


class LentSlot(Protocol):
    """The running job's slot in its worker, as a wait inside the job sees it."""

    @property
    def long_waits(self) -> list[LongWait]:
        """The worker's jobs that have been waiting for long; each wait adds itself, and removes itself at its end."""
        ...

    async def lend(self) -> bool:
        """Lend the slot to other jobs; return False if that is impossible."""
        ...

    async def take_back(self) -> None:
        """Wait for a slot again."""
        ...

    def take_back_later(self) -> None:
        """Take a slot as soon as one is free, without waiting for it."""
        ...


class CurrentJob(Protocol):
    """The job that is running now, as the code in it sees it."""

    @property
    def slot(self) -> LentSlot | None:
        """Its slot in its worker; None if no worker runs it."""
        ...

    def context(self) -> Context:
        """Return the job's context, the same each time; most jobs never ask for it."""
        ...


current_job: ContextVar[CurrentJob | None] = ContextVar("upnext_job", default=None)
"""The job that is running now."""


def get_current_context() -> Context:
    """Return the job that this code runs in.

    Raises:
        UpnextError: Outside a job.
    """
    job = current_job.get()
    if job is None:
        msg = "No job is running here: get_current_context() works inside handlers and tasks that a worker runs."
        raise UpnextError(msg)
    return job.context()
