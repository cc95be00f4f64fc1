"""Functions that an event's `on` decorates: their names stand for handlers, which are the event as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upnext_codegen.names import values
from upnext_codegen.names.lookup import Spot

if TYPE_CHECKING:
    from upnext_codegen.names.evaluate import Evaluator
    from upnext_codegen.names.values import Value


def decorated(evaluator: Evaluator, function: values.FunctionRef) -> Value:
    """What the name of a function is bound to: a handler of the outermost decorator's event, else the function.

    What another decorator makes of a handler is not known, so the event is not known then.
    """
    known = evaluator.lookup.load(function.file)
    assert known is not None
    own = known.functions[function.index]
    for number, each in enumerate(own.decorators):
        event = _attaching(evaluator.value(each.value, Spot(function.file, own.scope, each.line, own.arms)))
        if event is not None:
            return values.Handled(event if number == 0 else values.EventValue(None), function)
    return function


def function_of(value: Value) -> Value:
    """The function behind a handler, and anything else as it is."""
    return value.target if isinstance(value, values.Handled) else value


def _attaching(decorator: Value) -> values.EventValue | None:
    match decorator:
        case values.Method(values.EventValue() as event, "on") | values.Attachment(event):
            return event
        case _:
            return None
