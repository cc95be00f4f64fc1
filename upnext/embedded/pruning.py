"""Removes what embedded servers of deleted projects have left in the user's state directory.

The deletion of a project goes unnoticed, so each process that starts a server looks for remains. A project that was
moved takes its server along when it is next used (`state_folder.py`), and one on an unmounted disk may come back, so
their data are kept for a month.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import time
from contextlib import ExitStack, suppress
from itertools import islice
from typing import TYPE_CHECKING

from upnext.embedded import keeper
from upnext.embedded.state_folder import MOST, NAME, existing_servers_folder, is_private, recorded_project

if TYPE_CHECKING:
    from pathlib import Path

_UNUSED = 30 * 24 * 3600.0  # seconds since a server last wrote there
_LOCKS = ("start.lock", "users.lock", "keeper.lock", "data.lock")  # in the order of `joining.py`

_logger = logging.getLogger("upnext")


def prune() -> None:
    """Remove the folders of servers whose project is gone, that have been unused for a month, and that do not run."""
    servers = existing_servers_folder()
    removed = 0
    for folder in islice(servers.iterdir(), MOST) if servers is not None else ():
        with suppress(OSError):  # another process removes it, or uses it
            removed += _removed(folder)
    if removed:
        _logger.info(
            "Removed from '%s' the data of %d embedded server(s) whose projects are gone and that nobody has used for "
            "%d days.",
            servers,
            removed,
            _UNUSED / 86400,
        )


def _removed(folder: Path) -> bool:
    if not NAME.fullmatch(folder.name) or not is_private(folder):
        return False
    project = recorded_project(folder)
    if project is None or not _is_gone(project) or time.time() - _last_used(folder) < _UNUSED:
        return False
    with ExitStack() as opened:
        for name in _LOCKS:
            lock = keeper.open_lock(folder / name)
            opened.callback(os.close, lock)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        shutil.rmtree(folder)
    return True


def _is_gone(project: Path) -> bool:
    """Whether nothing exists at a path; one that cannot be examined may exist."""
    try:
        project.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _last_used(folder: Path) -> float:
    return max(entry.lstat().st_mtime for entry in (folder, *folder.iterdir()))
