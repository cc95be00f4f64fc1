"""`.on` of an event that is given to a call: what that attaches stands nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upnext_codegen.names import values
from upnext_codegen.names.modules import Outside
from upnext_codegen.names.suspicion import is_suspect
from upnext_codegen.reading import facts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upnext_codegen.names.evaluate import Evaluator
    from upnext_codegen.names.lookup import Spot

_NAMES = """
    bool callable delattr dir getattr hasattr hash help id isinstance issubclass len print repr setattr staticmethod str
    type vars
"""
_LOOKING = frozenset(f"builtins.{name}" for name in _NAMES.split())
"""Functions of Python that attach nothing, or give on what they are given in a way that is followed."""
_LOOKING_MODULES = frozenset({"copy", "inspect", "logging", "pprint", "sys", "weakref"})
_TELLING = frozenset({"critical", "debug", "error", "exception", "format", "info", "log", "warning"})
_FOLLOWED = frozenset(
    {"partial", "cast", "assert_type", "reveal_type", "iscoroutinefunction", "wraps", "update_wrapper"}
)
_OURS = values.Method | values.Attachment | values.Doubtful


def handed_away(
    evaluator: Evaluator, call: facts.Call, spot: Spot
) -> Iterator[tuple[values.EventValue, facts.Argument]]:
    """Yield the events whose `.on` a call is given, each with the argument that it is."""
    given = [arg for arg in call.args if is_suspect(arg.value, evaluator.suspects)]
    events = [(_attached_by(evaluator.value(each, spot)), arg) for arg in given for each in _flat(arg.value)]
    found = [(event, arg) for event, arg in events if event is not None]
    if found and not _only_tells(call.func) and not _is_followed(evaluator.value(call.func, spot)):
        yield from found


def _flat(expr: facts.Expr) -> Iterator[facts.Expr]:
    match expr:
        case facts.Display(_, items):
            yield from items
        case facts.Mapping(pairs):
            yield from (item for _, item in pairs)
        case facts.Starred(inner):
            yield from _flat(inner)
        case _:
            yield expr


def _attached_by(value: values.Value) -> values.EventValue | None:
    match value:
        case values.Method(values.EventValue() as event, "on") | values.Attachment(event):
            return event
        case _:
            return None


def _only_tells(func: facts.Expr) -> bool:
    """Whether it is called like a method of a logger, or of a text."""
    return isinstance(func, facts.Attr) and func.attr in _TELLING


def _is_followed(func: values.Value) -> bool:
    if not isinstance(func, Outside):
        return isinstance(func, _OURS)
    module, _, name = func.name.rpartition(".")
    return func.name in _LOOKING or module in _LOOKING_MODULES or name in _FOLLOWED
