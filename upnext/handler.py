"""A function with the name and options under which a worker runs it."""

from __future__ import annotations

import difflib
import inspect
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from upnext.broker.handler_id import HandlerId
from upnext.broker.uniqueness import Uniqueness
from upnext.errors import ConfigError
from upnext.formerly import former_names
from upnext.names import brief, check_name, named
from upnext.payload.signature import Signature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from upnext.broker.handler_limits import HandlerLimits
    from upnext.options import Options


@dataclass(frozen=True, slots=True, eq=False)
class Handler:
    """A handler of an event, or a task.

    Attributes:
        id: Its identity on the server, `worker|event|name` (`worker||name` for a task); it survives a move to
            another module.
        subject: The event's name; for a task its own.
        name: What it is called within its event or worker.
        function: The user's function.
        options: How it is run.
        signature: What it takes.
        is_async: Whether it is a coroutine function; others run in threads.
    """

    id: str
    subject: str
    name: str
    function: Callable[..., Any]
    options: Options
    signature: Signature
    is_async: bool

    @property
    def is_task(self) -> bool:
        """Whether it is a task: its results are read by its declared return type."""
        return not self.id.split("|")[1]

    @property
    def uniqueness(self) -> Uniqueness | None:
        """What its waiting jobs are unique by; None if they are not."""
        if not self.options.unique:
            return None
        return Uniqueness.of(self.options.unique, former_names(self.signature.fields, self.name))

    @property
    def limits(self) -> HandlerLimits | None:
        """Its limits across all processes; None if it has none."""
        limits = self.options.limits
        if limits is None or limits.by is None:
            return limits
        names = former_names(self.signature.fields, self.name)
        return replace(limits, formerly=tuple(name for name, field in names.items() if field == limits.by))


def under_former_name(handler: Handler, event: str) -> Handler:
    """Return the same handler under a former name of its event: with the identity that it had then."""
    options = replace(handler.options, name=handler.name)
    return make_handler(handler.function, HandlerId.parse(handler.id).worker, event, options)


def make_handler(function: Callable[..., Any], worker: str, event: str | None, options: Options) -> Handler:
    """Validate a function and give it its identity.

    Args:
        function: What the user decorated.
        worker: The worker's name.
        event: The event's name, or None for a task.
        options: Its options.

    Raises:
        ConfigError: If it is not a plain function, is a method or a generator, has parameters that no payload can fill,
            has a bad name, or is limited or unique by a field that it does not have.
    """
    if not inspect.isroutine(function):
        msg = f"{named(function)} cannot be a handler: decorate a function (def or async def)."
        raise ConfigError(msg)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        msg = f"{function.__name__!r} cannot be a handler: generator functions are not supported. Return a value."
        raise ConfigError(msg)
    name = check_name("task" if event is None else "handler", options.name or function.__name__)
    subject = name if event is None else event
    handler = Handler(
        id=str(HandlerId(worker, event or "", name)),
        subject=subject,
        name=name,
        function=function,
        options=options,
        signature=Signature(function, subject, name),
        # A plain wrapper around a coroutine function returns a coroutine: it belongs in the event loop as well.
        is_async=inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(inspect.unwrap(function)),
    )
    _refuse_method(handler)
    if not set(named_fields(options)) <= set(handler.signature.parameters):
        check_named_fields(handler)
    return handler


def _refuse_method(handler: Handler) -> None:
    """Refuse a function that was decorated in the body of a class and takes `self`."""
    around = getattr(handler.function, "__qualname__", "").rpartition(".")[0]
    first = next(iter(handler.signature.parameters), "")
    if around and not around.endswith("<locals>") and first in {"self", "cls"}:
        msg = (
            f"Method {handler.function.__qualname__!r} cannot be a handler: no payload fills its parameter {first!r}. "
            "Decorate a function at module level, or a static method."
        )
        raise ConfigError(msg)


def named_fields(options: Options) -> dict[str, str]:
    """Return the fields that options name, each with the option that names it."""
    unique = options.unique
    names: Iterable[str] = (unique,) if isinstance(unique, str) else unique if isinstance(unique, tuple) else ()
    return dict.fromkeys(names, "unique") | ({} if options.by is None else {options.by: "by"})


def check_named_fields(handler: Handler) -> None:
    """Refuse options that name a field which the payload does not have.

    Raises:
        ConfigError: If a handler has such options, or an annotation cannot be resolved that may name the field.
    """
    named = named_fields(handler.options)
    fields = handler.signature.fields if named else {}
    for name, option in named.items():
        if name not in fields:
            near = difflib.get_close_matches(name, fields, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Its fields: {', '.join(fields) or 'none'}."
            raise ConfigError(
                f"Option {option}={brief(name)} of {handler.name!r} cannot be used: it has no such field. {hint}"
            )
