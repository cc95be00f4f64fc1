"""Builds the graph of events from the results of a scan."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from upnext_codegen.records import Reached

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from upnext_codegen.records import Handler, Place, Scan, Send, Task

    Chain: TypeAlias = tuple[str, ...]
    Function: TypeAlias = Place | tuple[str, str]
    """Where the name of a function stands, or its file and dotted name."""

MOST_CHAINS = 1000
"""Chains that are listed: there can be more of them than anybody could read."""


@dataclass(frozen=True, slots=True)
class Graph:
    """The events of a project, and what leads from one to another.

    Attributes:
        events: The names of all events that are declared, handled or sent, sorted.
        handlers: The handlers of each event.
        sends: The sends of each event.
        tasks: All tasks.
        submissions: The calls that submit a task, by its name.
        unknown: The sends of which it cannot be known what they send.
        declared: Where each event is declared.
    """

    events: tuple[str, ...]
    handlers: Mapping[str, tuple[Handler, ...]]
    sends: Mapping[str, tuple[Send, ...]]
    tasks: tuple[Task, ...]
    submissions: Mapping[str, tuple[Send, ...]]
    unknown: tuple[Send, ...]
    declared: Mapping[str, tuple[Place, ...]]
    _by_function: Mapping[Function, tuple[Send, ...]] = field(default_factory=dict["Function", "tuple[Send, ...]"])

    def sent_by(self, sender: Handler | Task) -> tuple[Send, ...]:
        """What a handler or task sends, including through functions that it certainly calls."""
        return tuple(dict.fromkeys(self._sent_in([Reached(sender.place, always=True), *sender.reached])))

    def always_sent_by(self, sender: Handler | Task) -> Iterator[Send]:
        """What every run of a handler or task sends."""
        functions = [Reached(sender.place, always=True), *(each for each in sender.reached if each.always)]
        yield from (each for each in self._sent_in(functions) if each.always)

    def _sent_in(self, functions: Iterable[Reached]) -> Iterator[Send]:
        for each in functions:
            key = (each.place.file, each.name) if each.name else each.place
            yield from self._by_function.get(key, ())

    def submitted(self, send: Send) -> tuple[Task, ...]:
        """The tasks that a call may submit."""
        return tuple(
            each
            for each in self.tasks
            if send.kind == "task" and each.name in send.names and send.worker in {"", each.worker}
        )

    def submissions_of(self, task: Task) -> tuple[Send, ...]:
        """The calls that submit a task."""
        return tuple(each for each in self.submissions.get(task.name, ()) if each.worker in {"", task.worker})

    def follow_ups(self, sender: Handler | Task) -> tuple[str, ...]:
        """The events that a handler or task sends in turn, itself or through tasks that it submits."""
        found: dict[str, None] = {}
        waiting, seen = [sender], {sender}
        while waiting:
            for send in self.sent_by(waiting.pop(0)):
                if send.kind == "event":
                    found.update(dict.fromkeys(send.names))
                fresh = [each for each in self.submitted(send) if each not in seen]
                seen.update(fresh)
                waiting += fresh
        return tuple(found)

    def successors(self, event: str) -> tuple[str, ...]:
        """The events that the handlers of an event send in turn, sorted."""
        return tuple(sorted({each for handler in self.handlers.get(event, ()) for each in self.follow_ups(handler)}))

    def chains(self) -> tuple[Chain, ...]:
        """The paths from event to event, sorted; a cycle ends with the event that it returns to."""
        following = {event: self.successors(event) for event in self.events}
        led_to = {each for event, others in following.items() for each in others if each != event}
        found: list[Chain] = []
        covered: set[str] = set()
        # Events that no other event leads to come first; the rest are cycles.
        for event in (*(each for each in self.events if each not in led_to), *self.events):
            if event not in covered:
                for chain in _ways(event, following):
                    covered.update(chain)
                    if len(chain) > 1 and len(found) < MOST_CHAINS:
                        found.append(chain)
                    if len(found) >= MOST_CHAINS:
                        return tuple(sorted(found))
        return tuple(sorted(found))

    def narrowed(self, events: Collection[str], tasks: Collection[Task] = ()) -> Graph:
        """The graph restricted to these events and tasks, and to tasks connected with them.

        What is sent without anybody knowing which event it is stays: it may be one of these.
        """
        handlers = {event: each for event, each in self.handlers.items() if event in events}
        sends = {event: each for event, each in self.sends.items() if event in events}
        submitted = set(tasks)
        waiting: list[Handler | Task] = [*tasks, *(handler for each in handlers.values() for handler in each)]
        while waiting:
            sent = self.sent_by(waiting.pop())
            fresh = {task for send in sent for task in self.submitted(send)} - submitted
            submitted |= fresh
            waiting += fresh
        kept = [each for each in self.tasks if each in submitted or not set(self.follow_ups(each)).isdisjoint(events)]
        submissions = {name: each for name, each in self.submissions.items() if name in {task.name for task in kept}}
        return Graph(
            tuple(each for each in self.events if each in events),
            handlers,
            sends,
            tuple(kept),
            submissions,
            self.unknown,
            {event: each for event, each in self.declared.items() if event in events},
            self._by_function,
        )

    def downstream(self, events: Iterable[str]) -> set[str]:
        """Some events, and all that follow from them."""
        found, waiting = set[str](), [*events]
        while waiting:
            event = waiting.pop()
            if event not in found:
                found.add(event)
                waiting += self.successors(event)
        return found


def build(scan: Scan) -> Graph:
    """Build the graph of a project."""
    handlers: defaultdict[str, list[Handler]] = defaultdict(list)
    sends: defaultdict[str, list[Send]] = defaultdict(list)
    submissions: defaultdict[str, list[Send]] = defaultdict(list)
    by_function: defaultdict[Function, list[Send]] = defaultdict(list)
    for handler in scan.handlers:
        handlers[handler.event].append(handler)
    for send in scan.sends:
        for name in send.names:
            (sends if send.kind == "event" else submissions)[name].append(send)
        if send.function_place is not None:
            by_function[send.function_place].append(send)
            by_function[send.place.file, send.function].append(send)
    declared: defaultdict[str, list[Place]] = defaultdict(list)
    for declaration in scan.declarations:
        declared[declaration.event].append(declaration.place)
    events = {*handlers, *sends, *declared}
    return Graph(
        tuple(sorted(events)),
        {event: tuple(dict.fromkeys(each)) for event, each in handlers.items()},
        {event: tuple(each) for event, each in sends.items()},
        scan.tasks,
        {name: tuple(each) for name, each in submissions.items()},
        tuple(each for each in scan.sends if not each.names),
        {event: tuple(each) for event, each in declared.items()},
        {place: tuple(each) for place, each in by_function.items()},
    )


def _ways(start: str, following: Mapping[str, tuple[str, ...]]) -> Iterator[Chain]:
    """Yield the paths from an event until nothing follows, or an event recurs."""
    path = [start]
    pending = [iter(following.get(start, ()))]
    if not following.get(start):
        yield (start,)
    while pending:
        event = next(pending[-1], None)
        if event is None:
            pending.pop()
            path.pop()
        elif event in path or not following.get(event):
            yield (*path, event)
        else:
            path.append(event)
            pending.append(iter(following[event]))
