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
_FOLLOWED = frozenset({"partial", "cast", "assert_type", "reveal_type"})
_OURS = values.Method | values.Attachment | values.Doubtful


def handed_away(
    evaluator: Evaluator, call: facts.Call, spot: Spot
) -> Iterator[tuple[values.EventValue, facts.Argument]]:
    """Yield the events whose `.on` a call is given, each with the argument that it is."""
    given = [arg for arg in call.args if is_suspect(arg.value, evaluator.suspects)]
    found = [(event, arg) for arg in given if (event := _attached_by(evaluator.value(arg.value, spot))) is not None]
    if found and not _is_followed(evaluator.value(call.func, spot)):
        yield from found


def _attached_by(value: values.Value) -> values.EventValue | None:
    match value:
        case values.Method(values.EventValue() as event, "on") | values.Attachment(event):
            return event
        case _:
            return None


def _is_followed(func: values.Value) -> bool:
    if not isinstance(func, Outside):
        return isinstance(func, _OURS)
    return func.name in _LOOKING or func.name.startswith("inspect.") or func.name.rpartition(".")[2] in _FOLLOWED
