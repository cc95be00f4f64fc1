"""The handlers and tasks that this process knows; a send is checked against all of them."""

from __future__ import annotations

import sys
import weakref
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING

from upnext.broker.handler_id import HandlerId
from upnext.errors import ConfigError
from upnext.handler import under_former_name
from upnext.hooks import HookList
from upnext.log import log
from upnext.names import brief
from upnext.places import place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from upnext.broker.handler_limits import HandlerLimits
    from upnext.broker.uniqueness import Uniqueness
    from upnext.handler import Handler
    from upnext.schedule import Schedule
    from upnext.settings import Settings
    from upnext.upcasting import Upcaster


class Declarations:
    """The declarations of all workers in this process; lives as long as the process, and keeps no worker alive.

    Attributes:
        version: Another number after every declaration, for caches.
        has_upcasters: Whether any worker has declared an upcaster: each job asks.
    """

    def __init__(self) -> None:
        self.version = 0
        self.has_upcasters = False
        self._registries: weakref.WeakSet[Registry] = weakref.WeakSet()
        self._adjust: Callable[[Settings], Settings] | None = None

    def uniqueness_of(self, handler: str) -> Uniqueness | None:
        """Return what a handler's jobs are unique by, given its identity; None if this process does not know it."""
        found = [each.handlers[handler].uniqueness for each in self if handler in each.handlers]
        return found[0] if found else None

    def __iter__(self) -> Iterator[Registry]:
        """Iterate over the declarations of each worker."""
        return iter(list(self._registries))

    def add(self, registry: Registry) -> None:
        """Add a worker's declarations."""
        self._registries.add(registry)

    def forget(self, registry: Registry) -> None:
        """Stop checking sends against a worker's declarations, although the worker may still be in memory."""
        self._registries.discard(registry)
        self.changed()

    def changed(self) -> None:
        """Record that a worker declared something."""
        self.version += 1

    def adjust_settings(self, adjust: Callable[[Settings], Settings] | None) -> None:
        """Change the settings of every worker of this process from now on, whatever their arguments say.

        Args:
            adjust: Makes the settings to use of those that a worker has; None to leave them alone again.
        """
        self._adjust = adjust
        for registry in self:
            registry.forget_settings()

    def adjusted(self, settings: Settings) -> Settings:
        """Return the settings to use instead of a worker's own."""
        return settings if self._adjust is None else self._adjust(settings)

    def handlers_of(self, event: str, own: Registry) -> tuple[Handler, ...]:
        """Return every handler of an event that this process knows, sorted by identity.

        A function that no module has under its name, such as one that was defined inside another, is known to its own
        worker only: it may have been made for a moment, by a test perhaps, and still be in memory.

        Args:
            event: The event's name.
            own: The declarations that the sender belongs to.
        """
        found = {
            handler.id: handler
            for registry in self
            for handler in registry.handlers.values()
            if HandlerId.parse(handler.id).event == event and (registry is own or is_global(handler))
        }
        return tuple(found[identity] for identity in sorted(found))

    def forbids_extras(self, event: str, own: Registry) -> bool:
        """Return whether a declaration of an event forbids fields that no handler names; arguments as above."""
        return any(
            registry.extra.get(event) == "forbid"
            for registry in self
            if registry is own or any(is_global(handler) for handler in registry.handlers.values())
        )


