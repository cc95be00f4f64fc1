"""Calls that give a field of an event: of its handlers, and sends where a scan does not look."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import libcst as cst

from upnext_codegen.graph.selection import module_of
from upnext_codegen.records import is_elsewhere
from upnext_codegen.renames.references import imported, names_passed_on, uses

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from upnext_codegen.records import Handler
    from upnext_codegen.renames.edits import Edits
    from upnext_codegen.renames.plan import Sources

_SENDING = frozenset({"send", "send_sync"})


class Names(NamedTuple):
    """The dotted names of what can be called with the fields of an event.

    Attributes:
        functions: Its handlers: they can be called, and sent through.
        events: Variables that hold the event: they can be sent through.
    """

    functions: set[str]
    events: set[str]


def names_for(
    sources: Sources, events: Collection[str], handlers: Collection[Handler], read: Callable[[str], Edits | None]
) -> Names:
    """Return the names under which an event's handlers, and the event itself, can be imported.

    Args:
        sources: The project.
        events: The names that the event has, or had.
        handlers: Its handlers.
        read: Reads a file, None if it cannot be read.
    """
    found = Names(set(), set())
    for handler in handlers:
        if not is_elsewhere(handler.place):
            file = read(handler.place.file)
            function = None if file is None else file.function(handler.place)
            if function is not None:
                found.functions.update(
                    names_passed_on(f"{handler.module}.{function.name.value}", sources, read, aliased=True)
                )
    for each in sources.scan.declarations:
        if each.event in events:
            file = read(each.place.file)
            if file is None:
                continue
            calls = file.calls_at(each.place)
            module = module_of(each.place.file, sources.roots)
            for variable in _variables(file, calls):
                found.events.update(names_passed_on(f"{module}.{variable}", sources, read, aliased=True))
    return found


def calls_of(file: Edits, module: str, names: Names, field: str) -> Iterator[cst.Name]:
    """Yield the keywords that give a field in calls of an event's handlers, and in its sends.

    Those that are changed already are left out: to look up what names mean takes long.
    """
    aliases = {alias.evaluated_alias: alias.evaluated_name for _, alias in imported(file, module)}
    words = {name.rpartition(".")[2] for name in (*names.functions, *names.events)}
    found = [
        (called, each.keyword)
        for node in file.nodes
        if isinstance(node, cst.Call)
        for each in node.args
        if each.keyword is not None and each.keyword.value == field
        for called in _called(node)
        if aliases.get(called.value, called.value) in words or called.value in words
        if not file.is_changed(each.keyword)
    ]
    if not found:
        return
    functions = {node for node, _ in uses(file, module, names.functions, aliased=True)}
    events = {node for node, _ in uses(file, module, names.events, aliased=True)}
    for called, keyword in found:
        # An event cannot be called, only sent.
        if called in functions or called in events:
            yield keyword


def _called(call: cst.Call) -> Iterator[cst.Name]:
    """Yield the name that is called, and the one that is sent through."""
    func = call.func
    last = _last(func)
    if last is not None and last.value not in _SENDING:
        yield last
    elif isinstance(func, cst.Attribute):
        sender = func.value
        if isinstance(sender, cst.Call) and isinstance(sender.func, cst.Attribute):
            sender = sender.func.value if sender.func.attr.value == "options" else sender
        if (name := _last(sender)) is not None:
            yield name


def _variables(file: Edits, calls: list[cst.Call]) -> Iterator[str]:
    for statement in file.module.body:
        for small in statement.body if isinstance(statement, cst.SimpleStatementLine) else ():
            if isinstance(small, cst.Assign | cst.AnnAssign) and small.value in calls:
                targets = [each.target for each in small.targets] if isinstance(small, cst.Assign) else [small.target]
                yield from (each.value for each in targets if isinstance(each, cst.Name))


def _last(node: cst.BaseExpression) -> cst.Name | None:
    return node.attr if isinstance(node, cst.Attribute) else node if isinstance(node, cst.Name) else None
