"""Which part of the graph a name on the command line means: an event, a handler, a task, a module or a file."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from upnext_codegen.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from upnext_codegen.graph.build import Graph

_MOST_NEAR = 3


def part_of(graph: Graph, name: str, roots: Sequence[str]) -> Graph:
    """Narrow a graph to what a name means, and to what follows from it.

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
    events = {event for meaning, event in meanings if meaning == name}
    if not events:
        raise ConfigurationError(_unknown(name, [*graph.events, *(meaning for meaning, _ in meanings)]))
    return graph.narrowed(graph.downstream(events))


def _meanings(graph: Graph, roots: Sequence[str]) -> list[tuple[str, str]]:
    """All names but those of events, each with an event that it has to do with."""
    found: list[tuple[str, str]] = []
    for event in graph.events:
        for handler in graph.handlers.get(event, ()):
            identity = f"{handler.worker}|{event}|{handler.name}"
            names = (handler.name, identity, handler.module, handler.place.file, *_packages(handler.module))
            found += [(name, event) for name in names]
        for send in graph.sends.get(event, ()):
            module = module_of(send.place.file, roots)
            found += [(name, event) for name in (module, send.place.file, *_packages(module))]
    for task in graph.tasks:
        for event in graph.follow_ups(task):
            found += [(name, event) for name in (task.name, task.module, task.place.file)]
    return list(dict.fromkeys(found))


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