class Registry:
    """The declarations of one worker.

    Args:
        worker: The worker's name.
        load: Resolves the settings, when they are first needed.
    """

    def __init__(self, worker: str, load: Callable[[], Settings]) -> None:
        self.worker = worker
        self._load = load
        self._settings: Settings | None = None
        self.handlers: dict[str, Handler] = {}
        self.events: set[str] = set()
        self.extra: dict[str, str] = {}
        self.formerly: defaultdict[str, list[str]] = defaultdict(list)
        self.upcasters: defaultdict[str, list[Upcaster]] = defaultdict(list)
        self.schedules: dict[str, Schedule] = {}
        self.hooks: HookList = HookList()
        self._runs = 0
        declarations.add(self)

    @property
    def settings(self) -> Settings:
        """The settings, read from the environment on first use."""
        if self._settings is None:
            self._settings = declarations.adjusted(self._load())
        return self._settings

    @property
    def limits(self) -> dict[str, HandlerLimits]:
        """Limits of handlers across all processes, by identity; handlers without limits are left out."""
        return {name: limits for name, handler in self.handlers.items() if (limits := handler.limits)}

    @property
    def uniqueness(self) -> dict[str, Uniqueness]:
        """What waiting jobs of its handlers are unique by, by identity; handlers without the option are left out."""
        return {name: unique for name, handler in self.handlers.items() if (unique := handler.uniqueness)}

    @contextmanager
    def at_work(self) -> Generator[None]:
        """Warn about anything declared within the block that the worker, having started, does not run it."""
        self._runs += 1
        try:
            yield
        finally:
            self._runs -= 1

    def forget_settings(self) -> None:
        """Resolve the settings again on next use."""
        self._settings = None

    def declare(self, event: str, extra: str | None, formerly: tuple[str, ...] = ()) -> None:
        """Record an event; among several declarations "forbid" wins, and all former names count.

        Args:
            event: Its name.
            extra: What becomes of fields that no handler names.
            formerly: The names that it had before.

        Raises:
            ConfigError: If `extra` is something else than "allow", "forbid" or None.
        """
        if extra not in (None, "allow", "forbid"):
            msg = f"Option extra={brief(extra)} of event {event!r} cannot be used: it must be 'allow' or 'forbid'."
            raise ConfigError(msg)
        self.events.add(event)
        for name in (event, *formerly):
            if extra is not None and self.extra.get(name) != "forbid":
                self.extra[name] = extra
        fresh = [name for name in dict.fromkeys(formerly) if name not in self.formerly[event]]
        self.formerly[event] += fresh
        for handler in [each for each in self.handlers.values() if not each.is_task and each.subject == event]:
            for name in fresh:
                self._add(under_former_name(handler, name))
        declarations.changed()

    def add(self, handler: Handler) -> None:
        """Add a handler or task.

        Raises:
            ConfigError: If another function has its identity already. (A module that is loaded again may replace its
                own functions.)
        """
        self._add(handler)
        for name in () if handler.is_task else self.formerly[handler.subject]:
            self._add(under_former_name(handler, name))

    def _add(self, handler: Handler) -> None:
        is_late = self._runs > 0 and handler.id not in self.handlers
        for registry in declarations:
            other = registry.handlers.get(handler.id)
            # The new function is not in its module yet: its name shows where it will be.
            visible = registry is self or ("<locals>" not in handler.function.__qualname__)
            again = registry is self and other is not None and other.function is handler.function
            if other is None or not visible or (_same_source(other, handler) and not again):
                continue
            if registry is self or is_global(other):
                kind = "Tasks" if HandlerId.parse(handler.id).is_task else "Handlers"
                places = place_of(other.function), place_of(handler.function)
                found = f"{places[0]} is attached twice" if places[0] == places[1] else " and ".join(places)
                raise ConfigError(
                    f"{kind} of worker {self.worker!r} share the name {handler.name!r}: {found}. Give one of them "
                    "another name with name=..."
                )
        self.handlers[handler.id] = handler
        declarations.changed()
        if is_late:
            kind, of = ("Task", "") if handler.is_task else ("Handler", f" of event {handler.subject!r}")
            log.warning(
                "%s %r%s (%s) was declared after worker %r had started, so it does not run here: import its module "
                "before the worker starts",
                kind,
                handler.name,
                of,
                place_of(handler.function),
                self.worker,
            )


declarations = Declarations()
"""Those of this process."""


def is_global(handler: Handler) -> bool:
    """Return whether the function is what its module has under its name, decorated or not."""
    found: object = sys.modules.get(handler.function.__module__)
    for name in handler.function.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is handler.function or getattr(found, "__wrapped__", None) is handler.function


def _same_source(one: Handler, other: Handler) -> bool:
    return _source(one) == _source(other)


def _source(handler: Handler) -> tuple[object, ...]:
    function, code = handler.function, getattr(handler.function, "__code__", None)
    where = (code.co_filename, code.co_firstlineno) if code else (repr(function),)
    return *where, function.__qualname__
