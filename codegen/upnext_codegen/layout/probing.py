"""Probes paths without raising: in a folder that may not be entered, nothing exists.

Before Python 3.14, the methods of `Path` raise a PermissionError for anything in such a folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def is_file(path: Path | str) -> bool:
    """Whether there is a file, or a link to one."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: Path | str) -> bool:
    """Whether there is a folder, or a link to one."""
    return os.path.isdir(path)  # noqa: PTH112


def exists(path: Path | str) -> bool:
    """Whether anything exists there."""
    return os.path.exists(path)  # noqa: PTH110


def within(folder: Path) -> Iterable[Path]:
    """Return the contents of a folder; nothing if it may not be read, or has gone meanwhile."""
    try:
        return [*folder.iterdir()]
    except OSError:
        return ()
