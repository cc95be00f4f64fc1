"""What earlier scans read, kept under `.upnext/`: data only, checked before it is believed, and never missed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, cast

from upnext_codegen.files.discover import SourceFile

FORMAT = 2
"""Raised whenever what is kept, or what reading means, changes."""

TOOL = Path(__file__).parents[1]
"""The folder of the scanner itself."""

_FOLDER = ".upnext"
_NAME = "scan.cache"
_SETTLED = 2_000_000_000
"""Nanoseconds after which a file's times tell every later change; file systems count as coarsely as that."""


class Entry(NamedTuple):
    """What is kept of a file.

    Attributes:
        size: When it was read, with the times below.
        modified: In nanoseconds.
        changed: In nanoseconds; -1 where the file was too fresh for its times to be believed.
        weight: What the prefilter said.
        digest: Of its bytes, "" where nothing but the weight is kept.
        imports: The modules that it imports, None where nobody asked.
        facts: As JSON, "" where nobody asked.
        fault: Line, column and reason, where it cannot be read.
        syntax: Of its bytes where it was parsed for its syntax too, "" where only its encoding is known.
    """

    size: int
    modified: int
    changed: int
    weight: int
    digest: str = ""
    imports: tuple[str, ...] | None = None
    facts: str = ""
    fault: tuple[int, int, str] | None = None
    syntax: str = ""

    def is_of(self, file: SourceFile) -> bool:
        """Whether the file is still the one that was read, by its size and times."""
        return (self.size, self.modified, self.changed) == (file.size, file.modified, file.changed)


@dataclass(slots=True)
class Cache:
    """The cache of one project.

    Attributes:
        folder: `.upnext/` of the project, None to go without.
        entries: By path.
        result: What the last scan returned, as JSON, and the digest of everything that it depended on.
    """

    folder: Path | None
    entries: dict[str, Entry] = field(default_factory=dict[str, Entry])
    result: tuple[str, str] = ("", "")

    def keep(self, entries: dict[str, Entry], result: tuple[str, str]) -> None:
        """Write a new cache in place of the old one, if that is possible."""
        if self.folder is None:
            return
        with contextlib.suppress(OSError):
            self._write(self.folder, entries, result)

    def _write(self, folder: Path, entries: dict[str, Entry], result: tuple[str, str]) -> None:
        folder.mkdir(exist_ok=True)
        if not is_trusted(folder):
            return
        ignore = folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
        body = json.dumps([list(result), entries], separators=(",", ":")).encode()
        handle, name = tempfile.mkstemp(dir=folder, prefix=f"{_NAME}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_head(body) + body)
            Path(name).replace(folder / _NAME)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def open_cache(root: Path, *, use: bool) -> Cache:
    """Open the cache of a project; a foreign, damaged or older one is as good as none."""
    if not use:
        return Cache(None)
    folder = root / _FOLDER
    try:
        if not is_trusted(folder):
            return Cache(None if folder.exists() or folder.is_symlink() else folder)
        data = _read(folder / _NAME)
        end = data.index(b"\n") + 1
        if data[:end] != _head(data[end:]):
            return Cache(folder)
        result, entries = cast("tuple[list[str], dict[str, list[Any]]]", json.loads(data[end:]))
        return Cache(folder, {path: _entry(each) for path, each in entries.items()}, (result[0], result[1]))
    except (OSError, ValueError, TypeError, KeyError, IndexError, RecursionError):
        return Cache(folder)


def digest(data: bytes) -> str:
    """A digest of a file's bytes."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def is_settled(file: SourceFile, now: int | None = None) -> bool:
    """Whether every later change of a file will show in its times."""
    moment = time.time_ns() if now is None else now
    return moment - max(file.modified, file.changed) > _SETTLED


def _entry(items: list[Any]) -> Entry:
    size, modified, changed, weight, known, imports, facts, fault, syntax = items
    return Entry(
        size,
        modified,
        changed,
        weight,
        known,
        None if imports is None else tuple(imports),
        facts,
        None if fault is None else (fault[0], fault[1], fault[2]),
        syntax,
    )


def _head(body: bytes) -> bytes:
    """The first line: who wrote it, and a digest of the rest."""
    python = ".".join(map(str, sys.version_info[:3]))
    return f"upnext scan {FORMAT} {tool_digest(TOOL)} python {python} {digest(body)}\n".encode()


def tool_digest(folder: Path) -> str:
    """Which scanner this is: its own files, in all its rooms, so that no version number can be forgotten."""
    found: list[tuple[str, int, int]] = []
    for inside, _, names in os.walk(folder):
        for path in [f"{inside}/{name}" for name in names if name.endswith((".py", ".j2"))]:
            status = os.stat(path)  # noqa: PTH116 - a Path for each would take longer
            found.append((path, status.st_size, status.st_mtime_ns))
    return digest(repr(sorted(found)).encode())


def is_trusted(folder: Path) -> bool:
    """Whether nobody else can have written into a folder."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    mine = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
    return stat.S_ISDIR(status.st_mode) and mine and not status.st_mode & stat.S_IWOTH


def _read(path: Path) -> bytes:
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(path)
        return file.read()
