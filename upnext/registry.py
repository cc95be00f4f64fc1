"""Which handlers and tasks this process knows; a send is checked against all of them."""

from __future__ import annotations

import sys
import weakref
from typing import TYPE_CHECKING

from upnext.broker.handler_id import HandlerId
from upnext.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from upnext.handler import Handler
    from upnext.settings import Settings

_registries: weakref.WeakSet[Registry] = weakref.WeakSet()
_changes = 0
_adjust: Callable[[Settings], Settings] | None = None


class Registry:
    """The declarations of one worker.

    Args:
        worker: The worker's name.
        load: Settles the settings, when they are first needed.
    """

    def __init__(self, worker: str, load: Callable[[], Settings]) -> None:
        self.worker = worker
        self._load = load
        self._settings: Settings | None = None
        self.handlers: dict[str, Handler] = {}
        self.events: set[str] = set()
        self.extra: dict[str, str] = {}
        _registries.add(self)

    @property
    def settings(self) -> Settings:
        """The settings, read from the environment when they are first needed."""
        if self._settings is None:
            self._settings = self._load() if _adjust is None else _adjust(self._load())
        return self._settings

    def forget_settings(self) -> None:
        """Settle them again when they are next needed."""
        self._settings = None

    def declare(self, event: str, extra: str | None) -> None:
        """Note an event; of several declarations "forbid" wins.

        Raises:
            ConfigError: If `extra` is something else than "allow", "forbid" or None.
        """
        if extra not in (None, "allow", "forbid"):
            msg = f"Option extra={extra!r} of event {event!r} cannot be used: it must be 'allow' or 'forbid'."
            raise ConfigError(msg)
        self.events.add(event)
        if extra is not None and self.extra.get(event) != "forbid":
            self.extra[event] = extra
        _changed()

    def add(self, handler: Handler) -> None:
        """Add a handler or task.

        Raises:
            ConfigError: If another function has its identity already. (A module that is loaded again may replace its
                own functions.)
        """
        for registry in _registries:
            other = registry.handlers.get(handler.id)
            # The new function is not in its module yet: where it will be is told by its name.
            visible = registry is self or ("<locals>" not in handler.function.__qualname__)
            again = registry is self and other is not None and other.function is handler.function
            if other is None or not visible or (_same_source(other, handler) and not again):
                continue
            if registry is self or _is_global(other):
                kind = "Tasks" if HandlerId.parse(handler.id).is_task else "Handlers"
                raise ConfigError(
                    f"{kind} of worker {self.worker!r} share the name {handler.name!r}: {_place(other)} and "
                    f"{_place(handler)}. Give one of them another name with name=..."
                )
        self.handlers[handler.id] = handler
        _changed()


def adjust_settings(adjust: Callable[[Settings], Settings] | None) -> None:
    """Change the settings of every worker of this process from now on, whatever their arguments say.

    Args:
        adjust: Makes the settings to use of those that a worker has; None to leave them alone again.
    """
    global _adjust  # noqa: PLW0603  # for the whole process, as the environment is
    _adjust = adjust
    for registry in list(_registries):
        registry.forget_settings()


def changes() -> int:
    """Return a number that is another one after every declaration, for caches."""
    return _changes


def handlers_of(event: str, own: Registry) -> tuple[Handler, ...]:
    """Return every handler of an event that this process knows, sorted by identity.

    A function that no module has under its name, such as one that was defined inside another, is known to its own
    worker only: it may have been made for a moment, by a test perhaps, and still be in memory.

    Args:
        event: The event's name.
        own: The declarations that the sender belongs to.
    """
    found = {
        handler.id: handler
        for registry in _registries
        for handler in registry.handlers.values()
        if HandlerId.parse(handler.id).event == event and (registry is own or _is_global(handler))
    }
    return tuple(found[identity] for identity in sorted(found))


def forbids_extras(event: str, own: Registry) -> bool:
    """Say whether a declaration of an event refuses fields that no handler names; arguments as above."""
    return any(
        registry.extra.get(event) == "forbid"
        for registry in _registries
        if registry is own or any(_is_global(handler) for handler in registry.handlers.values())
    )


def _changed() -> None:
    global _changes  # noqa: PLW0603  # one counter for the process, read by caches
    _changes += 1


def _is_global(handler: Handler) -> bool:
    """Say whether the function is what its module has under its name, as it is or decorated."""
    found: object = sys.modules.get(handler.function.__module__)
    for name in handler.function.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is handler.function or getattr(found, "__wrapped__", None) is handler.function


def _same_source(one: Handler, other: Handler) -> bool:
    return _place(one) == _place(other) and one.function.__qualname__ == other.function.__qualname__


def _place(handler: Handler) -> str:
    code = getattr(handler.function, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(handler.function)
