"""The limits of a payload; exceeding one raises a `PayloadError` before anything is stored."""

from __future__ import annotations

MAX_BYTES = 1_000_000
"""Bytes of JSON, unless a setting says otherwise."""

MAX_LEVELS = 200
"""Levels of lists and objects in a payload, as pydantic reads and writes them. More are refused."""

MAX_VALUE = 500_000_000
"""Bytes that a setting can allow: a server takes no value of more than 512 MB."""
