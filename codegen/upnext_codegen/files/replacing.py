"""Replaces files atomically, so that a reader sees the old text or the new one, never a part."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

_BINARY = getattr(os, "O_BINARY", 0)
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_ABANDONED = 3600
"""Seconds after which the writer of a file must have been killed: writing takes only a moment."""


def beside(target: Path, data: bytes, mode: int = 0o666, *, synced: bool = True) -> Path:
    """Write a new file next to its place, from where it can be renamed.

    Args:
        target: The place; never followed, if it is a link.
        data: What to write.
        mode: Of the file, less the umask.
        synced: Whether to wait for the disk, so that a machine that loses its power has one text or the other.

    Raises:
        OSError: If it cannot be written; nothing is left behind then.
    """
    _clear(target)
    temporary = target.with_name(f".{target.name}.{os.urandom(8).hex()}.tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY | _NO_FOLLOW, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            if synced:
                file.flush()
                os.fsync(file.fileno())
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    return temporary


def replace(target: Path, data: bytes) -> None:
    """Replace a file that only its owner can read and that can be generated again, whatever is in its place.

    Raises:
        OSError: If that cannot be done.
    """
    temporary = beside(target, data, 0o600, synced=False)
    try:
        temporary.replace(target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def _clear(target: Path) -> None:
    """Remove what killed processes left beside a place."""
    with suppress(OSError):
        with os.scandir(target.parent) as found:
            left = [each for each in found if each.name.startswith(f".{target.name}.") and each.name.endswith(".tmp")]
        for each in left:
            if time.time() - each.stat(follow_symlinks=False).st_mtime > _ABANDONED:
                Path(each.path).unlink(missing_ok=True)
