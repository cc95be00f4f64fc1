"""What a worker announces when it starts, in the log and in its record on the server."""

from __future__ import annotations

import json
import os
import socket
import time
from typing import TYPE_CHECKING

from upnext import __version__
from upnext.broker.contracts import CONTRACTS, RELEASE
from upnext.broker.handler_id import HandlerId
from upnext.broker.handler_limits import LIMITS
from upnext.broker.results import MARKS_ENDS
from upnext.broker.schedules import SCHEDULES
from upnext.broker.uniqueness import UNIQUE
from upnext.limits import MAX_RELEASE
from upnext.log import log
from upnext.registry import declarations, is_global
from upnext.runner.unimported import main_module_twin
from upnext.settings import DEFAULT_NAMESPACE, without_password

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from upnext.runner.unimported import Lock
    from upnext.worker import Worker

_NAMES_IN_LOG = 30
_NAMES_ON_SERVER = 100


def announce(worker: Worker, url: str, lock: Lock, *, beside: Sequence[Worker], sends_only: bool) -> None:
    """Log which handlers a worker runs, and where they differ from those the project is known to have.

    Args:
        worker: The worker.
        url: The server's address.
        lock: The project's.
        beside: All workers that run in this process.
        sends_only: Whether an API runs beside the worker, which may be there for the API's sends alone.
    """
    identities = [HandlerId.parse(identity) for identity in worker.registry.handlers]
    namespace = worker.registry.settings.namespace
    log.info(
        "Worker %r runs %d handler(s) and task(s), %d at a time, %son %s%s",
        worker.name,
        len(identities),
        worker.concurrency,
        "" if namespace == DEFAULT_NAMESPACE else f"in namespace {namespace!r} ",
        without_password(url),
        f": {_listed(_shown(identity) for identity in identities)}" if identities else "",
    )
    if elsewhere := _on_namesakes(worker, beside):
        twin = main_module_twin()
        log.warning(
            "Another upnext.Worker(%r) in this process has handlers that do not run here: %s. %s",
            worker.name,
            _listed(elsewhere),
            f"The program is loaded twice, as '__main__' and as {twin!r}: start it with `upnext run`, or move the "
            "worker and its events into a module of their own."
            if twin
            else "Import one worker everywhere, or run both.",
        )
    elif not identities and not sends_only:
        log.warning(
            "Worker %r has no handlers and runs no jobs: import the modules that declare them in the file that is run",
            worker.name,
        )
    unimported = lock.unimported(worker.name, [each.registry for each in beside])
    _compare_with_lock(worker, lock, {} if sends_only and not identities else unimported)


def _compare_with_lock(worker: Worker, lock: Lock, unimported: Mapping[str, str]) -> None:
    if unimported:
        log.warning(
            "upnext.lock has handlers of worker %r that this process does not import: %s. "
            "Without a process that does, events are not delivered to them; if they are gone, run `upnext gen`.",
            worker.name,
            _listed(f"{HandlerId.within('', local).name} (module {module})" for local, module in unimported.items()),
        )
    if unlocked := lock.unlocked(worker.registry):
        log.warning(
            "Worker %r has handlers that upnext.lock does not have: %s. Type checkers check no send against them until "
            "`upnext gen` has run; it reports what it cannot read.",
            worker.name,
            _listed(map(_shown, unlocked)),
        )
    if refused := lock.refusals(worker.registry):
        log.warning(
            "Handlers of worker %r differ from upnext.lock, so that sends which type checkers accept fail here: %s. "
            "Run `upnext gen`, or deploy senders and workers from the same sources.",
            worker.name,
            _listed((f"{_shown(identity)} {', '.join(what)}" for identity, what in refused.items()), "; "),
        )


def record(worker: Worker, unimported: dict[str, str]) -> str:
    """Return what the server keeps about a worker while it lives, as JSON.

    `unimported` maps `event|name` to a module, as far as there is room.
    """
    return json.dumps(
        {
            "worker": worker.name,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "since": round(time.time()),
            "concurrency": worker.concurrency,
            "version": __version__,
            MARKS_ENDS: True,
            RELEASE: os.environ.get("UPNEXT_RELEASE", "")[:MAX_RELEASE],
            CONTRACTS: "",  # until they are published
            LIMITS: {HandlerId.parse(name).local: str(limits) for name, limits in worker.registry.limits.items()},
            UNIQUE: {HandlerId.parse(name).local: unique.named for name, unique in worker.registry.uniqueness.items()},
            SCHEDULES: sorted(HandlerId.parse(identity).local for identity in worker.registry.schedules),
            "handlers": sorted(HandlerId.parse(identity).local for identity in worker.registry.handlers),
            "unimported": dict(list(unimported.items())[:_NAMES_ON_SERVER]),
        }
    )


def _on_namesakes(worker: Worker, beside: Sequence[Worker]) -> list[str]:
    """Return the handlers that another worker of the same name has, and that no running worker has."""
    running = [each.registry for each in beside if each.name == worker.name]
    found = {
        identity
        for registry in declarations
        if registry.worker == worker.name and registry not in running
        for identity, handler in registry.handlers.items()
        if is_global(handler) and not any(identity in each.handlers for each in running)
    }
    return [_shown(HandlerId.parse(identity)) for identity in sorted(found)]


def _shown(identity: HandlerId) -> str:
    return f"{identity.name} (task)" if identity.is_task else f"{identity.name} ({identity.event})"


def _listed(names: Iterable[str], between: str = ", ") -> str:
    all_names = list(names)
    more = len(all_names) - _NAMES_IN_LOG
    return between.join(all_names[:_NAMES_IN_LOG]) + (f" and {more} more" if more > 0 else "")
