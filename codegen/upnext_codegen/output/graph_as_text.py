"""The graph of events for a terminal of eighty columns."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from upnext_codegen.escaped_text import visible
from upnext_codegen.graph.build import MOST_CHAINS
from upnext_codegen.output.as_text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from upnext_codegen.graph.build import Graph
    from upnext_codegen.output.paint import Paint
    from upnext_codegen.records import Handler, Send, Task

WIDTH = 80
_INDENT = "  "
_MOST_LINES = 200
"""Maximum lines of chains: events in many cycles have thousands of long ones, which no one would read."""
_COLUMN = 46
"""Where the places of functions begin, if what stands before them is shorter."""


def graph_as_text(graph: Graph, paint: Paint, imported: Mapping[str, frozenset[str] | None]) -> str:
    """Write a graph for people.

    Args:
        graph: The graph.
        paint: Colours.
        imported: For each entry file the files that running it imports, None where that cannot be known.
    """
    if not graph.events and not graph.tasks:
        return "no events\n"
    blocks = [[*_event(graph, event, paint)] for event in graph.events]
    blocks += [[*_task(graph, task, paint)] for task in graph.tasks]
    if graph.unknown:
        lines = (line for send in graph.unknown for line in _row("sent by", send.function or "(module)", _at(send)))
        blocks.append([paint("bold", "events and tasks that cannot be known"), *lines])
    blocks += [[*_chains(graph, paint)], [*_workers(graph, imported, paint)]]
    return "\n".join("".join(f"{line}\n" for line in block) for block in blocks if block)


def _event(graph: Graph, event: str, paint: Paint) -> Iterator[str]:
    yield paint("bold", _cut(visible(event), WIDTH))
    sends, handlers = graph.sends.get(event, ()), graph.handlers.get(event, ())
    for send in sends:
        yield from _row("sent by", send.function or "(module)", _at(send))
    for handler in handlers:
        yield from _row("handled by", handler.name, f"{handler.place.file}:{handler.place.line}")
        yield from _in_turn(graph, handler)
    if not sends:
        yield f"{_INDENT}sent nowhere in this project"
    if not handlers:
        yield f"{_INDENT}handled nowhere in this project"


def _task(graph: Graph, task: Task, paint: Paint) -> Iterator[str]:
    yield paint("bold", _cut(f"task {visible(task.name)}", WIDTH))
    for send in graph.submissions_of(task):
        yield from _row("submitted by", send.function or "(module)", _at(send))
    yield from _row("run by", visible(task.worker) or "a worker", f"{task.place.file}:{task.place.line}")
    yield from _in_turn(graph, task)


def _in_turn(graph: Graph, sender: Handler | Task) -> Iterator[str]:
    """What a handler or task sends and submits."""
    sent = graph.sent_by(sender)
    events = dict.fromkeys(name for send in sent if send.kind == "event" for name in send.names)
    tasks = dict.fromkeys(name for send in sent if send.kind == "task" for name in send.names)
    for verb, names in (("sends", events), ("submits", tasks)):
        if names:
            yield from _wrapped(f"{_INDENT * 3}{verb} ", [visible(name) for name in names], ", ")


def _chains(graph: Graph, paint: Paint) -> Iterator[str]:
    chains = graph.chains()
    if chains:
        yield paint("bold", "chains")
    shown = 0
    for number, chain in enumerate(chains):
        if shown >= _MOST_LINES:
            yield f"{_INDENT}and {len(chains) - number} others, or more: `--format json` has them, a NAME shows fewer"
            return
        comes_round = chain[-1] in chain[:-1]
        steps = [visible(each) for each in chain]
        for line in _wrapped(_INDENT, [*steps[:-1], f"{steps[-1]} (again)" if comes_round else steps[-1]], " -> "):
            shown += 1
            yield line
    if len(chains) >= MOST_CHAINS:
        yield f"{_INDENT}and more: only {MOST_CHAINS} are listed"


def _workers(graph: Graph, imported: Mapping[str, frozenset[str] | None], paint: Paint) -> Iterator[str]:
    handlers = [handler for event in graph.events for handler in graph.handlers.get(event, ())]
    counts = Counter(each.worker for each in handlers)
    tasks = Counter(each.worker for each in graph.tasks)
    if counts or tasks:
        yield paint("bold", "workers")
    for worker in sorted({*counts, *tasks}):
        numbers = [counted(counts[worker], "handler"), *([counted(tasks[worker], "task")] if tasks[worker] else [])]
        yield from _row(visible(worker) or "(unknown)", ", ".join(numbers), "")
        files = {each.attached_in for each in handlers if each.worker == worker}
        files |= {each.place.file for each in graph.tasks if each.worker == worker}
        entries = [entry for entry, found in imported.items() if found is not None and not files.isdisjoint(found)]
        if entries:
            yield from _wrapped(f"{_INDENT * 2}entry files ", [visible(each) for each in entries], ", ")


def _row(verb: str, name: str, place: str) -> Iterator[str]:
    """One line with a verb, a name and a place; the place goes to the next line if there is no room."""
    left = f"{_INDENT}{verb} {visible(name)}"
    line = f"{left:<{_COLUMN}}  {visible(place)}".rstrip()
    if len(line) <= WIDTH:
        yield line
        return
    line = f"{left}  {visible(place)}"
    if len(line) <= WIDTH:
        yield line
        return
    yield _cut(left, WIDTH)
    yield _cut(f"{_INDENT * 3}{visible(place)}", WIDTH)


def _wrapped(head: str, parts: Sequence[str], separator: str) -> Iterator[str]:
    """Parts in a row, continued on the next line when a line is full."""
    line = head
    for number, part in enumerate(parts):
        text = part if number == len(parts) - 1 else part + separator.rstrip()
        if line.strip() and len(line) + len(text) > WIDTH and line != head:
            yield line.rstrip()
            line = " " * (len(head) - len(head.lstrip()) + 4)
        line += text + " "
        if len(line.rstrip()) > WIDTH:
            line = _cut(line.rstrip(), WIDTH)
    yield line.rstrip()


def _cut(text: str, width: int) -> str:
    """Shorten a text in the middle if there is no room for all of it."""
    if len(text) <= width:
        return text
    kept = width - 3
    return f"{text[: kept - kept // 2]}...{text[len(text) - kept // 2 :]}"


def _at(send: Send) -> str:
    return f"{send.place.file}:{send.place.line}"
