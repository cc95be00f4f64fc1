"""The identity of a handler on the server: the one place that reads and writes `worker|event|name`."""

from __future__ import annotations

import functools
import re
from typing import Final, NamedTuple

PATTERN: Final = rb"[^|\s]+\|[^|\s]*\|[^|\s]+"
"""Regular expression that matches an identity as upnext writes it, and not what another program left in its place."""


_IDENTITY: Final = re.compile(PATTERN.decode())


class HandlerId(NamedTuple):
    """The name of a handler or task on the server, wherever its code is.

    Identities travel as text, because keys and scripts are made of text; `parse` gives their parts.

    Attributes:
        worker: The worker's name.
        event: The event's name, "" for a task.
        name: The handler's name within its event, or the task's within its worker.
    """

    worker: str
    event: str
    name: str

    @staticmethod
    @functools.lru_cache(maxsize=4096)
    def parse(text: str) -> HandlerId:
        """Return the parts of an identity; parts missing from another program's text are ""."""
        worker, _, rest = text.partition("|")
        event, _, name = rest.partition("|")
        return HandlerId(worker, event, name)

    @staticmethod
    def matches(text: str) -> bool:
        """Return whether the text has the parts of an identity."""
        return text.count("|") == 2  # three parts

    @staticmethod
    def is_of(text: str, event: str) -> bool:
        """Return whether the text is the identity of a handler of that event, as upnext writes it."""
        handler = HandlerId.parse(text)
        return handler.event == event and _IDENTITY.fullmatch(text) is not None

    @classmethod
    def within(cls, worker: str, local: str) -> HandlerId:
        """Return the identity that a worker's record lists as `local`."""
        return cls.parse(f"{worker}|{local}")

    def __str__(self) -> str:
        """Return the text that names it on the server."""
        return f"{self.worker}|{self.event}|{self.name}"

    @property
    def subject(self) -> str:
        """The event's name; for a task, its own name."""
        return self.event or self.name

    @property
    def in_words(self) -> str:
        """A description for a log line."""
        what = f"task {self.name!a}" if self.is_task else f"handler {self.name!a} of {self.event!a}"
        return f"{what} (worker {self.worker!a})"

    @property
    def is_task(self) -> bool:
        """Whether it names a task."""
        return not self.event

    @property
    def local(self) -> str:
        """The identity without its worker, as in the worker's record."""
        return f"{self.event}|{self.name}"
