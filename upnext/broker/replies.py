"""Replies that differ between the two protocols that servers speak."""

from __future__ import annotations

from typing import Any, cast


def pairs(reply: Any) -> list[tuple[bytes, bytes]]:
    """Return fields and values of a hash: RESP3 gives a mapping, RESP2 a flat list."""
    if isinstance(reply, dict):
        return list(cast("dict[bytes, bytes]", reply).items())
    flat: list[bytes] = reply
    return list(zip(flat[::2], flat[1::2], strict=True))
