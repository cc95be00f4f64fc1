"""The rows of the outbox, and the two interfaces to them: writing rows, and taking them out again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol, cast

from upnext.broker.job_ids import sent_at
from upnext.errors import ConfigError
from upnext.names import brief

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_ATTEMPTS: Final = 10
"""After so many refusals a row is set aside: it stays in the table, and nothing waits for it any more."""

MAX_ORDER_KEY: Final = 200
"""Characters of what rows are ordered by."""


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One send.

    Attributes:
        event_id: The id that the event, or the submission, gets.
        name: The event's name; a task's identity.
        is_task: Whether it is a task.
        body: The payload's JSON.
        headers: What hooks let travel beside the payload, as a JSON object; "" for nothing.
        key: Its idempotency key: the sender's own, or else one that the id makes.
        due_at: The moment before which its jobs may not run, in seconds since 1970; None for none.
        ordered_by: Rows with the same one are sent in the order in which they were written; None for no order.
    """

    event_id: str
    name: str
    is_task: bool
    body: str = field(repr=False)  # logs never contain payloads
    headers: str = field(repr=False)
    key: str
    due_at: float | None
    ordered_by: str | None


@dataclass(frozen=True, slots=True)
class ClaimedRow:
    """A row that a relay has claimed.

    Attributes:
        id: Where it stands among all rows, by the time of writing.
        row: The send.
        attempts: How often it was refused.
    """

    id: int
    row: OutboxRow
    attempts: int


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a row was not sent.

    Attributes:
        id: The row.
        attempts: How often it was refused by now.
        error: The reason; None to keep the one that is noted, of a row that was not tried.
        available_at: When it may be claimed again, in seconds since 1970.
    """

    id: int
    attempts: int
    error: str | None
    available_at: float


@dataclass(frozen=True, slots=True)
class ListedRow:
    """A row as shown to people, without its payload.

    Attributes:
        id: The row.
        event_id: The id that the event, or the submission, gets.
        name: The event's name; a task's identity.
        is_task: Whether it is a task.
        ordered_by: What it is ordered by, or None.
        attempts: How often it was refused.
        error: Why it was not sent the last time, "" if it was not tried yet.
    """

    id: int
    event_id: str
    name: str
    is_task: bool
    ordered_by: str | None
    attempts: int
    error: str

    @property
    def is_set_aside(self) -> bool:
        """Whether it was refused so often that it is no longer sent."""
        return self.attempts >= MAX_ATTEMPTS

    @property
    def written_at(self) -> float | None:
        """When it was written, in seconds since 1970 by its sender's clock; None if its id does not say."""
        return sent_at(self.event_id)


@dataclass(frozen=True, slots=True)
class OutboxBacklog:
    """How far behind an outbox is.

    Attributes:
        waiting: How many rows are still to be sent.
        set_aside: How many were refused so often that they are no longer sent.
        oldest: When the first of those that wait was written, in seconds since 1970; None if none waits.
    """

    waiting: int
    set_aside: int
    oldest: float | None

    def age(self, now: float) -> float:
        """Return the seconds that the first row has been waiting at a given time; 0 if none waits."""
        return 0.0 if self.oldest is None else max(now - self.oldest, 0.0)


class Transaction(ABC):
    """A transaction of the user's database, with the outbox in it.

    Args:
        ordered_by: What is written through this, in this and in other transactions, is sent in that order.

    Raises:
        ConfigError: If `ordered_by` cannot be used.
    """

    def __init__(self, ordered_by: str | None) -> None:
        usable = ordered_by is None or (
            isinstance(cast("object", ordered_by), str) and 1 <= len(ordered_by) <= MAX_ORDER_KEY
        )
        if not usable:
            raise ConfigError(
                f"Option ordered_by={brief(ordered_by)} cannot be used: it must be text of 1 to {MAX_ORDER_KEY} "
                "characters."
            )
        self.ordered_by = ordered_by

    @abstractmethod
    def write(self, row: OutboxRow, /) -> None:
        """Add a row, which takes effect once the transaction has committed."""

    @abstractmethod
    async def write_async(self, row: OutboxRow, /) -> None:
        """Do the same from a coroutine."""


class OutboxStore(Protocol):
    """The rows of an outbox, as a relay uses them. Each call has its own transaction."""

    async def claim(self, most: int, now: float, until: float) -> Sequence[ClaimedRow]:
        """Claim the oldest available rows, for this relay alone.

        A row is not available before an earlier one with its `ordered_by` that is claimed, or was put off.

        Args:
            most: How many.
            now: The time in seconds since 1970.
            until: When others may claim those again that were not settled meanwhile.
        """
        ...

    async def settle(self, sent: Sequence[int], failed: Sequence[Failure], released: Sequence[int]) -> None:
        """Delete sent rows, record failures, and release the others."""
        ...

    async def backlog(self) -> OutboxBacklog:
        """Count the rows, in time proportional to their number."""
        ...

    async def listed(self, most: int, *, set_aside: bool) -> Sequence[ListedRow]:
        """Return the oldest rows.

        Args:
            most: How many.
            set_aside: Only those that were set aside.
        """
        ...

    async def retry(self, ids: Sequence[int] | None) -> int:
        """Let rows that were set aside be sent again; returns their number.

        Args:
            ids: The rows; those that are not set aside stay as they are. None for all.
        """
        ...

    async def purge(self, ids: Sequence[int] | None) -> int:
        """Delete rows that were set aside; returns their number.

        Args:
            ids: As above.
        """
        ...

    async def close(self) -> None:
        """Release the resources of these calls."""
        ...
