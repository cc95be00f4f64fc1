"""Colour, for terminals that want it."""

from __future__ import annotations

import os
import sys

_CODES = {"ok": "32", "warn": "1;33", "fail": "1;31", "bold": "1"}


def coloured(style: str, text: str) -> str:
    """Return the text in a style ("ok", "warn", "fail", "bold"), plain where NO_COLOR is set or nobody looks."""
    wanted = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if wanted else text
