"""Calls that send an event or submit a task, under whatever name."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from upnext_codegen.flow.calls import place_of_name
from upnext_codegen.handlers.declare import place_of
from upnext_codegen.handlers.wrapped import is_wrapped
from upnext_codegen.names import values
from upnext_codegen.names.evaluator import SENDS, SUBMITS, Argument, plain_arguments
from upnext_codegen.records import IN_TRANSACTION, Send

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upnext_codegen.flow.standing import Standings
    from upnext_codegen.handlers.sites import CallSite
    from upnext_codegen.names.evaluator import Evaluator
    from upnext_codegen.names.scopes import Definition, Use
    from upnext_codegen.records import Place


def sends_of(evaluator: Evaluator, standings: Standings, func: values.Value, site: CallSite) -> Iterator[Send]:
    """Yield what a call of `func` sends, and its arguments that can send."""
    call, use, function = site
    match func:
        case values.Method(owner, attr) if attr in SENDS | SUBMITS:
            sent = _send(owner, attr, evaluator.arguments(call, use), place_of(use, call), function)
            yield _standing(sent, evaluator, standings, site)
        case values.PartialSend(values.Method(owner, attr), filled, made):
            given = (*evaluator.arguments(filled, made), *evaluator.arguments(call, use))
            yield _standing(_send(owner, attr, given, place_of(use, call), function), evaluator, standings, site)
        case values.Ambiguous("send", events):
            fields, hidden = _fields(evaluator.arguments(call, use))
            yield Send(
                "event", tuple(sorted(events)), "", "send", place_of(use, call), *_around(function), fields, hidden
            )
        case _:
            for each in plain_arguments(call, use):
                yield from _given(evaluator, each, use, function)


def _standing(sent: Send, evaluator: Evaluator, standings: Standings, site: CallSite) -> Send:
    """Add the position of the call in its function."""
    node = site.use.scope.module.tree if site.function is None else getattr(site.function.binding, "node")  # noqa: B009
    found = standings.of(node, site.call)
    lost = "" if sent.method.endswith("_sync") else found.lost
    options = _options(evaluator, site.call.func, site.use)
    always = found.always and not (site.function and is_wrapped(evaluator, values.FunctionRef(site.function)))
    return sent._replace(options=options, always=always, followed=found.followed, lost=lost)


def _options(evaluator: Evaluator, func: ast.expr, use: Use) -> tuple[str, ...]:
    """The names in `options(...)` before a send, `IN_TRANSACTION` for `within(...)`, "*" for unknown ones."""
    match func:
        case ast.Attribute(ast.Call(ast.Attribute(_, "within") as before, [_], [])):
            return (IN_TRANSACTION, *_options(evaluator, before, use))
        case ast.Attribute(ast.Call(ast.Attribute(before, "options"), [], keywords)):
            names = tuple(each.arg or "*" for each in keywords)
            is_within = (
                isinstance(before, ast.Call) and isinstance(before.func, ast.Attribute) and before.func.attr == "within"
            )
            return (IN_TRANSACTION, *names) if is_within else names
        case ast.Attribute(owner):
            plain = values.EventValue | values.HandlerValue | values.TaskValue
            return () if isinstance(evaluator.value(owner, use), plain) else ("*",)
        case _:
            return ("*",)


def _given(evaluator: Evaluator, given: Argument, use: Use, function: Definition | None) -> Iterator[Send]:
    """A bound `send` passed to a call, which may call it with any fields."""
    if isinstance(given.value, ast.Call) or not evaluator.may_be_upnext(use.scope, given.value):
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
    """The dotted name of the function around a call, and its place; "" and None outside functions."""
    if function is None:
        return "", None
    names = [function.name]
    scope = function.scope
    while scope.kind != "module" and scope.parent is not None:
        name = getattr(scope.node, "name", "")
        if name:
            names.append(name)
        scope = scope.parent
    return ".".join(reversed(names)), place_of_name(function)
