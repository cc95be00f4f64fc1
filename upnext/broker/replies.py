"""Replies as Python values, the same for both protocol versions and for data of any origin."""

from __future__ import annotations

import json
from typing import Any, cast

from upnext.limits import MAX_SHOWN


def text(stored: bytes) -> str:
    """Return stored bytes as text. Bytes of another program that are not UTF-8 survive a round trip."""
    return stored.decode(errors="surrogateescape")


def raw(stored: str) -> bytes:
    """Return the bytes that `text` decoded."""
    return stored.encode(errors="surrogateescape")


def parse_json(raw: bytes | str) -> Any:
    """Parse JSON.

    Raises:
        ValueError: If it is not JSON, or nested too deeply for this interpreter.
    """
    try:
        return json.loads(raw)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_json(raw: bytes | str) -> object:
    """Parse JSON, returning None for what `parse_json` refuses."""
    try:
        value: object = parse_json(raw)
    except ValueError:
        return None
    return value


def names_in(value: object) -> list[str] | None:
    """Return a list of texts from JSON, None if it is something else."""
    if not isinstance(value, list):
        return None
    items = cast("list[object]", value)
    texts = [item for item in items if isinstance(item, str)]
    return texts if len(texts) == len(items) else None


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
    """Return a name in a form that is safe to log, since another program may have put anything in its place."""
    cut = name if len(name) <= MAX_SHOWN else f"{name[:MAX_SHOWN]}..."
    return cut if cut.isascii() and cut.isprintable() else ascii(cut)
