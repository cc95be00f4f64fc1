"""Replies as Python has them, whichever protocol the server speaks, and whoever wrote what they hold."""

from __future__ import annotations

from typing import Any, cast


def text(raw: bytes) -> str:
    """Return what is stored as text. Bytes of another program that are none become the same bytes when sent back."""
    return raw.decode(errors="surrogateescape")


def pairs(reply: Any) -> list[tuple[bytes, bytes]]:
    """Return fields and values of a hash: RESP3 gives a mapping, RESP2 a flat list."""
    if isinstance(reply, dict):
        return list(cast("dict[bytes, bytes]", reply).items())
    flat: list[bytes] = reply
    return list(zip(flat[::2], flat[1::2], strict=True))


def scored(reply: Any) -> list[tuple[bytes, float]]:
    """Return members and scores of a sorted set: RESP3 gives pairs, RESP2 a flat list."""
    nested = bool(reply) and isinstance(reply[0], list)
    flat: list[Any] = [part for entry in reply for part in entry] if nested else reply
    return [(member, float(score)) for member, score in zip(flat[::2], flat[1::2], strict=True)]


def shown(name: str) -> str:
    """Return a name as a log may show it: what another program put in its place can be anything."""
    return name if name.isascii() and name.isprintable() else ascii(name)
