"""Compares a worker's handlers with those in the project's upnext.lock.

A handler that is in the lock but not imported by this process is never subscribed. No job is ever created for it, so
nothing waits in a queue where somebody could see it.
"""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from upnext.broker.handler_id import HandlerId
from upnext.log import log
from upnext.runner.lock_drift import LockedEvent, refusals

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from upnext.handler import Handler
    from upnext.registry import Registry

LOCK_NAME = "upnext.lock"
_PROJECT_ENDS = ("pyproject.toml", ".git")


class Lock:
    """The handlers that `upnext gen` found in a project, as its upnext.lock lists them.

    Args:
        modules: The module of each handler, by its identity.
        events: What it says of each event, by its name.
        folder: Where the project is; None if nothing is known of it.
    """

    def __init__(
        self,
        modules: Mapping[HandlerId, str],
        events: Mapping[str, LockedEvent] | None = None,
        folder: Path | None = None,
    ) -> None:
        self._modules = modules
        self._events = events or {}
        self._folder = folder

    @classmethod
    def beside(cls, start: Path | None) -> Lock:
        """Read the lock of the project around a file or folder; an unreadable lock counts as none."""
        path = None if start is None else _find(start)
        if path is None:
            return cls({})
        try:
            lock = json.loads(path.read_text(encoding="utf-8"))
            return cls(dict(_handlers(lock)), _events(lock, path), path.parent)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            log.warning("'%s' cannot be read (%s): run `upnext gen`", path, type(error).__name__)
            return cls({})

    @property
    def handlers(self) -> Mapping[HandlerId, str]:
        """The handlers, with their modules."""
        return self._modules

    def unimported(self, worker: str, running: Iterable[Registry]) -> dict[str, str]:
        """Return the handlers of a worker that this process does not have: `event|name` -> module.

        Args:
            worker: Its name.
            running: The declarations of all workers that run here; several may have the name.
        """
        here = {identity for registry in running for identity in registry.handlers}
        return {
            identity.local: module
            for identity, module in sorted(self._modules.items())
            if identity.worker == worker and str(identity) not in here
        }

    def unlocked(self, registry: Registry) -> list[HandlerId]:
        """Return the handlers of a worker in the project's own files that are missing from the lock."""
        return [
            HandlerId.parse(identity)
            for identity, handler in sorted(registry.handlers.items())
            if not handler.is_task and HandlerId.parse(identity) not in self._modules and self._has_file_of(handler)
        ]

    def _has_file_of(self, handler: Handler) -> bool:
        code = getattr(inspect.unwrap(handler.function), "__code__", None)
        if self._folder is None or code is None:
            return False
        try:
            file = Path(code.co_filename).resolve().relative_to(self._folder.resolve())
        except (OSError, ValueError):  # of a package that is installed elsewhere
            return False
        return not any(part.startswith(".") or part == "site-packages" for part in file.parts)

    def refusals(self, registry: Registry) -> dict[HandlerId, list[str]]:
        """Return what handlers of a worker refuse although the lock allows it."""
        found = {
            HandlerId.parse(identity): list(refusals(handler.signature, self._events[handler.subject]))
            for identity, handler in registry.handlers.items()
            if not handler.is_task and handler.subject in self._events
        }
        return {identity: what for identity, what in found.items() if what}


def start_folder() -> Path | None:
    """Return the folder of the running program, or else the current folder."""
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    return Path(file).resolve().parent if isinstance(file, str) else current_folder()


def current_folder() -> Path | None:
    """Return the current folder; None if it was deleted while this process was in it."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return None


def main_module_twin() -> str | None:
    """Return the second name under which the running program was imported, if it was.

    `python app.py` runs the file as `__main__`; a module that then says `from app import ...` loads it again, and what
    it attaches there is unknown to the first.
    """
    main = sys.modules.get("__main__")
    file = getattr(main, "__file__", None)
    if not isinstance(file, str):
        return None
    for name, module in list(sys.modules.items()):
        other = getattr(module, "__file__", None)
        if module is not main and isinstance(other, str) and Path(other).name == Path(file).name:
            try:
                if Path(other).samefile(file):
                    return name
            except OSError:  # one of them is inside an archive, or has gone
                continue
    return None


def _find(start: Path) -> Path | None:
    folder = start if start.is_dir() else start.parent
    for each in (folder, *folder.parents):
        if (each / LOCK_NAME).is_file():
            return each / LOCK_NAME
        if any((each / name).exists() for name in _PROJECT_ENDS):
            return None
    return None


def _events(lock: dict[str, Any], path: Path) -> dict[str, LockedEvent]:
    try:
        return {event: LockedEvent.of(contract) for event, contract in lock["events"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        # The handlers are known all the same.
        log.warning("'%s' cannot be read (%s): run `upnext gen`", path, type(error).__name__)
        return {}


def _handlers(lock: dict[str, Any]) -> Iterator[tuple[HandlerId, str]]:
    for event, contract in lock["events"].items():
        for handler in contract["handlers"].values():
            worker, name = handler["worker"], handler["name"]
            if isinstance(worker, str) and isinstance(name, str):
                yield HandlerId(worker, event, name), str(handler["module"])
