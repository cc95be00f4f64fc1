"""Finds the part of the graph that a name means: an event, a handler, a task, a module or a file."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from upnext_codegen.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from upnext_codegen.graph.build import Graph
    from upnext_codegen.records import Place, Task

_MOST_NEAR = 3


def part_of(graph: Graph, name: str, roots: Sequence[str]) -> Graph:
    """Restrict a graph to what a name means, and to what follows from it.

    Args:
        graph: The graph of the project.
        name: The name of an event, handler, task or module, or the path of a file.
        roots: The import roots of the project.

    Raises:
        ConfigurationError: If nothing has that name.
    """
    if name in graph.events:
        return graph.narrowed(graph.downstream([name]))
    meanings = _meanings(graph, roots)
    found = [meant for meaning, meant in meanings if meaning == name]
    if not found:
        raise ConfigurationError(_unknown(name, [*graph.events, *(meaning for meaning, _ in meanings)]))
    events = {each for each in found if isinstance(each, str)}
    tasks = {each for each in found if not isinstance(each, str)}
    sent = {event for task in tasks for event in graph.follow_ups(task)}
    return graph.narrowed(graph.downstream(events | sent), tasks)


def _meanings(graph: Graph, roots: Sequence[str]) -> list[tuple[str, str | Task]]:
    """All names except those of events, each with an event or a task that it belongs to."""
    found: list[tuple[str, str | Task]] = []
    for event in graph.events:
        for handler in graph.handlers.get(event, ()):
            identity = f"{handler.worker}|{event}|{handler.name}"
            names = (handler.name, identity, handler.module, handler.place.file, *_packages(handler.module))
            found += [(name, event) for name in names]
        places = [*graph.declared.get(event, ()), *(send.place for send in graph.sends.get(event, ()))]
        found += [(name, event) for place in places for name in _names_of(place, roots)]
    for task in graph.tasks:
        names = (task.name, task.module, task.place.file, *_packages(task.module))
        found += [(name, task) for name in names]
        places = [send.place for send in graph.submissions_of(task)]
        found += [(name, task) for place in places for name in _names_of(place, roots)]
    return list(dict.fromkeys(found))


def _names_of(place: Place, roots: Sequence[str]) -> Iterator[str]:
    """The names of the file, module and packages around a place."""
    module = module_of(place.file, roots)
    yield from (place.file, module, *_packages(module))


def _packages(module: str) -> Iterator[str]:
    while "." in module:
        module = module.rpartition(".")[0]
        yield module


def module_of(file: str, roots: Sequence[str]) -> str:
    """The full name of the module in a file."""
    inside = [root for root in roots if not root or file.startswith(f"{root}/")]
    root = max(inside, key=len, default="")
    path = file[len(root) + 1 :] if root else file
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _unknown(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, sorted(set(known)), _MOST_NEAR)
    hint = f"did you mean {' or '.join(repr(each) for each in near)}?" if near else "`upnext graph` lists all of them."
    return f"No event, handler, task or module is called {name!r}; {hint}"
