"""What earlier scans read, kept under `.upnext/`: data only, checked before it is believed, and never missed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from upnext_codegen.files.discover import SourceFile
from upnext_codegen.files.replacing import replace

FORMAT = 5
"""Raised whenever what is kept, or what reading means, changes."""

TOOL = Path(__file__).parents[1]
"""The folder of the scanner itself."""

_FOLDER = ".upnext"
_NAME = "scan.cache"
_SETTLED = 2_000_000_000
"""Nanoseconds after which a file's times tell every later change; file systems count as coarsely as that."""

Fault: TypeAlias = "Sequence[Any]"


class Entry(NamedTuple):
    """What is kept of a file; a fault is a line, a column and a reason, or nothing where there is none.

    Attributes:
        size: When it was read, with the times below.
        modified: In nanoseconds.
        changed: In nanoseconds; -1 where the file was too fresh for its times to be believed.
        weight: What the prefilter said.
        digest: Of its bytes, "" where nothing but the weight is kept.
        imports: The modules that it imports, None where nobody asked.
        misencoded: What is wrong with its encoding.
        unreadable: What keeps it from being read for what it defines, None where nobody asked.
        uncompiled: What Python's compiler says of it, None where nobody asked.
        ignores: Lines with ignore comments and their codes, where it was read.
        facts: As JSON, "" where no other file asked for them.
    """

    size: int
    modified: int
    changed: int
    weight: int
    digest: str = ""
    imports: Sequence[str] | None = None
    misencoded: Fault = ()
    unreadable: Fault | None = None
    uncompiled: Fault | None = None
    ignores: Sequence[tuple[int, Sequence[str] | None]] = ()
    facts: str = ""

    def is_of(self, file: SourceFile) -> bool:
        """Whether the file is still the one that was read, by its size and times."""
        return self.modified == file.modified and self.size == file.size and self.changed == file.changed


class Known(NamedTuple):
    """What earlier scans found out.

    Attributes:
        entries: What is kept of each file, by path.
        resolved: For each file that can matter, what it declares and attaches, as JSON.
        suspects: The names that were given to something of ours.
        modules: A digest of the project's module names.
        relevant: The files that can matter by what they hold and import.
    """

    entries: dict[str, Entry]
    resolved: dict[str, str]
    suspects: Sequence[str] = ()
    modules: str = ""
    relevant: Sequence[str] = ()


@dataclass(slots=True)
class Cache:
    """The cache of one project.

    Attributes:
        folder: `.upnext/` of the project, None to go without.
        known: What it holds.
    """

    folder: Path | None
    known: Known = field(default_factory=lambda: Known({}, {}))

    def keep(self, known: Known) -> None:
        """Write a new cache in place of the old one, if that is possible."""
        if self.folder is None:
            return
        with contextlib.suppress(OSError):
            self._write(self.folder, known)

    def _write(self, folder: Path, known: Known) -> None:
        folder.mkdir(exist_ok=True)
        if not is_trusted(folder):
            return
        # Made anew or not at all: a link there is not followed.
        with contextlib.suppress(FileExistsError), (folder / ".gitignore").open("x", encoding="utf-8") as ignore:
            ignore.write("*\n")
        body = _written(known)
        replace(folder / _NAME, _head(body) + body)


def open_cache(root: Path, *, use: bool) -> Cache:
    """Open the cache of a project; a foreign, damaged or older one is as good as none."""
    if not use:
        return Cache(None)
    folder = root / _FOLDER
    try:
        if not is_trusted(folder):
            return Cache(None if folder.exists() or folder.is_symlink() else folder)
        data = read_own(folder / _NAME)
        end = data.index(b"\n") + 1
        if data[:end] != _head(data[end:]):
            return Cache(folder)
        return Cache(folder, _read(data[end:]))
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return Cache(folder)


def _written(known: Known) -> bytes:
    """Write an index as JSON on one line, then the texts that are JSON already, a line each, as they are."""
    usual = Entry(0, 0, 0, 0)[4:]
    facts = {path: entry.facts for path, entry in known.entries.items() if entry.facts}
    # Most entries end in nothing but defaults.
    entries = {path: entry[:4] if entry[4:] == usual else entry[:-1] for path, entry in known.entries.items()}
    index = json.dumps((entries, [*known.resolved], [*facts], *known[2:]), separators=(",", ":"))
    return "\n".join((index, *known.resolved.values(), *facts.values())).encode()


def _read(body: bytes) -> Known:
    index, *texts = body.decode().split("\n")
    listed, resolved, facts, *others = json.loads(index)
    entries = {path: Entry(*each) for path, each in listed.items()}
    for path, text in zip(facts, texts[len(resolved) :], strict=True):
        entries[path] = entries[path]._replace(facts=text)
    return Known(entries, dict(zip(resolved, texts, strict=False)), *others)


def digest(data: bytes) -> str:
    """A digest of a file's bytes."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def is_settled(file: SourceFile, now: int | None = None) -> bool:
    """Whether every later change of a file will show in its times."""
    moment = time.time_ns() if now is None else now
    return moment - max(file.modified, file.changed) > _SETTLED


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


def read_own(path: Path) -> bytes:
    """Read a file of a trusted folder.

    Raises:
        OSError: If there is none, or a link or a pipe instead of it.
    """
    # A pipe would otherwise be waited for until somebody writes to it.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(path)
        return file.read()
