"""Upcasters: functions that convert an old payload into one that the current handlers take.

They run in the worker, before a job's payload is read. A payload has no version; an old one is recognised by its
fields. It is passed to an upcaster if it fits the upcaster's TypedDict and either the handler refuses it, or it has a
field that the TypedDict names and the handler does not. The result may go to another upcaster; each is used once.
"""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Final, cast

from typing_extensions import is_typeddict

from upnext.errors import ConfigError, PayloadError
from upnext.guarded_imports import type_hints
from upnext.names import named
from upnext.payload.codec import Codec
from upnext.payload.round_trip import write
from upnext.payload.typed_dicts import typed_dict_fields
from upnext.registry import declarations

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from upnext.handler import Handler
    from upnext.registry import Registry

_RULE: Final = (
    "an upcaster takes an old payload, annotated as a TypedDict, and returns the fields that handlers take now"
)


class UpcastError(Exception):
    """Carries what an upcaster raised to the end of the attempt; user code never sees it.

    Attributes:
        upcaster: Which one.
        raised: What it raised.
    """

    def __init__(self, upcaster: Upcaster, raised: BaseException) -> None:
        self.upcaster = upcaster
        self.raised = raised
        super().__init__(f"upcaster {upcaster.name!r} of {upcaster.event!r}")


@dataclass(frozen=True, eq=False)
class Upcaster:
    """An upcaster of an event.

    Attributes:
        event: The event's name.
        function: The user's function.
    """

    event: str
    function: Callable[..., Any]

    @property
    def name(self) -> str:
        """The function's name."""
        return self.function.__name__

    @cached_property
    def _annotations(self) -> dict[str, Any]:
        try:
            return type_hints(inspect.unwrap(self.function))
        except Exception as error:
            raise ConfigError(f"An annotation of upcaster {self.name!r} cannot be resolved: {error}") from error

    @cached_property
    def takes(self) -> Codec:
        """Reads an old payload; further fields pass through unchanged.

        Raises:
            ConfigError: If its parameter is not annotated as a TypedDict.
        """
        (parameter,) = inspect.signature(self.function).parameters.values()
        annotation = self._annotations.get(parameter.name)
        if not is_typeddict(annotation):
            raise ConfigError(f"Parameter {parameter.name!r} of upcaster {self.name!r} is not a TypedDict: {_RULE}.")
        return Codec(typed_dict_fields(annotation), Any, self.event, self.name)

    @cached_property
    def gives(self) -> Codec | None:
        """Describes the fields that it returns; None if its annotation does not say."""
        annotation = self._annotations.get("return")
        return Codec(typed_dict_fields(annotation), Any, self.event, self.name) if is_typeddict(annotation) else None

    def prepare(self) -> None:
        """Build the schemas now, so that a bad annotation is found at the start and not at the first old payload.

        Raises:
            ConfigError: If an annotation cannot be resolved or checked.
        """
        self.takes.prepare()

    def upcast(self, body: bytes) -> bytes:
        """Return the JSON of the new payload.

        Raises:
            PayloadError: If the payload is not one that it takes.
            UpcastError: If the function raises, or returns something that cannot be a payload.
        """
        given = self.takes.decode(body)
        old = {name: value for name, value in given.items() if name in self.takes.fields}
        further = {name: value for name, value in given.items() if name not in self.takes.fields}
        try:
            return write({**further, **_fields(self.function(old))})
        except BaseException as error:
            raise UpcastError(self, error) from error


def _fields(returned: Any) -> dict[str, Any]:
    kind = type(returned).__name__
    if isinstance(returned, dict):
        fields = cast("dict[Any, Any]", returned)  # type: ignore[redundant-cast] # pyright asks
        if all(isinstance(name, str) for name in fields):
            return fields
    raise TypeError(f"it returned a {kind}, and must return a dict of field names")


