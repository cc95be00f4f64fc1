"""Calls that set a field of an event: of its handlers, and sends where a scan does not look."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import libcst as cst
from libcst.metadata import QualifiedNameSource

from upnext_codegen.graph.selection import module_of
from upnext_codegen.records import is_elsewhere
from upnext_codegen.renames.edits import walk
from upnext_codegen.renames.event_keys import keys_in, workers_of
from upnext_codegen.renames.references import dotted_names, names_of, variables

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Iterator

    from upnext_codegen.records import Handler
    from upnext_codegen.renames.edits import Edits
    from upnext_codegen.renames.plan import ProjectSources

_SEND_METHODS = frozenset({"send", "send_sync"})
_SUBMITTING = frozenset({"submit", "submit_sync"})
"""What gives the fields of a handler that is a task as well."""
_OPTION_METHODS = (".options", ".within")


class CallableNames(NamedTuple):
    """The dotted names that can be called with the fields of an event.

    Attributes:
        functions: Its handlers: they can be called, and sent through.
        events: Variables that hold the event: they can be sent through.
        workers: Variables on which it is declared: it is one of their `events`.
        keys: The names that it has there, or had.
    """

    functions: set[str]
    events: set[str]
    workers: set[str]
    keys: frozenset[str]


def names_for(
    sources: ProjectSources, events: Collection[str], handlers: Collection[Handler], read: Callable[[str], Edits | None]
) -> CallableNames:
    """Return the names by which an event's handlers, and the event itself, can be imported.

    Args:
        sources: The project.
        events: The names that the event has, or had.
        handlers: Its handlers.
        read: Reads a file, None if it cannot be read.
    """
    declared = [each for each in sources.scan.declarations if each.event in events]
    found = CallableNames(set(), set(), workers_of(sources, declared, read), frozenset(events))
    for handler in handlers:
        if not is_elsewhere(handler.place):
            file = read(handler.place.file)
            function = None if file is None else file.function(handler.place)
            if file is not None and function is not None:
                named = names_of(handler.module, file.qualname(function), sources, read, aliased=True)
                found.functions.update(named)
    for each in declared:
        file = read(each.place.file)
        if file is None:
            continue
        calls = file.calls_at(each.place)
        module = module_of(each.place.file, sources.roots)
        for variable, value in variables(file):
            if value in calls:
                found.events.update(names_of(module, variable, sources, read, aliased=True))
    return found


class FieldKeyword(NamedTuple):
    """A keyword that sets a field, or may: its call, and whether it certainly does."""

    call: cst.Call
    keyword: cst.Name
    is_certain: bool


def calls_of(
    file: Edits, module: str, names: CallableNames, field: str, known: Container[tuple[int, int]]
) -> Iterator[FieldKeyword]:
    """Yield the keywords that set a field, or may, in calls of an event's handlers and in its sends.

    Those that are changed already are left out: to look up what names mean takes long.

    Args:
        file: The file.
        module: The name of its module.
        names: Those of the handlers and events.
        field: The field.
        known: Where the sends start that a scan has seen: what they send is known.
    """
    found = [
        (node, each.keyword)
        for node in file.nodes
        if isinstance(node, cst.Call)
        for each in node.args
        if each.keyword is not None and each.keyword.value == field
        if not file.is_changed(each.keyword)
    ]
    keys = set(keys_in(file, module, names.workers, names.keys)) if found else set[cst.SimpleString]()
    for call, keyword in found:
        if _is_by_key(call, keys) or any(_gives(name, names) for name in dotted_names(file, module, call.func)):
            yield FieldKeyword(call, keyword, is_certain=True)
        elif file.place_of(call) not in known and _may_give(call, file, module, names):
            yield FieldKeyword(call, keyword, is_certain=False)


def _is_by_key(call: cst.Call, keys: Container[cst.SimpleString]) -> bool:
    """Whether a call is a send of `worker.events["order.placed"]`, possibly with options."""
    match call.func:
        case cst.Attribute(value=owner, attr=cst.Name(method)) if method in _SEND_METHODS:
            while isinstance(owner, cst.Call) and isinstance(owner.func, cst.Attribute):
                owner = owner.func.value
            match owner:
                case cst.Subscript(slice=[cst.SubscriptElement(slice=cst.Index(value=cst.SimpleString() as key))]):
                    return key in keys
                case _:
                    return False
        case _:
            return False


def _gives(called: str, names: CallableNames) -> bool:
    """Whether the callee takes the fields: a handler, or `send` of it or of an event, possibly with options."""
    if called in names.functions:
        return True
    owner, _, method = called.rpartition(".")
    while owner.endswith(_OPTION_METHODS):
        owner = owner.rpartition(".")[0]
    if owner in names.functions:
        return method in _SEND_METHODS or method in _SUBMITTING
    return method in _SEND_METHODS and owner in names.events


def _may_give(call: cst.Call, file: Edits, module: str, names: CallableNames) -> bool:
    """Whether a call may pass the fields on: of a variable, through a mock, or of an argument."""
    method = _last(call.func)
    if method is None:
        return False
    if method.value in _SEND_METHODS and isinstance(call.func, cst.Attribute):
        return not _is_imported(call.func.value, file)
    if method.value.startswith("assert_") or method.value == "call":
        return True
    if any(_is_of(each.value, file, module, names) for each in call.args if each.keyword is None):
        return True
    if isinstance(call.func, cst.Attribute):
        return method.value in {name.rpartition(".")[2] for name in names.functions} and not _is_imported(
            call.func, file
        )
    return any(value is not None and _is_of(value, file, module, names) for value in _values(file, method.value))


def _is_imported(node: cst.BaseExpression, file: Edits) -> bool:
    """Whether a name denotes something that the file imports."""
    known = file.qualified_names(node) if isinstance(node, cst.Name | cst.Attribute) else ()
    return bool(known) and all(each.source is QualifiedNameSource.IMPORT for each in known)


def _is_of(node: cst.CSTNode, file: Edits, module: str, names: CallableNames) -> bool:
    """Whether an expression involves an event, or a handler of it."""
    for each in walk(node):
        if isinstance(each, cst.Name | cst.Attribute):
            found = set(dotted_names(file, module, each))
            if not found.isdisjoint(names.functions) or not found.isdisjoint(names.events):
                return True
    return False


def _values(file: Edits, name: str) -> Iterator[cst.BaseExpression | None]:
    """Yield the values of a variable, wherever they are assigned."""
    for node in file.nodes:
        match node:
            case cst.Assign(targets=targets, value=value) if any(_is_named(each.target, name) for each in targets):
                yield value
            case cst.AnnAssign(target=target, value=value) | cst.NamedExpr(target=target, value=value):
                if _is_named(target, name):
                    yield value
            case _:
                pass


def _is_named(node: cst.BaseExpression, name: str) -> bool:
    return isinstance(node, cst.Name) and node.value == name


def _last(node: cst.BaseExpression) -> cst.Name | None:
    return node.attr if isinstance(node, cst.Attribute) else node if isinstance(node, cst.Name) else None
