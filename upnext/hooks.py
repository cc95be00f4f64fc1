"""Application code around sends and jobs, at the start and stop of a worker, and when a job is buried."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, TypeAlias, cast

from upnext.errors import ConfigError
from upnext.options import is_finite

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from contextlib import AbstractAsyncContextManager, AbstractContextManager
    from datetime import datetime

    from upnext.broker.claims import DeadLetter

Around: TypeAlias = "AbstractContextManager[object] | AbstractAsyncContextManager[object] | None"
"""What is entered before, and left after, what a hook is around; None for nothing."""

MAX_HEADERS = 4096
"""Characters of all headers of one send together."""


@dataclass(slots=True, eq=False)
class HookedSend:
    """A send as seen by hooks.

    Attributes:
        worker: The worker that it is sent through.
        name: The event's name, or the task's.
        is_task: Whether it is a task.
        size: Bytes of the payload's JSON.
        delay: Seconds before its jobs may run.
        key: Its idempotency key.
        headers: What travels beside the payload, to `HookedJob.headers`; a hook may add to them before the send.
        server: The server's address without its password; "" before the first connection, if none is configured.
        event_id: The id of the event or submission; "" before the server has stored it.
        jobs: How many jobs it has; 0 before.
    """

    worker: str
    name: str
    is_task: bool
    size: int
    delay: float
    key: str | None
    headers: dict[str, str] = field(default_factory=dict[str, str])
    server: str = ""
    event_id: str = ""
    jobs: int = 0


@dataclass(slots=True, eq=False)
class HookedJob:
    """One attempt of a job as seen by hooks.

    Attributes:
        worker: The worker's name.
        event: The event's name; a task's own.
        handler: The handler's name; a task's own.
        is_task: Whether it is a task.
        job_id: The job.
        event_id: Its event, or submission.
        attempt: Which start of the job this is, from 1.
        max_attempts: How often it may fail: retries + 1.
        sent_at: When it was sent, by the sender's clock; None if its id does not say.
        headers: What hooks of its sender let travel beside the payload.
        server: The server's address without its password.
        outcome: How the attempt ended: "done", "discarded", "failed", "timeout", "payload", or "released" if it was
            stopped to be run elsewhere; "" before.
    """

    worker: str
    event: str
    handler: str
    is_task: bool
    job_id: str
    event_id: str
    attempt: int
    max_attempts: int
    sent_at: datetime | None
    headers: dict[str, str]
    server: str = ""
    outcome: str = ""


class Hooks:
    """The hooks that an application can define, by overriding those that it needs.

    Each may be async or not; one that is not runs in a thread, with the context variables of where it is called. What
    it sets of them holds for what it is around. A hook that raises, or takes longer than `timeout`, is logged and left
    out; nothing that it does can lose a job, or run it again.

    Attributes:
        timeout: Seconds that each entering, each leaving and each other call may take.
    """

    timeout: ClassVar[float] = 5.0

    def around_send(self, send: HookedSend, /) -> Around:
        """Return a context manager for one send: entered before it is stored, left afterwards with any exception."""

    def around_job(self, job: HookedJob, /) -> Around:
        """Return a context manager for one attempt of a job; it is left with the handler's exception, if any."""

    def worker_started(self, worker: str, /) -> Awaitable[None] | None:
        """Run before a worker of that name takes its first job in this process."""

    def worker_stopped(self, worker: str, /) -> Awaitable[None] | None:
        """Run after its last job has ended."""

    def buried(self, letter: DeadLetter, /) -> Awaitable[None] | None:
        """Run when this process has turned a job into a dead letter; at least once for each."""


class HookList:
    """The hooks of a worker or of the process, grouped by the methods that they define.

    Attributes:
        sends: Those that are around sends; the others as they are named.
    """

    def __init__(self) -> None:
        self.sends: tuple[Hooks, ...] = ()
        self.jobs: tuple[Hooks, ...] = ()
        self.starts: tuple[Hooks, ...] = ()
        self.stops: tuple[Hooks, ...] = ()
        self.burials: tuple[Hooks, ...] = ()

    def add(self, hooks: Hooks) -> None:
        """Add hooks; adding them again has no effect.

        Raises:
            ConfigError: If it is not an object of a subclass of `Hooks`, or its timeout cannot be used.
        """
        kind = type(hooks)
        if not issubclass(cast("type[object]", kind), Hooks):
            raise ConfigError(f"{hooks!r} cannot be hooks: give an object of a class that inherits from upnext.Hooks.")
        if not is_finite(hooks.timeout, 0.0) or hooks.timeout == 0:
            raise ConfigError(f"timeout={hooks.timeout!r} of {hooks!r} cannot be used: it must be seconds above 0.")
        # Only hooks that implement a moment are called there: a moment without hooks costs nothing.
        self.sends = _with(self.sends, hooks, kind.around_send is not Hooks.around_send)
        self.jobs = _with(self.jobs, hooks, kind.around_job is not Hooks.around_job)
        self.starts = _with(self.starts, hooks, kind.worker_started is not Hooks.worker_started)
        self.stops = _with(self.stops, hooks, kind.worker_stopped is not Hooks.worker_stopped)
        self.burials = _with(self.burials, hooks, kind.buried is not Hooks.buried)

    def remove(self, hooks: Hooks) -> None:
        """Remove hooks if they are there."""
        for moment in ("sends", "jobs", "starts", "stops", "burials"):
            setattr(self, moment, tuple(one for one in getattr(self, moment) if one is not hooks))


def _with(before: tuple[Hooks, ...], hooks: Hooks, takes_part: bool) -> tuple[Hooks, ...]:
    return (*before, hooks) if takes_part and not any(one is hooks for one in before) else before


process_hooks = HookList()
"""Those of this process, for every worker and every send in it; they come before the worker's own."""


def add_hooks(*hooks: Hooks) -> None:
    """Add hooks for every worker and every send of this process; `Worker.add_hooks` adds them to one worker.

    Raises:
        ConfigError: If one of them is not an object of a subclass of `Hooks`.
    """
    for one in hooks:
        process_hooks.add(one)


def remove_hooks(*hooks: Hooks) -> None:
    """Remove hooks of this process, such as those of a test."""
    for one in hooks:
        process_hooks.remove(one)
