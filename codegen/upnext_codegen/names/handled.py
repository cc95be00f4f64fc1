"""Functions that an event's `on` decorates: their names stand for handlers, which are the event as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upnext_codegen.names import values
from upnext_codegen.names.displays import turns
from upnext_codegen.names.lookup import Bound, Spot
from upnext_codegen.names.modules import ModuleRef
from upnext_codegen.names.suspicion import is_suspect
from upnext_codegen.reading import facts

if TYPE_CHECKING:
    from upnext_codegen.names.evaluate import Evaluator
    from upnext_codegen.names.lookup import Definition
    from upnext_codegen.names.values import Value

_DEEPEST = 20


def decorated(evaluator: Evaluator, function: values.FunctionRef) -> Value:
    """What the name of a function is bound to: a handler of the outermost decorator's event, else the function.

    What another decorator makes of a handler is not known, so the event is not known then.
    """
    known = evaluator.lookup.load(function.file)
    assert known is not None
    own = known.functions[function.index]
    for number, each in enumerate(own.decorators):
        if not is_suspect(each.value, evaluator.suspects):
            continue
        event = _attaching(evaluator.value(each.value, Spot(function.file, own.scope, each.line, own.arms)))
        if event is not None:
            return values.Handled(event if number == 0 else values.EventValue(None), function)
    return function


def function_of(value: Value) -> Value:
    """The function behind a handler, and anything else as it is."""
    return value.target if isinstance(value, values.Handled) else value


def functions_of(evaluator: Evaluator, expr: facts.Expr, spot: Spot, depth: int = 0) -> tuple[Value, ...]:
    """What is attached: one function, or one for each arm in which the name is bound; else whatever it is."""
    match expr:
        case facts.Choice(first, second):
            found = [*functions_of(evaluator, first, spot), *functions_of(evaluator, second, spot)]
        case facts.Name(name) if depth < _DEEPEST:
            found = _bound_to(evaluator, evaluator.lookup.name(spot, name), depth)
        case facts.Attr(base, attr) if isinstance(owner := evaluator.value(base, spot), ModuleRef):
            found = _bound_to(evaluator, evaluator.lookup.attribute(owner, attr, spot.file), depth)
        case _:
            found = []
    functions = [each for each in found if isinstance(each, values.FunctionRef | values.ClassRef)]
    return tuple(dict.fromkeys(functions)) or (function_of(evaluator.value(expr, spot)),)


def attached(evaluator: Evaluator, expr: facts.Expr, spot: Spot) -> list[tuple[Value, ...]]:
    """What a call attaches: one function after another where a loop runs over it, and what each of them can be."""
    return [functions_of(evaluator, *each) for each in turns(evaluator, expr, spot)]


def _bound_to(evaluator: Evaluator, found: tuple[Definition, ...], depth: int) -> list[Value]:
    result: list[Value] = []
    for each in found:
        what = each.binding.what if isinstance(each, Bound) else None
        if isinstance(each, Bound) and isinstance(what, facts.Assigned) and what.value is not None:
            spot = Spot(each.file, each.scope, each.binding.line, each.binding.arms)
            wraps_itself = isinstance(what.value, facts.Call) and _is_given(what.value, each.binding.name)
            if wraps_itself and depth < _DEEPEST:
                # `f = cached(f)`, as a decorator would have it.
                earlier = evaluator.lookup.name(spot, each.binding.name, without=each.binding)
                result += _bound_to(evaluator, earlier, depth + 1)
            else:
                result += functions_of(evaluator, what.value, spot, depth + 1)
        else:
            result.append(function_of(evaluator.defined((each,))))
    return result


def _is_given(call: facts.Call, name: str) -> bool:
    return any(arg.value == facts.Name(name) for arg in call.args)


def _attaching(decorator: Value) -> values.EventValue | None:
    match decorator:
        case values.Method(values.EventValue() as event, "on") | values.Attachment(event):
            return event
        case _:
            return None
