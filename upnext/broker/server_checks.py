"""What a server must support, and which of its settings lose jobs; used at worker start and by doctor."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OLDEST_REDIS: Final = (6, 2)
"""The oldest Redis that can be used; every Valkey can."""

_FULL = 0.9  # of maxmemory
_LARGEST_ANSWER = 16_000_000  # bytes: one connection waits for several, each with a few payloads or results


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check.

    Attributes:
        name: What it is about.
        status: "ok", "warn" or "fail".
        message: What was found.
        help: The way out; "" where none is needed.
    """

    name: str
    status: Literal["ok", "warn", "fail"]
    message: str
    help: str = ""


def read_info(reply: bytes) -> dict[str, str]:
    """Parse the reply to INFO."""
    lines = reply.decode(errors="replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))


def version(info: Mapping[str, str]) -> Check:
    """Check the server's version; an unknown one counts as new enough."""
    if "valkey_version" in info:
        return Check("server", "ok", f"Valkey {info['valkey_version']}")
    written = info.get("redis_version", "of an unknown version")
    found = re.match(r"(\d+)\.(\d+)", written)
    if found and (int(found[1]), int(found[2])) < OLDEST_REDIS:
        return Check("server", "fail", f"Redis {written} is too old", "use Redis 6.2 or newer, or Valkey")
    return Check("server", "ok", f"Redis {written}")


def rights(missing: Sequence[str], refusal: str = "") -> Check:
    """Check the permissions of this client.

    Args:
        missing: Commands that it may not run.
        refusal: What the server said to the script that tries them, if it did not run it.
    """
    way_out = "give its user the rights that `upnext explain rights` prints"
    if refusal:
        return Check("rights", "fail", f"scripts cannot be run: {refusal}", way_out)
    if missing:
        return Check("rights", "fail", f"this client may not run {', '.join(missing)}", way_out)
    return Check("rights", "ok", "this client may run every command and script that upnext uses")


def writes(info: Mapping[str, str], configured: Mapping[str, str]) -> Check:
    """Check whether the server accepts writes, and will for a while."""
    if info.get("rdb_last_bgsave_status", "ok") != "ok" and configured.get("stop-writes-on-bgsave-error") != "no":
        way_out = "look at its disk and its log, or set stop-writes-on-bgsave-error no"
        return Check("writes", "fail", "the last snapshot failed: the server may refuse every send (MISCONF)", way_out)
    if info.get("aof_enabled") == "1" and info.get("aof_last_write_status", "ok") != "ok":
        message = "the last write of the append-only file failed: the server refuses every send (MISCONF)"
        return Check("writes", "fail", message, "look at its disk and its log")
    wanted, there = int(configured.get("min-replicas-to-write") or 0), int(info.get("connected_slaves", "0"))
    if there < wanted:
        message = f"{there} of {wanted} replicas that it wants: the server refuses every send (NOREPLICAS)"
        return Check("writes", "fail", message, "bring its replicas back, or lower min-replicas-to-write")
    limit, used = int(info.get("maxmemory", "0")), int(info.get("used_memory", "0"))
    if limit and used >= limit and info.get("maxmemory_policy") == "noeviction":
        message = f"its memory is full ({used / limit:.0%} of maxmemory): the server refuses every send (OOM)"
        return Check("writes", "fail", message, "raise maxmemory, or look at the backlog with `upnext status`")
    if limit and used > _FULL * limit:
        message = f"{used / limit:.0%} of maxmemory are used: a full server refuses every send"
        return Check("writes", "warn", message, "raise maxmemory, or look at the backlog with `upnext status`")
    return Check("writes", "ok", "nothing keeps the server from storing what is sent")


def persistence(info: Mapping[str, str], configured: Mapping[str, str]) -> Check:
    """Check what a restart of the server would lose.

    Args:
        info: What the server says of itself.
        configured: Its settings, as far as this client may read them.
    """
    way_out = "set appendonly yes and appendfsync everysec (or always)"
    if info.get("aof_enabled", "1") == "1":
        if info.get("aof_last_write_status", "ok") != "ok":
            return Check("persistence", "fail", "the last write of the append-only file failed", "look at the disk")
        fsync = configured.get("appendfsync", "unknown")
        if fsync == "no":
            return Check("persistence", "warn", "appendfsync no: a crash of the machine loses up to 30 s", way_out)
        return Check("persistence", "ok", f"append-only file, appendfsync {fsync}")
    if configured.get("save") == "":
        return Check("persistence", "fail", "none: a restart of the server loses every job", way_out)
    message = "appendonly is off: a crash of the server loses what came after its last snapshot, if it makes any"
    return Check("persistence", "warn", message, way_out)


def eviction(info: Mapping[str, str]) -> Check:
    """Check what the server does when its memory is full."""
    policy = info.get("maxmemory_policy", "unknown")
    if policy in {"noeviction", "unknown"}:
        return Check("eviction", "ok", f"maxmemory-policy {policy}")
    lost = "pending jobs" if policy.startswith("allkeys") else "results and idempotency keys"
    message = f"maxmemory-policy is {policy}: when its memory is full it will silently throw away {lost}"
    return Check("eviction", "warn" if info.get("maxmemory", "0") == "0" else "fail", message, "set it to noeviction")


def answers(configured: Mapping[str, str]) -> list[Check]:
    """Check how much the server buffers for a slow client; nothing is reported if it is enough.

    Args:
        configured: Its settings, as far as this client may read them; of each class of clients it names the bytes above
            which a connection is closed, the bytes above which it is after some seconds, and these.
    """
    words = configured.get("client-output-buffer-limit", "").split()
    limits = [int(word) for word in words[1:3] if words[0] == "normal" and word.isdigit() and int(word)]
    if not limits or min(limits) >= _LARGEST_ANSWER:
        return []
    message = (
        f"client-output-buffer-limit normal is {min(limits):,} bytes: "
        "the server closes a connection that it has more to send, as large payloads or results"
    )
    return [Check("answers", "warn", message, f"set it to 0, or to {_LARGEST_ANSWER:,} and more")]


def role(info: Mapping[str, str]) -> Check:
    """Check whether the server accepts writes in its role."""
    if info.get("role") in {"slave", "replica"}:
        return Check("role", "fail", "the server is a replica, which stores nothing", "use the address of its primary")
    return Check("role", "ok", "the server takes writes")
