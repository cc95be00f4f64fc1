"""The names that a file gives to something of ours.

Something of ours is reached through `.on`, `.event` or `Worker`, or under a name that some file gives to one of these:
`make = worker.event`, `class Shop(Worker)`. Those names are found by working out what has a suspect name in it, until
there are no more of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from upnext_codegen.names import values
from upnext_codegen.names.modules import Outside
from upnext_codegen.names.ours import is_worker_class
from upnext_codegen.names.suspicion import FIRST, is_suspect
from upnext_codegen.reading import facts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upnext_codegen.names.evaluate import Evaluator
    from upnext_codegen.names.values import Value

_DEEPEST = 5


def given(evaluator: Evaluator, known: facts.Facts, file: str) -> dict[str, Value]:
    """Find the names that a file gives to something of ours that is not called `on`, `event` or `Worker` any more."""
    found: dict[str, Value] = {}
    for scope, binding in _suspects(known, evaluator.suspects):
        value = evaluator.defined(evaluator.lookup.follow(file, scope, binding))
        if _is_ours(evaluator, value):
            found[binding.name] = value
    return found


def _suspects(known: facts.Facts, names: frozenset[str]) -> Iterator[tuple[int, facts.Binding]]:
    for number, scope in enumerate(known.scopes):
        for binding in scope.bindings:
            if _may_give(binding, known, names):
                yield number, binding
        for binding in scope.attributes:
            if _may_give(binding, known, names):
                # The number of the method's own scope travels in the arms.
                yield binding.arms[0][0], binding._replace(arms=())


def _may_give(binding: facts.Binding, known: facts.Facts, names: frozenset[str]) -> bool:
    if binding.name in FIRST:
        return False
    match binding.what:
        case facts.Assigned(value):
            return is_suspect(value, names)
        case facts.DefinedClass(number):
            return any(is_suspect(base, names) for base in known.classes[number].bases)
        case facts.DefinedFunction(number):
            return any(is_suspect(each, names) for each in known.functions[number].returns)
        case facts.ImportFrom(_, _, name):
            return name in names and name != binding.name
        case _:
            return False


def _is_ours(evaluator: Evaluator, value: Value, depth: int = 0) -> bool:
    if depth > _DEEPEST:
        return False
    match value:
        case values.Method() | values.Attachment() | values.Doubtful("event" | "worker"):
            return True
        case values.Shown(facts.Display(_, items), spot):
            return any(_is_ours(evaluator, evaluator.value(item, spot), depth + 1) for item in items)
        case values.Shown(facts.Mapping(pairs), spot):
            return any(_is_ours(evaluator, evaluator.value(item, spot), depth + 1) for _, item in pairs)
        case values.FunctionRef():
            return _is_ours(evaluator, evaluator.returned(value), depth + 1)
        case values.ClassRef() | Outside():
            return is_worker_class(evaluator, value)
        case _:
            return False