def register(registry: Registry, event: str, function: Callable[..., Any]) -> None:
    """Add an upcaster to the declarations of a worker.

    Raises:
        ConfigError: If the function cannot be one.
    """
    if (
        not inspect.isroutine(function)
        or inspect.iscoroutinefunction(function)
        or inspect.isgeneratorfunction(function)
    ):
        raise ConfigError(f"{named(function)} cannot be an upcaster: decorate a plain function (def); {_RULE}.")
    parameters = [*inspect.signature(function).parameters.values()]
    if len(parameters) != 1 or parameters[0].kind not in {
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
    }:
        raise ConfigError(f"Upcaster {function.__name__!r} of {event!r} must take one parameter: {_RULE}.")
    known = registry.upcasters[event]
    # A reloaded module replaces its own functions.
    where = (function.__module__, function.__qualname__)
    known[:] = [each for each in known if (each.function.__module__, each.function.__qualname__) != where]
    known.append(Upcaster(event, function))
    declarations.has_upcasters = True
    declarations.changed()


def upcasters_of(handler: Handler) -> tuple[Upcaster, ...]:
    """Return the upcasters of a handler's event that this process knows, on any worker."""
    return () if handler.is_task else _upcasters(declarations.version, handler)


@lru_cache(maxsize=4096)
def _upcasters(version: int, handler: Handler) -> tuple[Upcaster, ...]:  # noqa: ARG001 - it is a part of the key
    found: list[Upcaster] = []
    for registry in declarations:
        is_own = registry.handlers.get(handler.id) is handler
        for event, upcasters in registry.upcasters.items():
            if event == handler.subject or handler.subject in registry.formerly.get(event, ()):
                found += [each for each in upcasters if is_own or _is_global(each.function)]
    return tuple(sorted(found, key=lambda each: (each.function.__module__, each.function.__qualname__)))


def _is_global(function: Callable[..., Any]) -> bool:
    """Whether the function is what its module has under its name; a test may have created others temporarily."""
    found: object = sys.modules.get(function.__module__)
    for name in function.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is function


def decode(handler: Handler, body: bytes) -> dict[str, Any]:
    """Turn the JSON of a payload, which may be an old one, into a handler's keyword arguments.

    Raises:
        PayloadError: If the handler cannot take it, and no upcaster makes a payload of it that the handler takes.
        UpcastError: If an upcaster raises.
    """
    upcasters = upcasters_of(handler)
    return _decode(handler, body, upcasters) if upcasters else handler.signature.codec.decode(body)


def _decode(handler: Handler, body: bytes, upcasters: Sequence[Upcaster]) -> dict[str, Any]:
    left, used = list(upcasters), list[str]()
    while True:
        arguments, refusal = _attempt(handler, body)
        for upcaster in _most_specific_first(left, arguments, handler):
            try:
                body = upcaster.upcast(body)
            except PayloadError:
                continue
            left.remove(upcaster)
            used.append(upcaster.name)
            break
        else:
            if refusal is not None and used:
                refusal.add_note(f"After upcaster {', '.join(used)}.")
            if refusal is not None:
                raise refusal
            return arguments or {}


def _attempt(handler: Handler, body: bytes) -> tuple[dict[str, Any] | None, PayloadError | None]:
    try:
        return handler.signature.decode(body), None
    except PayloadError as error:
        return None, error


def _most_specific_first(
    upcasters: Sequence[Upcaster], arguments: Mapping[str, Any] | None, handler: Handler
) -> list[Upcaster]:
    """Return the upcasters that a payload may need, the most demanding first.

    Args:
        upcasters: Those that were not used yet.
        arguments: What the handler makes of the payload, None if it refuses that.
        handler: The handler.
    """
    fields = handler.signature.fields
    wanted = [
        each
        for each in upcasters
        if arguments is None or any(name in each.takes.fields and name not in fields for name in arguments)
    ]
    return sorted(wanted, key=lambda each: -sum(required for _, required in each.takes.fields.values()))
