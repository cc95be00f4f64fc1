"""Reads a file that a user named, up to a limit: it may be anything, even an endless device."""

from __future__ import annotations

import errno
from pathlib import Path

MAX_BYTES = 100_000_000


def read_whole(path: Path) -> str:
    """Return the contents of a file or pipe.

    Raises:
        OSError: If it cannot be read, or holds more than 100 MB.
        UnicodeDecodeError: If it is not UTF-8.
    """
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise OSError(errno.EFBIG, f"it holds more than {MAX_BYTES // 1_000_000} MB", str(path))
    return data.decode("utf-8")
