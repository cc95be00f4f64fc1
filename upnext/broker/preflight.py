"""What a worker asks of its server before it begins: whether it will do, and whether it may lose what it is given."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from upnext.broker.dialer import UnfitServerError
from upnext.broker.scripts import script

if TYPE_CHECKING:
    from upnext.broker.connection import PipelinedConnection
    from upnext.broker.keys import Keys

OLDEST = (6, 2)
"""The oldest Redis that will do; every Valkey does."""

CONNECTION_RIGHTS = ("client|setname", "select", "info", "cluster|slots", "eval", "evalsha", "time")
"""Commands without a key of ours; of these, a server of its own needs neither `cluster` nor `select`."""

# Each is tried on one key. It holds nothing for SET XX, and a hash for the rest: they change nothing there, or fail.
KEY_COMMANDS: dict[str, tuple[str, ...]] = {
    "SET": ("", "XX"),
    "HSET": ("f", "v"),
    "BLPOP": ("0.001",),
    "EXISTS": (),
    "EXPIRE": ("60",),
    "GET": (),
    "HEXISTS": ("f",),
    "HGET": ("f",),
    "HGETALL": (),
    "HKEYS": (),
    "HLEN": (),
    "HMGET": ("f",),
    "HSCAN": ("0",),
    "HSETNX": ("f", "v"),
    "LINDEX": ("0",),
    "LLEN": (),
    "LPUSH": ("v",),
    "LRANGE": ("0", "0"),
    "LTRIM": ("0", "0"),
    "RPUSH": ("v",),
    "SADD": ("v",),
    "SCARD": (),
    "SISMEMBER": ("v",),
    "SMEMBERS": (),
    "SMISMEMBER": ("v",),
    "SREM": ("v",),
    "SSCAN": ("0",),
    "ZADD": ("0", "v"),
    "ZCARD": (),
    "ZCOUNT": ("0", "0"),
    "ZRANGE": ("0", "0"),
    "ZRANGEBYSCORE": ("0", "0"),
    "ZRANK": ("v",),
    "ZREM": ("v",),
    "ZSCORE": ("v",),
    "HDEL": ("f",),
}
"""Every command on a key of ours, with words that make it complete; the last one takes the key away again."""


async def check_server(link: PipelinedConnection, keys: Keys) -> list[str]:
    """Ask the server what it is.

    Returns:
        What its owner should know: settings with which it may lose what it has accepted.

    Raises:
        UnfitServerError: If it is too old, or this client may not run a command that it needs.
        redis.exceptions.RedisError: Whatever the server or the connection makes of it.
    """
    facts = read_info(await link.command("INFO"))
    found = re.match(r"(\d+)\.(\d+)", facts.get("redis_version", ""))
    if "valkey_version" not in facts and found and (int(found[1]), int(found[2])) < OLDEST:
        raise UnfitServerError(f"it is Redis {facts['redis_version']}; upnext needs Redis 6.2 or newer, or Valkey")
    refused = ", ".join(await missing_rights(link, keys))
    if refused:
        raise UnfitServerError(
            f"this user has no permission to run {refused}; docs/running.md lists the rights it needs"
        )
    return _dangers(facts)


async def missing_rights(link: PipelinedConnection, keys: Keys) -> list[str]:
    """Return the commands on our keys that this client may not run; raises if it may not run scripts at all."""
    words: list[Any] = []
    for command, rest in KEY_COMMANDS.items():
        words += [command, len(rest), *rest]
    refused: list[bytes] = await link.call(script("probe"), (keys.probe,), words)
    return [command.decode() for command in refused]


def read_info(reply: bytes) -> dict[str, str]:
    """Read the answer to INFO."""
    lines = reply.decode(errors="replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))


def _dangers(facts: dict[str, str]) -> list[str]:
    dangers: list[str] = []
    policy = facts.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        lost = "pending jobs" if policy.startswith("allkeys") else "results and idempotency keys"
        dangers.append(
            f"maxmemory-policy is {policy}: when its memory is full it will silently throw away {lost}. "
            "Set it to noeviction."
        )
    if facts.get("aof_enabled") == "0":
        dangers.append(
            "appendonly is off: what it accepted since its last snapshot, if it makes any, is lost when it restarts."
        )
    return dangers
