"""Decorators that declare that they pass some positional arguments themselves: no payload fills those.

    def with_session(f: Callable[Concatenate[Session, P], R]) -> Callable[P, R]:
        @functools.wraps(f)
        def inner(*args: P.args, **kwargs: P.kwargs) -> R: ...

`functools.wraps` has `inspect.signature` show the function as if it were called directly, so what the decorator's own
annotations say is looked up by the name that the wrapper was compiled under.
"""

from __future__ import annotations

import builtins
import collections.abc
import inspect
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, Concatenate, NamedTuple, ParamSpec, get_args, get_origin, get_type_hints

import typing_extensions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_CONCATENATE = (Concatenate, typing_extensions.Concatenate)
_LOCALS = ".<locals>."


class _Step(NamedTuple):
    """The effect of one decorator.

    Attributes:
        passed: How many positional arguments it passes to the function itself.
        asked: How many it asks of its own callers.
    """

    passed: int
    asked: int


class _Names(dict[str, Any]):
    """The meaning of names in annotations that exist only for type checkers; others come from the module."""

    def __init__(self, known: Mapping[str, Any]) -> None:
        super().__init__()
        self._known = known

    def __missing__(self, name: str) -> Any:
        if name in self._known or hasattr(builtins, name):
            raise KeyError(name)
        return {"Callable": collections.abc.Callable, "Concatenate": Concatenate}.get(name, Any)


def parameters_of(function: Callable[..., object]) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of a function that callers of the decorated function fill.

    Raises:
        TypeError: If it is not a function.
        ValueError: If it does not tell its parameters.
    """
    left = [*inspect.signature(function).parameters.values()]
    for step in reversed([*_steps(function)]):
        positional = [each for each in left if each.kind in _POSITIONAL]
        left = [each for each in left if each not in positional[: step.passed]]
        asked = [inspect.Parameter(f"positional_{number}", _POSITIONAL[0]) for number in range(1, step.asked + 1)]
        left = [*asked, *left]
    return {each.name: each for each in left}


def _steps(function: Any) -> Iterator[_Step]:
    """Yield the effects of decorators, the outermost first, as far as `inspect.signature` looks."""
    while hasattr(function, "__wrapped__") and not hasattr(function, "__signature__"):
        step = _step(function)
        if step is not None:
            yield step
        function = function.__wrapped__


def _step(wrapper: object) -> _Step | None:
    """Read the annotations of the decorator that made a wrapper, None if it has none."""
    if not isinstance(wrapper, FunctionType):
        return None
    name, *inner = wrapper.__code__.co_qualname.split(_LOCALS)
    decorator = inspect.unwrap(wrapper.__globals__.get(name, wrapper))
    if not isinstance(decorator, FunctionType) or not _holds(decorator.__code__, wrapper.__code__, len(inner)):
        return None
    try:
        hints = get_type_hints(decorator, localns=_Names(wrapper.__globals__), include_extras=True)
    except Exception:  # noqa: BLE001 - what is written as text is code; the function itself then says what it takes
        return None
    returned = hints.get("return")
    if len(inner) == 1:
        first = next(iter(inspect.signature(decorator, follow_wrapped=False).parameters), "")
        return _between(hints.get(first), returned)
    match get_args(returned) if _is_callable(returned) else ():
        case ([taken], made):
            return _between(taken, made)
        case _:
            return None


def _holds(outer: CodeType, inner: CodeType, depth: int) -> bool:
    """Return whether one code object defines another, at the depth of a decorator with arguments at most."""
    if depth not in {1, 2}:
        return False
    defined = [each for each in outer.co_consts if isinstance(each, CodeType)]
    return inner in defined if depth == 1 else any(_holds(each, inner, 1) for each in defined)


def _between(taken: object, made: object) -> _Step | None:
    before, after = _positions(taken), _positions(made)
    if before is None or after is None or before[1] is not after[1]:
        return None
    return _Step(before[0], after[0])


def _positions(written: object) -> tuple[int, ParamSpec] | None:
    """Return how many positional arguments a `Callable` takes before those of a `ParamSpec`, and the latter."""
    if not _is_callable(written) or not get_args(written):
        return None
    taken = get_args(written)[0]
    before = get_args(taken) if get_origin(taken) in _CONCATENATE else (taken,)
    return (len(before) - 1, before[-1]) if isinstance(before[-1], ParamSpec) else None


def _is_callable(written: object) -> bool:
    callable_: object = collections.abc.Callable
    return get_origin(written) is callable_
