"""Pre-flight checks of a worker's server: version, permissions, durability."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upnext.broker import server_checks
from upnext.broker.dialer import UnfitServerError
from upnext.broker.scripts import script

if TYPE_CHECKING:
    from upnext.broker.connection import PipelinedConnection
    from upnext.broker.keys import Keys
    from upnext.broker.server_checks import Check

CONNECTION_RIGHTS = ("client|setname", "select", "info", "cluster|slots", "eval", "evalsha", "time")
"""Commands without a key of upnext; of these, a dedicated server needs neither `cluster` nor `select`."""

# Each is tried on one key. For SET XX it does not exist, for the rest it is a hash: they change nothing there, or fail.
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
"""Every command on a key of upnext, with complete arguments; the last one removes the key again."""


FURTHER_RIGHTS: dict[str, str] = {
    "config|get": "`upnext doctor`, for what INFO leaves open",
    "lset": "`upnext jobs cancel`, of jobs that wait in a queue",
    "scan": "`upnext jobs list --state done`",
}
"""What some commands need that workers do not, and for what; give it to people."""


def access_rule(namespace: str) -> str:
    """Return the ACL rule of a user that may do exactly what upnext needs in one namespace."""
    allowed = sorted({*CONNECTION_RIGHTS, *(command.lower() for command in KEY_COMMANDS)})
    # A namespace has at most 64 partitions; a wider pattern would match namespaces whose name continues after a colon.
    keys = f"~upnext:{{{namespace}:[0-9]}}:* ~upnext:{{{namespace}:[0-9][0-9]}}:*"
    return f"ACL SETUSER upnext on >PASSWORD {keys} {' '.join(f'+{command}' for command in allowed)}"


async def check_server(link: PipelinedConnection, keys: Keys) -> list[str]:
    """Read what the server is.

    Returns:
        What its owner should know: settings with which it may lose what it has accepted, each with the way out.

    Raises:
        UnfitServerError: If it is too old, or this client may not run a command that it needs.
        redis.exceptions.RedisError: Whatever the server or the connection makes of it.
    """
    info = server_checks.read_info(await link.command("INFO"))
    _require(server_checks.version(info))
    _require(server_checks.rights(await missing_rights(link, keys)))
    # A worker's client needs no right to read settings: doctor finds out what INFO does not show.
    dangers = (server_checks.persistence(info, {}), server_checks.eviction(info))
    return [f"{check.message}; {check.help}" for check in dangers if check.status != "ok"]


def _require(check: Check) -> None:
    if check.status == "fail":
        raise UnfitServerError(f"{check.message}; {check.help}")


async def missing_rights(link: PipelinedConnection, keys: Keys) -> list[str]:
    """Return the commands on upnext's keys that this client may not run; raises if it may not run scripts at all."""
    words: list[Any] = []
    for command, rest in KEY_COMMANDS.items():
        words += [command, len(rest), *rest]
    refused: list[bytes] = await link.call(script("probe"), (keys.probe,), words)
    return [command.decode() for command in refused]
