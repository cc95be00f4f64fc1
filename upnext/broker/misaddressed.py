"""Detects an address of the wrong kind: a server, a sentinel or a cluster node addressed as another.

Each of them answers the commands of another kind with "unknown command", which does not tell users what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upnext.broker.redis_types import RedisError, ResponseError
from upnext.broker.replies import text

if TYPE_CHECKING:
    from upnext.broker.address import Node


async def wrong_kind(connection: Any, node: Node, kind: str, error: ResponseError) -> str:
    """Return what the address should be; "" if the kind is not the problem.

    Args:
        connection: The connection that the question went over.
        node: Where it leads.
        kind: What the address takes it for: "sentinel", "cluster", or "" for one server.
        error: The answer to the question where the server is.
    """
    message = str(error)
    if "cluster support disabled" in message:
        return f"{node} is not a node of a cluster: use redis://{node}/0" if kind == "cluster" else ""
    if "unknown command" not in message:
        return ""
    if kind == "sentinel":
        return f"{node} is not a sentinel (by default they listen on port 26379); as a server, its address is redis://{node}/0"
    names = await names_known_to(connection)
    if names is None:
        return ""
    return (
        f"{node} is a sentinel: use redis+sentinel://{node}/NAME/0, with one of the names that it knows: "
        f"{_listed(names)}"
    )


async def unknown_name(connection: Any, node: Node, name: str) -> str:
    """Report that a sentinel does not know a server by that name, and which ones it knows."""
    names = await names_known_to(connection)
    known = "" if names is None else f"; those that it knows: {_listed(names)}"
    return f"the sentinel at {node} knows no server by the name {name!r}{known}"


async def names_known_to(connection: Any) -> list[str] | None:
    """Return the names of the servers that a sentinel watches; None if it is not one, or does not say."""
    try:
        await connection.send_command("ROLE")
        reply: Any = await connection.read_response()
    except (RedisError, OSError):
        return None
    kind, *rest = reply
    return sorted(map(text, rest[0])) if kind == b"sentinel" else None


def _listed(names: list[str]) -> str:
    return ", ".join(map(repr, names)) or "none"
