"""What is stored for an idempotency key, and what it says about the first send that used it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from upnext.broker.replies import names_in, read_json, shown, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from upnext.broker.keys import Keys

_TASK = "task:"


def task_scope(task: str) -> str:
    """Return the scope in which the idempotency keys of a task are unique; for an event it is its name."""
    return f"{_TASK}{task}"


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A key of an event or a task.

    Its plain name joins the two with a colon, as earlier releases do for all. Where one of them has a colon, several
    pairs would share that name, so these have an exact one. What they find under the plain name counts too, if it names
    handlers of this event or task; and they also write it there, marked by a space before it, for senders that look
    nowhere else.

    Attributes:
        scope: The event's name, or `task_scope` of a task.
        key: What the sender gave.
    """

    scope: str
    key: str

    @property
    def is_exact(self) -> bool:
        """Whether another pair could have the same plain name."""
        task = self._task
        return ":" in self.key or ":" in (self.scope if task is None else task)

    @property
    def owner(self) -> str:
        """The owner mark in every record of this event or task that names handlers."""
        task = self._task
        return f"|{self.scope}|" if task is None else json.dumps(task)

    @property
    def _task(self) -> str | None:
        # Only an identity has bars.
        is_task = self.scope.startswith(_TASK) and "|" in self.scope
        return self.scope.removeprefix(_TASK) if is_task else None

    def names(self, keys: Keys) -> tuple[str, ...]:
        """Return its name on the server, preceded by the plain name if it shares that with other pairs."""
        plain = keys.idempotency(self.scope, self.key)
        return (plain, keys.exact_idempotency(self.scope, self.key)) if self.is_exact else (plain,)

    def owns(self, record: bytes) -> bool:
        """Return whether the record under a shared plain name belongs to this event or task, like publish.lua does."""
        return not record.startswith(b" ") and (self.owner.encode() in record or b"[]" in record)


def write_record(event_id: str, handlers: Sequence[str]) -> str:
    """Return the record of the first send with a key."""
    return json.dumps([event_id, handlers])


def read_record(record: bytes) -> tuple[str, tuple[str, ...]]:
    """Return the event id and the handlers of the first send with a key.

    Raises:
        ValueError: If another program wrote it.
    """
    found = read_json(record)
    if isinstance(found, list):
        event_id, handlers, *more = [*cast("list[object]", found), None, None]
        names = names_in(handlers)
        if isinstance(event_id, str) and names is not None and len(more) == 2:
            return event_id, tuple(names)
    raise ValueError(shown(text(record)))
