"""What `upnext doctor` makes of what it has read: one check after the other, each with a way out."""

from __future__ import annotations

import platform
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from upnext import __version__
from upnext.cli.fleet import blocked_workers, missing_handlers, starving_jobs

if TYPE_CHECKING:
    from upnext.broker.handler_id import HandlerId
    from upnext.broker.status import NamespaceStatus

_OLDEST = {"redis": (6, 2), "valkey": (8, 0)}
_SKEW = 1.0  # seconds
_FULL = 0.9  # of maxmemory
_NAMED = 3  # of many names


@dataclass(frozen=True, slots=True)
class Check:
    """One line: `status` is "ok", "warn" or "fail", `help` the way out, "" where none is needed."""

    name: str
    status: str
    message: str
    help: str = ""


def version(info: Mapping[str, str]) -> Check:
    """Judge the server's version."""
    kind = "valkey" if "valkey_version" in info else "redis"
    written = info.get(f"{kind}_version", "0")
    found = tuple(int(part) for part in re.findall(r"\d+", written)[:2])
    oldest = _OLDEST[kind]
    if found < oldest:
        return Check("server", "fail", f"{kind} {written}", f"use {kind} {oldest[0]}.{oldest[1]} or newer")
    return Check("server", "ok", f"{kind} {written}")


def rights(missing: Sequence[str], refusal: str = "") -> Check:
    """Judge what this client may do: `refusal` is what the server said to the script that tries."""
    way_out = "give its user the rights that docs/running.md lists"
    if refusal:
        return Check("rights", "fail", f"scripts cannot be run: {refusal}", way_out)
    if missing:
        return Check("rights", "fail", f"this client may not run {', '.join(missing)}", way_out)
    return Check("rights", "ok", "this client may run every command and script that upnext uses")


def writes(info: Mapping[str, str], configured: Mapping[str, str]) -> Check:
    """Judge whether the server takes writes now, and will for a while."""
    if info.get("rdb_last_bgsave_status", "ok") != "ok" and configured.get("stop-writes-on-bgsave-error") != "no":
        way_out = "look at its disk and its log, or set stop-writes-on-bgsave-error no"
        return Check("writes", "fail", "the last snapshot failed: the server may refuse every send (MISCONF)", way_out)
    wanted, there = int(configured.get("min-replicas-to-write") or 0), int(info.get("connected_slaves", "0"))
    if there < wanted:
        message = f"{there} of {wanted} replicas that it wants: the server refuses every send (NOREPLICAS)"
        return Check("writes", "fail", message, "bring its replicas back, or lower min-replicas-to-write")
    limit, used = int(info.get("maxmemory", "0")), int(info.get("used_memory", "0"))
    if limit and used > _FULL * limit:
        message = f"{used / limit:.0%} of maxmemory are used: a full server refuses every send"
        return Check("writes", "warn", message, "raise maxmemory, or look at the backlog with `upnext status`")
    return Check("writes", "ok", "nothing keeps the server from storing what is sent")


def persistence(info: Mapping[str, str], configured: Mapping[str, str]) -> Check:
    """Judge what a restart of the server would lose."""
    way_out = "set appendonly yes and appendfsync everysec (or always)"
    if info.get("aof_enabled") == "1":
        if info.get("aof_last_write_status", "ok") != "ok":
            return Check("persistence", "fail", "the last write of the append-only file failed", "look at the disk")
        fsync = configured.get("appendfsync", "unknown")
        if fsync == "no":
            return Check("persistence", "warn", "appendfsync no: a crash of the machine loses up to 30 s", way_out)
        return Check("persistence", "ok", f"append-only file, appendfsync {fsync}")
    if configured.get("save", "unknown") == "":
        return Check("persistence", "fail", "none: a restart of the server loses every job", way_out)
    return Check("persistence", "warn", "snapshots only: a crash of the server loses what came after the last", way_out)


def eviction(info: Mapping[str, str]) -> Check:
    """Judge what the server does when its memory is full."""
    policy, limit = info.get("maxmemory_policy", "unknown"), info.get("maxmemory", "0")
    if policy in {"noeviction", "unknown"}:
        return Check("eviction", "ok", f"maxmemory-policy {policy}")
    status = "warn" if limit == "0" else "fail"
    return Check(
        "eviction", status, f"maxmemory-policy {policy} deletes jobs when memory is full", "set it to noeviction"
    )


