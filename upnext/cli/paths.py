"""Paths on the command line."""

from __future__ import annotations

import argparse
from pathlib import Path


def to_path(text: str) -> Path:
    """Read the path of a file or a folder.

    Raises:
        argparse.ArgumentTypeError: If it is empty, as a variable of a script that is not set is, or "-", which is
            standard input or output to other programs and would be a file of that name here.
    """
    if not text:
        raise argparse.ArgumentTypeError("it is empty")
    if text == "-":
        raise argparse.ArgumentTypeError("'-' does not mean a standard stream; write ./- for a file of that name")
    return Path(text)


def reason_of(error: Exception) -> str:
    """Return why a file cannot be used, without its path and the number of the error."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
