"""Results as they are kept on the server."""

from __future__ import annotations

import json
from typing import Any

_UNKEPT = b"\x00{"  # begins no JSON: an earlier release that reads it raises, and takes it for no value


def unkept(reason: str) -> bytes:
    """Return what is stored in place of a result that cannot be kept."""
    return b"\x00" + json.dumps({"reason": reason}).encode()


def unkept_reason(stored: bytes) -> str | None:
    """Return why a result was not kept; None for one that was."""
    if not stored.startswith(_UNKEPT):
        return None
    try:
        data: dict[str, Any] = json.loads(stored[1:])
        return str(data["reason"])
    except (ValueError, KeyError, TypeError):
        return "it was not kept"
