"""Calls that send an event or submit a task, whatever name they go by."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from upnext_codegen.handlers.declare import place_of
from upnext_codegen.names import values
from upnext_codegen.names.evaluator import SENDS, SUBMITS, Argument, plain_arguments
from upnext_codegen.records import Place, Send

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upnext_codegen.handlers.sites import CallSite
    from upnext_codegen.names.evaluator import Evaluator
    from upnext_codegen.names.scopes import Definition, Use


def sends_of(evaluator: Evaluator, func: values.Value, site: CallSite) -> Iterator[Send]:
    """Yield what a call of `func` sends, and what it is given that sends."""
    call, use, function = site
    match func:
        case values.Method(owner, attr) if attr in SENDS | SUBMITS:
            yield _send(owner, attr, evaluator.arguments(call, use), place_of(use, call), function)
        case values.PartialSend(values.Method(owner, attr), filled, made):
            given = (*evaluator.arguments(filled, made), *evaluator.arguments(call, use))
            yield _send(owner, attr, given, place_of(use, call), function)
        case values.Ambiguous("send", events):
            fields, hidden = _fields(evaluator.arguments(call, use))
            yield Send(
                "event", tuple(sorted(events)), "", "send", place_of(use, call), *_around(function), fields, hidden
            )
        case _:
            for each in plain_arguments(call, use):
                yield from _given(evaluator, each, use, function)


def _given(evaluator: Evaluator, given: Argument, use: Use, function: Definition | None) -> Iterator[Send]:
    """A bound `send` that is given to a call, which can call it with any fields."""
    if isinstance(given.value, ast.Call) or not evaluator.may_be_ours(use.scope, given.value):
        return
    match evaluator.value(given.value, use):
        case values.Method(owner, attr) if attr in SENDS | SUBMITS:
            yield _send(owner, attr, (), place_of(use, given.node), function, hidden=True)
        case values.PartialSend(values.Method(owner, attr), filled, made):
            arguments = evaluator.arguments(filled, made)
            yield _send(owner, attr, arguments, place_of(use, given.node), function, hidden=True)
        case _:
            pass


def _send(
    owner: values.WorkerValue | values.EventValue | values.TaskValue,
    method: str,
    given: tuple[Argument, ...],
    place: Place,
    function: Definition | None,
    *,
    hidden: bool = False,
) -> Send:
    fields, unknown = _fields(given)
    kind = "event" if isinstance(owner, values.EventValue) else "task"
    return Send(
        kind,
        (owner.name,) if owner.name is not None else (),
        getattr(owner, "worker", ""),
        method,
        place,
        *_around(function),
        fields,
        unknown or hidden,
    )


def _fields(given: tuple[Argument, ...]) -> tuple[tuple[str, ...], bool]:
    """The names of the fields, and whether there may be others."""
    named = tuple(dict.fromkeys(each.keyword for each in given if each.keyword not in {"", "*", "**"}))
    return named, any(each.keyword in {"*", "**", ""} for each in given)


def _around(function: Definition | None) -> tuple[str, Place | None]:
    """The dotted name of the function around a call, and where it is defined; "" and None outside of any."""
    if function is None:
        return "", None
    names = [function.name]
    scope = function.scope
    while scope.kind != "module" and scope.parent is not None:
        name = getattr(scope.node, "name", "")
        if name:
            names.append(name)
        scope = scope.parent
    node = getattr(function.binding, "node")  # noqa: B009 - a function's
    return ".".join(reversed(names)), Place(function.file, *function.scope.module.name_place(node))
