"""Calls that give a field of an event: of its handlers, and sends where a scan does not look."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import libcst as cst

from upnext_codegen.graph.selection import module_of
from upnext_codegen.records import is_elsewhere
from upnext_codegen.renames.references import names_of, uses

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
    sources: Sources, events: Collection[str], handlers: Collection[Handler], read: Callable[[str], Edits]
) -> Names:
    """Return the names under which an event's handlers, and the event itself, can be imported."""
    found = Names(set(), set())
    for handler in handlers:
        if not is_elsewhere(handler.place):
            function = read(handler.place.file).function(handler.place)
            if function is not None:
                found.functions.update(_passed_on(f"{handler.module}.{function.name.value}", sources, read))
    for each in sources.scan.declarations:
        if each.event in events:
            file = read(each.place.file)
            calls = file.calls_at(each.place)
            module = module_of(each.place.file, sources.roots)
            for variable in _variables(file, calls):
                found.events.update(_passed_on(f"{module}.{variable}", sources, read))
    return found


def calls_of(file: Edits, module: str, names: Names, field: str) -> Iterator[cst.Name]:
    """Yield the keywords that give a field in calls of an event's handlers, and in its sends."""
    functions = {node for node, _ in uses(file, module, names.functions, aliased=True)}
    known = functions | {node for node, _ in uses(file, module, names.events, aliased=True)}
    for node in file.nodes:
        if not isinstance(node, cst.Call):
            continue
        called = node.func
        if _last(called) not in functions:
            if not isinstance(called, cst.Attribute) or called.attr.value not in _SENDING:
                continue
            sender = called.value
            if isinstance(sender, cst.Call) and isinstance(sender.func, cst.Attribute):
                sender = sender.func.value if sender.func.attr.value == "options" else sender
            if _last(sender) not in known:
                continue
        yield from (each.keyword for each in node.args if each.keyword is not None and each.keyword.value == field)


def _passed_on(name: str, sources: Sources, read: Callable[[str], Edits]) -> set[str]:
    last = name.rpartition(".")[2]
    files = [
        (module_of(path, sources.roots), read(path))
        for path, data in sources.holding(last, "import")
        if path.endswith("__init__.py") or b"__all__" in data
    ]
    return names_of(name, files)


def _variables(file: Edits, calls: list[cst.Call]) -> Iterator[str]:
    for statement in file.module.body:
        for small in statement.body if isinstance(statement, cst.SimpleStatementLine) else ():
            if isinstance(small, cst.Assign | cst.AnnAssign) and small.value in calls:
                targets = [each.target for each in small.targets] if isinstance(small, cst.Assign) else [small.target]
                yield from (each.value for each in targets if isinstance(each, cst.Name))


def _last(node: cst.BaseExpression) -> cst.CSTNode:
    return node.attr if isinstance(node, cst.Attribute) else node
