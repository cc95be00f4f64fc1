"""Which events lead to which, from `upnext graph --format json` and the handlers of the lock and the fleet."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from upnext.broker.handler_id import HandlerId
from upnext.errors import ConfigError
from upnext_codegen.files.whole_file import read_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from upnext.broker.status import NamespaceStatus


@dataclass(frozen=True, slots=True)
class SentEvents:
    """What the sources say about sends.

    Attributes:
        modules: The module of each handler and task.
        leads_to: The events that each of them sends in turn.
        senders: The functions that send each event, with their files.
    """

    modules: Mapping[HandlerId, str] = field(default_factory=dict[HandlerId, str])
    leads_to: Mapping[HandlerId, tuple[str, ...]] = field(default_factory=dict[HandlerId, tuple[str, ...]])
    senders: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    @classmethod
    def read(cls, path: str) -> SentEvents:
        """Read a file.

        Raises:
            ConfigError: If it cannot be read, or is something else.
        """
        try:
            return cls._of(json.loads(read_whole(Path(path))))
        except OSError as error:
            raise ConfigError(f"--graph {path!r} cannot be read: {error.strerror or error}.") from error
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise ConfigError(
                f"--graph {path!r} does not hold what `upnext graph --format json` of this release prints: "
                f"{type(error).__name__} at {error}."
            ) from error

    @classmethod
    def _of(cls, graph: Any) -> SentEvents:
        handlers = [(event["name"], each) for event in graph["events"] for each in event["handlers"]]
        handlers += [("", each) for each in graph["tasks"]]
        known = {HandlerId(str(each["worker"]), str(event), str(each["name"])): each for event, each in handlers}
        return cls(
            modules={identity: str(each["module"]) for identity, each in known.items()},
            leads_to={identity: tuple(map(str, each["leads_to"])) for identity, each in known.items()},
            senders={str(event["name"]): tuple(_senders(event["sends"])) for event in graph["events"]},
        )

    def events(self, status: NamespaceStatus, lock: Mapping[HandlerId, str]) -> dict[str, list[dict[str, Any]]]:
        """Return the handlers of each event and of tasks (""): those of the fleet, of the lock, and of the sources.

        Args:
            status: How the namespace stands.
            lock: The handlers of the lock, with their modules.
        """
        queues = {queue.handler: queue for queue in status.queues}
        modules = {str(handler): module for handler, module in {**self.modules, **lock}.items()}
        processes: dict[str, int] = defaultdict(int)
        for worker in status.workers:
            for handler in worker.handlers if worker.alive else ():
                processes[handler] += 1
        graph: dict[str, list[dict[str, Any]]] = {unrouted.event: [] for unrouted in status.unrouted}
        graph |= {event: [] for events in (self.senders, *self.leads_to.values()) for event in events}
        for handler in sorted({*queues, *modules, *processes}):
            identity = HandlerId.parse(handler)
            graph.setdefault(identity.event, []).append(
                {
                    "id": handler,
                    "identity": identity,
                    "queue": queues.get(handler),
                    "module": modules.get(handler, ""),
                    "processes": processes.get(handler, 0),
                    "paused": handler in status.paused,
                    "leads_to": self.leads_to.get(identity, ()),
                }
            )
        return dict(sorted(graph.items(), key=lambda entry: (not entry[0], entry[0])))


def _senders(sends: Any) -> Iterator[str]:
    """Name each sending function once, with its file; code outside functions by its file only."""
    named = [f"{each['function']} in {each['file']}" if each["function"] else str(each["file"]) for each in sends]
    yield from dict.fromkeys(named)
