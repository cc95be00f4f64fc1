"""The graph of events as a picture: for mermaid, which READMEs render directly, and for graphviz."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, NamedTuple

from upnext_codegen.errors import ConfigurationError
from upnext_codegen.output.as_text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upnext_codegen.graph.build import Graph
    from upnext_codegen.records import Handler, Send, Task

_DOT = "dot"
_MERMAID_EDGE = " --> "
_MOST_EDGES, _LONGEST_TEXT = 500, 50_000
"""What mermaid draws by default (maxEdges, maxTextSize); a diagram cannot ask for more itself."""
_LONGEST = 120.0
"""Seconds after which a layout is given up."""


class _Node(NamedTuple):
    """A node: its kind ("event", "handler", "task" or "sender"), and the lines of its label."""

    kind: str
    label: tuple[str, ...]


class _Picture(NamedTuple):
    """Nodes by their ids, and the edges between them."""

    nodes: dict[str, _Node]
    edges: list[tuple[str, str]]


def not_drawn(graph: Graph, form: str, text: str) -> Iterator[str]:
    """Yield notes about what the picture does not show.

    Args:
        graph: The graph.
        form: Which picture: "mermaid", "dot" or "svg".
        text: The picture.
    """
    if graph.unknown:
        several = len(graph.unknown) > 1
        yield (
            f"{counted(len(graph.unknown), 'send')} {'are' if several else 'is'} not drawn, because it cannot be known "
            f"what {'they send' if several else 'it sends'}: `upnext graph` lists {'them' if several else 'it'}"
        )
    edges = text.count(_MERMAID_EDGE)
    if form == "mermaid" and (edges > _MOST_EDGES or len(text) > _LONGEST_TEXT):
        yield (
            f"the picture has {counted(edges, 'edge')} in {len(text):,} characters, and mermaid refuses more than "
            f"{_MOST_EDGES} edges or {_LONGEST_TEXT:,} characters unless the page that shows it allows them: "
            "give a NAME to draw less, or use --format dot"
        )


def graph_as_mermaid(graph: Graph) -> str:
    """Write a graph as a mermaid flowchart."""
    shapes = {
        "event": ('(["', '"])'),
        "handler": ('["', '"]'),
        "task": ('[["', '"]]'),
        "sender": ('("', '")'),
    }
    picture = _picture(graph)
    lines = ["flowchart LR"]
    for name, node in picture.nodes.items():
        first, last = shapes[node.kind]
        lines.append(f"    {name}{first}{'<br>'.join(map(_mermaid_text, node.label))}{last}")
    lines += [f"    {start}{_MERMAID_EDGE}{end}" for start, end in picture.edges]
    return "\n".join(lines) + "\n"


def graph_as_dot(graph: Graph) -> str:
    """Write a graph in graphviz's language."""
    styles = {
        "event": "shape=box, style=rounded, penwidth=2",
        "handler": "shape=box",
        "task": "shape=box, peripheries=2",
        "sender": "shape=box, style=dashed",
    }
    picture = _picture(graph)
    lines = ["digraph events {", "    rankdir=LR;", '    node [fontname="sans-serif"];']
    for name, node in picture.nodes.items():
        label = "\\n".join(map(_dot_text, node.label))
        lines.append(f'    {name} [label="{label}", {styles[node.kind]}];')
    lines += [f"    {start} -> {end};" for start, end in picture.edges]
    return "\n".join([*lines, "}"]) + "\n"


def graph_as_svg(graph: Graph) -> str:
    """Have graphviz lay a graph out.

    Raises:
        ConfigurationError: If it is not installed, or fails.
    """
    program = shutil.which(_DOT)
    if program is None:
        raise ConfigurationError(
            "svg is drawn by graphviz, whose command dot is not on PATH: install the package graphviz "
            "(apt-get install graphviz, brew install graphviz), or use --format mermaid, which needs nothing."
        )
    try:
        done = subprocess.run(
            [program, "-Tsvg"],
            input=graph_as_dot(graph),
            capture_output=True,
            check=True,
            encoding="utf-8",
            timeout=_LONGEST,
        )
    except subprocess.TimeoutExpired:
        raise ConfigurationError(
            f"{program} took more than {_LONGEST:.0f} s for the layout: give a NAME to draw less."
        ) from None
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        reason = error.stderr.strip() if isinstance(error, subprocess.CalledProcessError) else str(error)
        raise ConfigurationError(f"{program} could not draw the graph: {reason}") from error
    return done.stdout


def _picture(graph: Graph) -> _Picture:
    nodes: dict[str, _Node] = {}
    events = {event: f"e{number}" for number, event in enumerate(graph.events)}
    nodes |= {events[event]: _Node("event", (event,)) for event in graph.events}
    edges: dict[tuple[str, str], None] = {}
    runners: dict[Handler | Task, str] = {}
    for event in graph.events:
        for handler in graph.handlers.get(event, ()):
            name = runners[handler] = f"h{len(runners)}"
            nodes[name] = _Node("handler", (handler.name, handler.module))
            edges[events[event], name] = None
    for task in graph.tasks:
        name = runners[task] = f"t{len(runners)}"
        nodes[name] = _Node("task", (task.name, task.module))
    targets = events | {f"task {task.worker} {task.name}": runners[task] for task in graph.tasks}
    drawn: set[Send] = set()
    for sender, name in runners.items():
        for send in graph.sent_by(sender):
            drawn.add(send)
            edges.update(dict.fromkeys((name, targets[each]) for each in _targets(graph, send) if each in targets))
    _draw_senders(graph, drawn, targets, nodes, edges)
    return _Picture(nodes, list(edges))


def _draw_senders(
    graph: Graph,
    drawn: set[Send],
    targets: dict[str, str],
    nodes: dict[str, _Node],
    edges: dict[tuple[str, str], None],
) -> None:
    """Add the functions that send and are neither handlers nor tasks, nor called by any."""
    senders: dict[tuple[str, str], str] = {}
    every = [send for each in (*graph.sends.values(), *graph.submissions.values()) for send in each]
    for send in dict.fromkeys(every):
        wanted = [each for each in _targets(graph, send) if each in targets]
        if send in drawn or not wanted:
            continue
        key = (send.function or "(module)", send.place.file)
        if key not in senders:
            senders[key] = f"s{len(senders)}"
            nodes[senders[key]] = _Node("sender", key)
        edges.update(dict.fromkeys((senders[key], targets[each]) for each in wanted))


def _targets(graph: Graph, send: Send) -> Iterator[str]:
    if send.kind == "event":
        yield from send.names
    else:
        yield from (f"task {task.worker} {task.name}" for task in graph.submitted(send))


def _mermaid_text(text: str) -> str:
    """Escape a text for mermaid."""
    plain = "._-/: "
    return "".join(each if each.isalnum() or each in plain else f"#{ord(each)};" for each in text)


def _dot_text(text: str) -> str:
    """Escape a text for graphviz."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return "".join(each if each.isprintable() else "?" for each in escaped)
