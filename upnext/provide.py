"""Parameters that a function fills for each job instead of the payload, such as a database session."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from enum import Enum, auto
from typing import TYPE_CHECKING, Annotated, Any, Final, Union, get_args, get_origin

from upnext.annotations import ALIASES, context_class
from upnext.context import Context
from upnext.default_markers import refuse_marker
from upnext.errors import ConfigError
from upnext.guarded_imports import type_hints
from upnext.names import brief

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Provided:
    """Marks a value that is provided."""

    def __repr__(self) -> str:
        return "PROVIDED"


PROVIDED: Final[Any] = _Provided()
"""A default for a parameter that is provided, so that type checkers ask no caller of a task for it."""


class Provide:
    """Declares, in `Annotated`, that a parameter of a handler or a task is provided instead of sent: it is not a field.

    Args:
        function: What provides it: a function, async or not, a generator function, async or not, that yields once, or
            a context manager. It is called once a job, and is closed after the handler. Its own parameters may be
            provided too, or a `Context`; others need a default.

    Raises:
        ConfigError: If it cannot be called.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        if not callable(function):
            raise ConfigError(f"Provide({brief(function)}) cannot be used: give the function that provides the value.")
        self.function = function

    def __repr__(self) -> str:
        """Show the function."""
        return f"Provide({name_of(self.function)})"

    def __eq__(self, other: object) -> bool:
        """Return whether it provides the same."""
        return isinstance(other, Provide) and other.function == self.function

    def __hash__(self) -> int:
        """Hash the function."""
        return hash(self.function)


class Kind(Enum):
    """How a provider is called, and whether its value is closed."""

    VALUE = auto()
    ASYNC_VALUE = auto()
    MANAGER = auto()
    ASYNC_MANAGER = auto()


class Provider:
    """A function that provides values, with the needs of its own parameters.

    Attributes:
        name: The function's name, for messages.
        call: What is called: the function, or what makes a context manager of it.
        kind: How.
        parameters: Its provided parameters.
        contexts: Its parameters that get the context, with the class that each asks for.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.name = name_of(function)
        self.call, self.kind = _how(function)
        self.parameters: dict[str, Provide] = {}
        self.contexts: dict[str, type[Context]] = {}
        hints = _hints_of(function)
        for parameter in _parameters_of(function):
            hint = hints.get(parameter.name)
            provide, context = provided_by(hint), context_class(hint, Context)
            by_name = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
            if provide is not None and by_name:
                self.parameters[parameter.name] = provide
            elif context is not None and by_name:
                self.contexts[parameter.name] = context
            elif parameter.default is parameter.empty and parameter.kind not in (
                parameter.VAR_POSITIONAL,
                parameter.VAR_KEYWORD,
            ):
                raise ConfigError(
                    f"Provider {self.name!r} cannot be called: nothing fills its parameter {parameter.name!r}. "
                    "Annotate it with upnext.Provide, or give it a default."
                )
            else:
                refuse_marker(parameter, self.name)


@functools.lru_cache(maxsize=4096)
def provider_of(function: Callable[..., Any]) -> Provider:
    """Return the description of a provider.

    Raises:
        ConfigError: If it cannot be called.
    """
    return Provider(function)


def check_providers(provided: Mapping[str, Provide], above: tuple[Callable[..., Any], ...] = ()) -> None:
    """Refuse providers that cannot be called or depend on themselves.

    Raises:
        ConfigError: If there is one.
    """
    for provide in provided.values():
        function = overridden(provide.function)
        if function in above:
            cycle = " -> ".join(name_of(one) for one in (*above[above.index(function) :], function))
            raise ConfigError(f"Providers need each other in a cycle: {cycle}.")
        check_providers(provider_of(function).parameters, (*above, function))


def provided_by(annotation: object) -> Provide | None:
    """Return the provider that an annotation names for its parameter, None if there is none."""
    origin: Any = get_origin(annotation) or annotation
    if isinstance(origin, ALIASES):
        return provided_by(origin.__value__)
    if origin is Annotated:
        first, *metadata = get_args(annotation)
        return next((one for one in reversed(metadata) if isinstance(one, Provide)), None) or provided_by(first)
    if origin in (Union, types.UnionType):
        others = [member for member in get_args(annotation) if member is not type(None)]
        return provided_by(others[0]) if len(others) == 1 else None
    return None


_overrides: dict[Callable[..., Any], Callable[..., Any]] = {}


@contextmanager
def overriding(function: Callable[..., Any], by: Callable[..., Any]) -> Generator[None]:
    """Replace a provider by another function, in the whole process, within the block: for tests."""
    missing = object()
    before: Any = _overrides.get(function, missing)
    _overrides[function] = by
    try:
        yield
    finally:
        if before is missing:
            _overrides.pop(function, None)
        else:
            _overrides[function] = before


def overridden(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function that currently replaces a provider."""
    return _overrides.get(function, function)


def _how(function: Callable[..., Any]) -> tuple[Callable[..., Any], Kind]:
    """Return what to call for a provider's value, or for the context manager around it."""
    if isinstance(function, type):
        if hasattr(function, "__aenter__"):
            return function, Kind.ASYNC_MANAGER
        return function, Kind.MANAGER if hasattr(function, "__enter__") else Kind.VALUE
    called = _called(function)
    if inspect.isasyncgenfunction(called):
        return asynccontextmanager(function), Kind.ASYNC_MANAGER
    if inspect.isgeneratorfunction(called):
        return contextmanager(function), Kind.MANAGER
    # Context managers made by contextlib only: an object that is returned may be shared with others.
    inner = inspect.unwrap(called)
    if inspect.isasyncgenfunction(inner):
        return function, Kind.ASYNC_MANAGER
    if inspect.isgeneratorfunction(inner):
        return function, Kind.MANAGER
    return function, Kind.ASYNC_VALUE if inspect.iscoroutinefunction(called) else Kind.VALUE


def _called(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function behind a partial or an object with `__call__`."""
    while isinstance(function, functools.partial):
        function = function.func
    return function if inspect.isroutine(function) else type(function).__call__


def _parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # a C function without a signature; it is called without arguments
        return []
    bound = function.keywords if isinstance(function, functools.partial) else {}
    return [parameter for parameter in parameters if parameter.name not in bound]


def _hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    target = function.__init__ if isinstance(function, type) else inspect.unwrap(_called(function))  # type: ignore[misc]
    if not hasattr(target, "__annotations__"):
        return {}
    try:
        return type_hints(target)
    except Exception as error:  # a string annotation is code, which may raise anything
        raise ConfigError(f"An annotation of provider {name_of(function)!r} cannot be resolved: {error}") from error


def name_of(function: Callable[..., Any]) -> str:
    """Return a provider's name, for messages."""
    return getattr(function, "__qualname__", None) or repr(function)
