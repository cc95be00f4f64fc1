"""Where sends go that must not reach a server: whoever diverts them gets each one after it was checked."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from upnext.broker.publish_batcher import Published
    from upnext.broker.results import JobOutcome
    from upnext.handler import Handler


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """One send, checked and encoded.

    Attributes:
        name: The event's name, or the task's.
        is_task: Whether it is a task.
        handlers: Those that this process knows.
        fields: The payload as it was sent.
        body: The payload's JSON.
        delay: Seconds before the jobs may run.
        key: Idempotency key.
    """

    name: str
    is_task: bool
    handlers: tuple[Handler, ...]
    fields: Mapping[str, Any] = field(repr=False)  # payloads stand in no log
    body: bytes = field(repr=False)
    delay: float
    key: str | None


class Transport(Protocol):
    """Takes sends in the server's place."""

    async def take(self, parcel: OutgoingMessage) -> Published:
        """Take one send, and say what its receipt shows."""
        ...

    async def outcomes(self, event_id: str, jobs: Sequence[str]) -> tuple[tuple[str, ...] | None, list[JobOutcome]]:
        """Say how jobs stand, as `ResultReader.outcomes` does."""
        ...


_current: Transport | None = None


def current() -> Transport | None:
    """Return who takes the sends of this process now; None for the server."""
    return _current


@contextmanager
def use_transport(to: Transport | None) -> Generator[None]:
    """Let somebody else, or with None the server again, take every send of this process within the block."""
    global _current  # noqa: PLW0603  # the process sends to one place at a time, from all of its threads
    before, _current = _current, to
    try:
        yield
    finally:
        _current = before
