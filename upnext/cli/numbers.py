"""Whole numbers on the command line."""

from __future__ import annotations

import argparse

_MOST = 1_000_000


def positive(text: str) -> int:
    """Parse an integer from 1 to a million.

    Raises:
        argparse.ArgumentTypeError: If it is not one.
    """
    if not (text.isascii() and text.isdecimal() and len(text) < 8 and 1 <= int(text) <= _MOST):
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number from 1 to {_MOST:,}")
    return int(text)


def dead_letters(count: int) -> str:
    """Format a number of dead letters."""
    return f"{count:,} dead letter{'' if count == 1 else 's'}"
