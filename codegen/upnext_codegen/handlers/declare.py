"""Calls of `Worker(...)` and `worker.event(...)` to declarations, and what is wrong with their names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from upnext_codegen import messages
from upnext_codegen.names import values
from upnext_codegen.names.arguments import argument
from upnext_codegen.names.ours import is_worker_class
from upnext_codegen.reading import facts
from upnext_codegen.records import Declaration, Place

if TYPE_CHECKING:
    from upnext_codegen.handlers.attach import Found
    from upnext_codegen.names.arguments import Given
    from upnext_codegen.names.evaluate import Evaluator
    from upnext_codegen.names.lookup import Spot


# The runtime has the same rule in upnext/names.py; a scan does without the runtime, and a test holds the two together.
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:/-]{0,199}")
_LONGEST = 200


def is_name(text: str) -> bool:
    """Whether an event or worker may have this name."""
    return NAME.fullmatch(text) is not None


def is_handler_name(text: str) -> bool:
    """Whether a handler may have this name: that of an event, or any that Python allows for a function."""
    return is_name(text) or (text.isidentifier() and len(text) <= _LONGEST)


def declare(evaluator: Evaluator, found: Found, site: facts.Site, spot: Spot) -> None:
    """Take in a call, if it makes a worker or an event."""
    call = site.call
    func = evaluator.value(call.func, spot)
    place = Place(spot.file, call.line, call.column)
    if isinstance(func, values.Method) and isinstance(func.owner, values.WorkerValue):
        _event(evaluator, found, func.owner, call, spot)
    elif isinstance(func, values.Doubtful) and func.kind == "worker":
        found.findings.append(messages.unknown_worker(place))
    elif is_worker_class(evaluator, func):
        _worker(evaluator, found, func, call, spot)


def _event(evaluator: Evaluator, found: Found, worker: values.WorkerValue, call: facts.Call, spot: Spot) -> None:
    place = Place(spot.file, call.line, call.column)
    given = argument(call, "name")
    name = evaluator.text(given, spot)
    if name is None:
        if given is not None and is_plainly_no_text(evaluator, given, spot):
            shown = shown_value(evaluator, given, spot)
            found.findings.append(messages.bad_name(_at(spot, given), "event", shown, typed=True))
        else:
            found.findings.append(messages.unknown_event_name(place))
    elif not is_name(name):
        found.findings.append(messages.bad_name(_at(spot, given) if given else place, "event", name))
    else:
        found.declarations.append(Declaration(name, worker.name or "", _extra(evaluator, found, call, spot), place))


def _worker(evaluator: Evaluator, found: Found, cls: values.Value, call: facts.Call, spot: Spot) -> None:
    place = Place(spot.file, call.line, call.column)
    name = evaluator.worker_name(call, cls, spot)
    found.workers.add(name if name and _stands_alone(evaluator, call, spot) else "")
    given = argument(call, "name")
    if name is None:
        if given is not None and is_plainly_no_text(evaluator, given, spot):
            shown = shown_value(evaluator, given, spot)
            found.findings.append(messages.bad_name(_at(spot, given), "worker", shown, typed=True))
        else:
            found.findings.append(messages.unknown_worker_name(place))
    elif not is_name(name):
        found.findings.append(messages.bad_name(_at(spot, given) if given else place, "worker", name))


def _stands_alone(evaluator: Evaluator, call: facts.Call, spot: Spot) -> bool:
    """Whether a call is all that a name at the top of its module is ever bound to."""
    known = evaluator.lookup.load(spot.file)
    bindings = known.scopes[0].bindings if known is not None else ()
    names = {each.name for each in bindings if each.what == facts.Assigned(call)}
    return bool(names) and all(sum(each.name == name for each in bindings) == 1 for name in names)


def is_plainly_no_text(evaluator: Evaluator, given: facts.Argument | Given, spot: Spot) -> bool:
    """Whether an argument is known, and known to be no string."""
    value = evaluator.value(given.value, spot)
    if isinstance(value, values.Constant):
        return not isinstance(value.value, str)
    return isinstance(value, values.Member) and isinstance(value.value, values.Constant)


def shown_value(evaluator: Evaluator, given: facts.Argument | Given, spot: Spot) -> str:
    """What a constant argument prints as, for messages."""
    value = evaluator.value(given.value, spot)
    return str(value.value) if isinstance(value, values.Constant) else getattr(value, "name", "?")


def _extra(evaluator: Evaluator, found: Found, call: facts.Call, spot: Spot) -> str | None:
    given = next((arg for arg in call.args if arg.keyword == "extra"), None)
    value = evaluator.text(given, spot)
    if value in {"allow", "forbid"}:
        return value
    if given is not None and (value is not None or is_plainly_no_text(evaluator, given, spot)):
        shown = messages.shown(value) if value is not None else shown_value(evaluator, given, spot)
        if shown != "None":
            place = _at(spot, given)
            found.findings.append(messages.bad_option(place, "extra", shown, '"allow" or "forbid"', typed=True))
    return None


def _at(spot: Spot, given: facts.Argument) -> Place:
    return Place(spot.file, given.line, given.column)
