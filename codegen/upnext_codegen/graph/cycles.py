"""Cycles of events that no condition ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from upnext_codegen.records import IN_TRANSACTION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upnext_codegen.graph.build import Graph
    from upnext_codegen.records import Handler, Send, Task


class Cycle(NamedTuple):
    """Sends each of which leads to the next, and the last to the first."""

    sends: tuple[Send, ...]


def cycles(graph: Graph) -> Iterator[Cycle]:
    """Yield a shortest cycle through each event that is in one, every cycle once."""
    following = {event: _certain(graph, event) for event in graph.events}
    seen: set[frozenset[Send]] = set()
    for event in graph.events:
        way = _shortest(event, following)
        if way and frozenset(way) not in seen:
            seen.add(frozenset(way))
            yield Cycle(tuple(way))


def _certain(graph: Graph, event: str) -> dict[str, Send]:
    """The events that an event always leads to, whatever its payload, and by which send."""
    found: dict[str, Send] = {}
    for handler in graph.handlers.get(event, ()):
        if handler.arms:
            continue  # It may not exist.
        for send in _always(graph, handler):
            found.setdefault(send.names[0], send)
    return found


def _always(graph: Graph, handler: Handler) -> Iterator[Send]:
    """What every run of a handler sends at once, including through tasks; a key or a delay may well end a cycle."""
    waiting: list[Handler | Task] = [handler]
    seen = set(waiting)
    while waiting:
        for send in graph.always_sent_by(waiting.pop()):
            if {*send.options} - {IN_TRANSACTION} or send.lost or len(send.names) != 1:
                continue
            if send.kind == "event":
                yield send
            submitted = graph.submitted(send)
            if len(submitted) == 1 and submitted[0] not in seen:
                seen.add(submitted[0])
                waiting.append(submitted[0])


def _shortest(event: str, following: dict[str, dict[str, Send]]) -> list[Send]:
    """The shortest way from an event back to it, empty if there is none."""
    ways: dict[str, list[Send]] = {event: []}
    waiting = [event]
    while waiting:
        current = waiting.pop(0)
        for name, send in following.get(current, {}).items():
            if name == event:
                return [*ways[current], send]
            if name not in ways:
                ways[name] = [*ways[current], send]
                waiting.append(name)
    return []