def role(info: Mapping[str, str]) -> Check:
    """Judge whether the server takes writes."""
    if info.get("role") in {"slave", "replica"}:
        return Check("role", "fail", "the server is a replica, which stores nothing", "use the address of its primary")
    return Check("role", "ok", "the server takes writes")


def clock(skew: float, uncertain: float) -> Check:
    """Judge how far this machine's clock is from the server's."""
    if abs(skew) - uncertain > _SKEW:
        return Check("clock", "warn", f"{skew:+.1f} s from this machine to the server", "set both by NTP")
    return Check("clock", "ok", "this machine and the server agree within a second")


def partitions(sent: int, served: int) -> Check:
    """Judge whether senders that are set as this process is use every partition."""
    if sent < served:
        message = f"senders with the settings of this process use {sent} of {served}"
        return Check("partitions", "warn", message, f"set UPNEXT_PARTITIONS={served}, for workers and senders alike")
    return Check("partitions", "ok", f"{served}")


def fleet(standing: NamespaceStatus, lock: Mapping[HandlerId, str], crashed: Mapping[str, int]) -> Iterator[Check]:
    """Judge the workers, and what nobody takes.

    Args:
        standing: The namespace.
        lock: The handlers of the project at hand, with their modules.
        crashed: How many jobs of each handler killed their workers lately.
    """
    yield from _workers(standing, lock)
    yield from _jobs(standing, crashed)


def _workers(standing: NamespaceStatus, lock: Mapping[HandlerId, str]) -> Iterator[Check]:
    alive = [worker for worker in standing.workers if worker.alive]
    if len(alive) < len(standing.workers):
        dead = len(standing.workers) - len(alive)
        way_out = "run a worker: the living take over what dead ones hold"
        yield Check("workers", "warn", f"{len(alive)} alive, {dead} dead that are not cleared away yet", way_out)
    else:
        yield Check("workers", "ok", f"{len(alive)} alive")
    others = sorted({worker.version for worker in alive} - {__version__})
    if others:
        message = f"workers run upnext {', '.join(others)}, this is {__version__}"
        yield Check("versions", "warn", message, "bring them to one version when you can")
    for line in blocked_workers(standing)[:_NAMED]:
        way_out = "see the stack in its log; what blocks must run in a thread (a handler that is not async), or await"
        yield Check("blocked", "warn", line, way_out)
    for line in starving_jobs(standing)[:_NAMED]:
        way_out = "see in `upnext status` whether a worker has the handler that it waits for, and what keeps its slots"
        yield Check("waits", "warn", line, way_out)
    if missing := missing_handlers(standing, lock):
        message = f"no worker has imported {_named(missing)}: events are not delivered to them"
        yield Check(
            "handlers",
            "warn",
            message,
            "import their modules in the file that is run, or run `upnext gen` if they are gone",
        )


def _jobs(standing: NamespaceStatus, crashed: Mapping[str, int]) -> Iterator[Check]:
    if standing.paused:
        yield Check("paused", "warn", f"paused: {_named(sorted(standing.paused))}", "`upnext handlers resume HANDLER`")
    parked = sorted(queue.handler for queue in standing.queues if queue.parked)
    if parked:
        message = f"no living worker takes the jobs of {_named(parked)}"
        yield Check(
            "queues",
            "warn",
            message,
            "run a worker that has these handlers, or `upnext unsubscribe` those that are no more",
        )
    else:
        yield Check("queues", "ok", "every job that waits has a living worker")
    if standing.unrouted:
        names = ", ".join(unrouted.event for unrouted in standing.unrouted[:3])
        yield Check(
            "events", "warn", f"sent, but no handler has ever connected: {names}", "run a worker, or stop sending"
        )
    if crashed:
        message = f"{sum(crashed.values()):,} job(s) killed their workers within a day: {_named(crashed)}"
        yield Check("crashed", "warn", message, "see `upnext dead list --reason crashed`")
    if standing.dead:
        yield Check("dead", "warn", f"{standing.dead:,} dead letter(s)", "see `upnext dead list`, then replay or purge")


def _named(names: Collection[str]) -> str:
    """List a few names."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(list(names)[:_NAMED])}{more}"


def libraries() -> Check:
    """Say what is installed here."""
    from importlib import metadata  # noqa: PLC0415 - all commands load this module, and one needs what takes that long

    found = ", ".join(f"{name} {metadata.version(name)}" for name in ("redis", "hiredis", "pydantic"))
    return Check("libraries", "ok", f"upnext {__version__}, Python {platform.python_version()}, {found}")
