"""The results of earlier scans, kept under `.upnext/`: plain data, verified before use, and dispensable."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from upnext_codegen.files.cache_format import NO_DELTA, Delta, Snapshot, read, written
from upnext_codegen.files.discover import SourceFile
from upnext_codegen.files.replacing import replace

FORMAT = 22
"""Raised whenever what is kept, or what reading means, changes."""

TOOL = Path(__file__).parents[1]
"""The folder of the scanner itself."""

_FOLDER = ".upnext"
_NAME = "scan.cache"
_DELTA = "scan.delta"
_WORDS = "scan.words"
_TABS = 2
"""How many are in a line of words."""
_SHARE = 8
"""What has changed since the cache was written is kept beside it, as long as that is not one part in so many."""

_SETTLED = 2_000_000_000
"""Nanoseconds after which a file's times tell every later change; file systems count as coarsely as that."""


@dataclass(slots=True)
class Cache:
    """The cache of one project.

    Attributes:
        folder: `.upnext/` of the project, None to go without.
        known: What it holds.
    """

    folder: Path | None
    known: Snapshot = NO_DELTA.known
    _size: int = 0
    _base: str = ""
    _delta: Delta = NO_DELTA

    def load(self, folder: Path) -> None:
        """Read the cache.

        Raises:
            Exception: Of many kinds, if it is damaged, older, or nothing at all.
        """
        data = read_own(folder / _NAME)
        head, _, body = data.partition(b"\n")
        base = digest(body)
        if head != _head(base):
            return
        self.known = read(body).known
        self._size, self._base = len(data), base
        with _unless_damaged():
            head, _, body = read_own(folder / _DELTA).partition(b"\n")
            if head == _head(digest(body), base):
                delta = read(body)
                self.known, self._delta = delta.applied(self.known), delta

    def words(self) -> dict[str, bytes]:
        """The saved words of files, one line per path."""
        found: dict[str, bytes] = {}
        if self.folder is not None:
            with _unless_damaged():
                head, _, body = read_own(self.folder / _WORDS).partition(b"\n")
                if head == _head(digest(body)):
                    parted = (line.partition(b"\t") for line in body.splitlines())
                    found = {
                        path.decode("utf-8", "surrogateescape"): line
                        for path, _, line in parted
                        if line.count(b"\t") == _TABS
                    }
        return found

    def keep_words(self, lines: Mapping[str, bytes]) -> None:
        """Save the words of files, if possible."""
        if self.folder is None or not is_trusted(self.folder):
            return
        body = b"\n".join(path.encode("utf-8", "surrogateescape") + b"\t" + line for path, line in lines.items())
        with contextlib.suppress(OSError):
            replace(self.folder / _WORDS, _head(digest(body)) + b"\n" + body)

    def keep(self, known: Snapshot) -> None:
        """Save what is known now, if possible."""
        if self.folder is None:
            return
        with contextlib.suppress(OSError):
            self._write(self.folder, known)

    def _write(self, folder: Path, known: Snapshot) -> None:
        folder.mkdir(exist_ok=True)
        if not is_trusted(folder):
            return
        # Created or left alone: a link there is not followed.
        with contextlib.suppress(FileExistsError), (folder / ".gitignore").open("x", encoding="utf-8") as ignore:
            ignore.write("*\n")
        # A delta that another process writes meanwhile is replaced by this one, or this one by that: each is true of
        # what its own process saw. Next to any other cache than its own it is ignored.
        body = written(self._delta.followed(self.known, known)) if self._base else b""
        if self._base and len(body) * _SHARE < self._size:
            replace(folder / _DELTA, _head(digest(body), self._base) + b"\n" + body)
        else:
            body = written(Delta(known))
            replace(folder / _NAME, _head(digest(body)) + b"\n" + body)


def open_cache(root: Path, *, use: bool) -> Cache:
    """Open the cache of a project; a foreign, damaged or older one counts as none."""
    folder = root / _FOLDER
    if not use or not (is_trusted(folder) or not os.path.lexists(folder)):
        return Cache(None)
    cache = Cache(folder)
    with _unless_damaged():
        cache.load(folder)
    return cache


def _unless_damaged() -> contextlib.suppress:
    return contextlib.suppress(OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError)


def size_of_cache(root: Path) -> int:
    """Return the size of a project's cache in bytes, which indicates the number of files."""
    try:
        return (root / _FOLDER / _NAME).lstat().st_size
    except OSError:
        return 0


def digest(data: bytes) -> str:
    """A digest of a file's bytes."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def is_settled(file: SourceFile, now: int | None = None) -> bool:
    """Whether every later change to a file will show in its times."""
    moment = time.time_ns() if now is None else now
    return moment - max(file.modified, file.changed) > _SETTLED


def _head(body: str, base: str = "") -> bytes:
    """The first line: the writer, a digest of the rest, and of the file that it continues."""
    python = ".".join(map(str, sys.version_info[:3]))
    return f"upnext scan {FORMAT} {running_tool()} python {python} {body} {base}".encode()


@cache
def running_tool() -> str:
    """The scanner in this process: what it had read when it started, even if another release is installed since."""
    return tool_digest(TOOL)


def tool_digest(folder: Path) -> str:
    """Identify the scanner by its own files, in all folders, so that no version number can be forgotten."""
    found: list[tuple[str, int, int]] = []
    for inside, _, names in os.walk(folder):
        for path in [f"{inside}/{name}" for name in names if name.endswith((".py", ".j2"))]:
            status = os.stat(path)  # noqa: PTH116 - a Path for each would take longer
            found.append((path, status.st_size, status.st_mtime_ns))
    return digest(repr(sorted(found)).encode())


def is_trusted(folder: Path) -> bool:
    """Whether no other user can have written into a folder."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    mine = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
    return stat.S_ISDIR(status.st_mode) and mine and not status.st_mode & stat.S_IWOTH


def read_own(path: Path) -> bytes:
    """Read a file of a trusted folder.

    Raises:
        OSError: If there is none, or a link or a pipe instead of it.
    """
    # Otherwise opening a pipe would wait until something writes to it.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(path)
        return file.read()
