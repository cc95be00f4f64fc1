"""The contracts of all events of a project: the single record from which everything else is generated."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from upnext_codegen.types import ANY, ClassFacts, Type


@dataclass(frozen=True, slots=True, order=True)
class Receiver:
    """A handler of an event, as its senders know it.

    Attributes:
        worker: The worker that runs it.
        name: Its name there; with the event and the worker this is its identity.
        module: The module that defines it now; it may move without becoming another handler.
        closed: Whether it refuses every field that it does not name.
        file: The file of that module, relative to the project root with `/`; empty where only the module is known.
        returns: What its results are read as, `ANY` where that cannot be said. The lock does not hold it.
    """

    worker: str
    name: str
    module: str
    closed: bool
    file: str = field(default="", compare=False)
    returns: Type = field(default=ANY, compare=False)

    @property
    def identity(self) -> str:
        """Worker and name in one text; a worker's name contains no space."""
        return f"{self.worker} {self.name}"


class Asker(NamedTuple):
    """A handler that names a field.

    Attributes:
        identity: Which handler.
        required: Whether it has no default for the field.
    """

    identity: str
    required: bool


class Field(NamedTuple):
    """One keyword of an event's payload.

    Attributes:
        name: Its name.
        type: What satisfies every handler, `ANY` where they say nothing or disagree.
        required: Whether any handler has no default for it.
        asked_by: The handlers that name it, sorted.
        formerly: Names that it had before, under which handlers still take it, sorted.
    """

    name: str
    type: Type
    required: bool
    asked_by: tuple[Asker, ...]
    formerly: tuple[str, ...] = ()


class Upcast(NamedTuple):
    """A function that turns an old payload of an event into a new one.

    Attributes:
        name: Its name.
        takes: The fields of the old payload; further ones go through it.
        gives: Those of the new one, None where it does not say.
    """

    name: str
    takes: tuple[Field, ...]
    gives: tuple[Field, ...] | None


class EventContract(NamedTuple):
    """One event, as required by all of its handlers.

    Attributes:
        name: The event's name.
        fields: Required ones first, then by name, so that moving a handler to another file changes nothing.
        extras: What other fields must be, or None if there can be none.
        receivers: Its handlers, sorted; without any, nothing is known about its fields.
        owner: Its owner, "" if none is declared.
        upcasts: What its handlers take beside that: old payloads.
    """

    name: str
    fields: tuple[Field, ...] = ()
    extras: Type | None = None
    receivers: tuple[Receiver, ...] = ()
    owner: str = ""
    upcasts: tuple[Upcast, ...] = ()

    @property
    def result_keys(self) -> dict[str, str]:
        """The key of each handler in `receipt.results()`, by identity; `upnext.receipt` uses the same."""
        count = Counter(receiver.name for receiver in self.receivers)
        return {
            receiver.identity: receiver.name if count[receiver.name] == 1 else f"{receiver.worker}.{receiver.name}"
            for receiver in self.receivers
        }

    @property
    def names(self) -> dict[str, str]:
        """The display name of each handler, by identity: its name, with its worker if two share the name."""
        count = Counter(receiver.name for receiver in self.receivers)
        return {
            receiver.identity: receiver.name if count[receiver.name] == 1 else f"{receiver.name} of {receiver.worker}"
            for receiver in self.receivers
        }


@dataclass(frozen=True, slots=True)
class Contract:
    """All events of a project.

    Attributes:
        events: Sorted by name.
        classes: Facts of the project's classes that the fields are typed with, and of those above them, by
            "module:qualname".
        workers: Each worker with the names of the events that are declared on it, sorted; empty if a type checker
            could not always tell which worker an event is declared on.
    """

    events: tuple[EventContract, ...] = ()
    classes: dict[str, ClassFacts] = field(default_factory=dict[str, ClassFacts])
    workers: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def handlers(self) -> int:
        """How many handlers there are."""
        return sum(len(event.receivers) for event in self.events)
