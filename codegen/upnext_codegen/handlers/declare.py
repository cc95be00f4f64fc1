"""Turns calls of `Worker(...)` and `worker.event(...)` into declarations, and checks their names."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from upnext_codegen import messages
from upnext_codegen.handlers import option_messages
from upnext_codegen.handlers.worker_options import check_worker_options
from upnext_codegen.names import values
from upnext_codegen.names.evaluator import Argument, argument, plain_arguments
from upnext_codegen.names.scopes import Assignment
from upnext_codegen.names.upnext_classes import is_worker_class
from upnext_codegen.reading.expression_text import text_of
from upnext_codegen.records import Declaration, Place

if TYPE_CHECKING:
    from upnext_codegen.findings import Finding
    from upnext_codegen.handlers.attach import Found
    from upnext_codegen.handlers.sites import DecoratorSite
    from upnext_codegen.names.evaluator import Evaluator
    from upnext_codegen.names.scopes import Use


# The runtime has the same rule in upnext/names.py; a scan does not import the runtime, and a test compares the two.
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:/-]{0,199}")
_LONGEST = 200


def is_name(text: str) -> bool:
    """Whether an event or worker may have this name."""
    return NAME.fullmatch(text) is not None


def is_handler_name(text: str) -> bool:
    """Whether a handler may have this name: that of an event, or any that Python allows for a function."""
    return is_name(text) or (text.isidentifier() and len(text) <= _LONGEST)


def place_of(use: Use, node: ast.expr | ast.arg) -> Place:
    """The place of a node."""
    return Place(use.file, *use.scope.module.place(node))


def declare(evaluator: Evaluator, found: Found, func: values.Value, call: ast.Call, use: Use) -> None:
    """Process a call of `func` if it creates a worker or an event."""
    if isinstance(func, values.Method) and isinstance(func.owner, values.WorkerValue) and func.name == "event":
        _event(evaluator, found, func.owner, call, use)
    elif isinstance(func, values.Ambiguous) and func.kind == "worker":
        found.findings.append(messages.unknown_worker(place_of(use, call)))
    elif is_worker_class(evaluator, func):
        _worker(evaluator, found, func, call, use)


def check_decorator(evaluator: Evaluator, found: Found, site: DecoratorSite) -> None:
    """Report a decorator that is an event, or declares one: it attaches no handler (UPN110)."""
    match evaluator.value(site.decorator, site.use):
        case values.EventValue() | values.Method(values.WorkerValue(), "event") as value:
            place = place_of(site.use, site.decorator)
            shown = text_of(site.decorator)
            declares = isinstance(value, values.Method) or isinstance(site.decorator, ast.Call)
            found.findings.append(messages.event_as_decorator(place, shown, declares=declares))
        case values.Method(values.WorkerValue(), "cron"):
            found.findings.append(option_messages.no_schedule(place_of(site.use, site.decorator), both=False))
        case _:
            pass


def _event(evaluator: Evaluator, found: Found, worker: values.WorkerValue, call: ast.Call, use: Use) -> None:
    place = place_of(use, call)
    given = argument(call, use, "name")
    name = evaluator.text(given)
    if name is None:
        if given is not None and is_known_not_to_be_text(evaluator, given):
            shown = shown_value(evaluator, given)
            found.findings.append(messages.bad_name(place_of(use, given.node), "event", shown, typed=True))
        else:
            found.findings.append(messages.unknown_event_name(place))
    elif not is_name(name):
        found.findings.append(messages.bad_name(place_of(use, given.node) if given else place, "event", name))
    else:
        formerly = _formerly(evaluator, found, name, call, use)
        extra = _extra(evaluator, found, call, use)
        found.declarations.append(Declaration(name, worker.name or "", extra, place, formerly))


def _formerly(evaluator: Evaluator, found: Found, event: str, call: ast.Call, use: Use) -> tuple[str, ...]:
    """The former names of an event; none, with a finding, if they are unknown or invalid."""
    given = next((each for each in plain_arguments(call, use) if each.keyword == "formerly"), None)
    if given is None:
        return ()
    place = place_of(use, given.node)
    held = evaluator.value(given.value, given.use)
    if not isinstance(held, values.ContainerValue) or not isinstance(held.node, ast.Tuple):
        found.findings.append(_no_names(evaluator, given, event, place))
        return ()
    names: list[str] = []
    for each in held.node.elts:
        item = given._replace(value=each, use=held.use)
        name = evaluator.text(item)
        at = place_of(held.use, each)
        if name is None and is_known_not_to_be_text(evaluator, item):
            found.findings.append(messages.bad_name(at, "event", shown_value(evaluator, item), typed=True))
        elif name is None:
            found.findings.append(messages.unknown_former_names(place, event))
        elif not is_name(name):
            found.findings.append(messages.bad_name(at, "event", name))
        elif name == event:
            rule = "the names that the event had before, not the one that it has now"
            found.findings.append(option_messages.bad_option(at, "formerly", messages.shown(name), rule))
        else:
            names.append(name)
    return tuple(dict.fromkeys(names))


def _no_names(evaluator: Evaluator, given: Argument, event: str, place: Place) -> Finding:
    """The advice about something that is not a tuple of former names, or may not be one."""
    value = evaluator.value(given.value, given.use)
    match value:
        case values.ContainerValue() | values.Constant() | values.MemberValue():
            text = evaluator.text(given)
            written = messages.shown(text) if text is not None else text_of(given.value)
            example = written if text is not None else '"order.placed"'
            rule = f"a tuple of earlier names, as in formerly=({example},)"
            return option_messages.unusable_option(place, "formerly", written, rule, typed=True)
        case _:
            return messages.unknown_former_names(place, event)


def _worker(evaluator: Evaluator, found: Found, cls: values.Value, call: ast.Call, use: Use) -> None:
    place = place_of(use, call)
    name = evaluator.worker_name(call, cls, use)
    found.workers.add(name if name and _stands_alone(call, use) else "")
    given = argument(call, use, "name")
    if name is None:
        if given is not None and is_known_not_to_be_text(evaluator, given):
            shown = shown_value(evaluator, given)
            found.findings.append(messages.bad_name(place_of(use, given.node), "worker", shown, typed=True))
        else:
            found.findings.append(messages.unknown_worker_name(place))
    elif not is_name(name):
        found.findings.append(messages.bad_name(place_of(use, given.node) if given else place, "worker", name))
    found.findings += check_worker_options(evaluator, cls, call, use)


def _stands_alone(call: ast.Call, use: Use) -> bool:
    """Whether a call is the only thing that a name at the top of its module is ever bound to."""
    definitions = [*use.scope.module.scope.every()]
    names = {each.name for each in definitions if isinstance(each.binding, Assignment) and each.binding.value is call}
    return bool(names) and all(sum(each.name == name for each in definitions) == 1 for name in names)


def is_known_not_to_be_text(evaluator: Evaluator, given: Argument) -> bool:
    """Whether an argument is known, and known not to be a string."""
    value = evaluator.value(given.value, given.use)
    if isinstance(value, values.Constant):
        return not isinstance(value.value, str)
    return isinstance(value, values.MemberValue) and isinstance(value.value, values.Constant)


def shown_value(evaluator: Evaluator, given: Argument) -> str:
    """The printed form of a constant argument, for messages."""
    value = evaluator.value(given.value, given.use)
    return str(value.value) if isinstance(value, values.Constant) else getattr(value, "name", "?")


def _extra(evaluator: Evaluator, found: Found, call: ast.Call, use: Use) -> str | None:
    given = next((each for each in plain_arguments(call, use) if each.keyword == "extra"), None)
    value = evaluator.text(given)
    if value in {"allow", "forbid"}:
        return value
    if given is not None and (value is not None or is_known_not_to_be_text(evaluator, given)):
        shown = messages.shown(value) if value is not None else shown_value(evaluator, given)
        if shown != "None":
            place = place_of(use, given.node)
            found.findings.append(option_messages.bad_option(place, "extra", shown, '"allow" or "forbid"', typed=True))
    return None
