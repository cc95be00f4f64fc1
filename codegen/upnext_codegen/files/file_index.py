"""What is known about each file without parsing it: its times, whether it names upnext, what it imports."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from upnext_codegen import messages
from upnext_codegen.files.cache import digest, is_settled
from upnext_codegen.files.cache_format import Entry, Fault, Snapshot
from upnext_codegen.files.discover import SourceFile
from upnext_codegen.findings import Finding
from upnext_codegen.reading.imports import UNNAMED, imports_of, mentions_upnext
from upnext_codegen.reading.source import SourceError, check_syntax, decode
from upnext_codegen.records import Place

SYNTAX_BUDGET = 4 * 1024 * 1024
"""Bytes of files with nothing of upnext up to which all of them are parsed, for their syntax alone."""

_ABSENT = Entry(-1, -1, -1, False)


class ParseNote(NamedTuple):
    """The results of parsing a file, as passed between processes."""

    digest: str
    imports: Sequence[str]
    unreadable: Fault
    ignores: tuple[tuple[int, tuple[str, ...] | None], ...] = ()


@dataclass(slots=True)
class FileIndex:
    """The files of one scan.

    Attributes:
        root: The project root.
        files: The files of the project by path.
        words: The names of its files and folders: an import of the project begins with one, or with a dot.
        known: What earlier scans found out.
        entries: What is to be kept of each file.
        moved: Whether a file was changed during the scan, so that nothing of it may be kept.
        fresh: The files that had to be looked at anew.
        parsed: The files that were parsed for what they define.
        notes: What parsing them told, until somebody takes it.
    """

    root: Path
    files: dict[str, SourceFile]
    words: frozenset[str]
    known: Snapshot
    entries: dict[str, Entry] = field(default_factory=dict[str, Entry])
    moved: bool = False
    fresh: list[str] = field(default_factory=list[str])
    parsed: set[str] = field(default_factory=set[str])
    notes: dict[str, ParseNote] = field(default_factory=dict[str, ParseNote])
    closed: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def has_changes(self) -> bool:
        """Whether any file had to be examined again, or has gone."""
        return bool(self.fresh) or len(self.known.entries) != len(self.entries)

    def refresh(self) -> None:
        """Examine every file that differs from the cache."""
        known = self.known.entries
        self.entries = {
            path: known[path] for path, file in self.files.items() if path in known and known[path].is_of(file)
        }
        self.fresh = [path for path in self.files if path not in self.entries]
        for path, (found, closed) in self._spread(self._look, self.fresh):
            self.entries[path] = Entry(*found)
            if closed is not None:
                self.closed[path] = closed

    def _spread(self, job: Any, paths: list[str], *, parsing: bool = False) -> Iterable[tuple[str, Any]]:
        if not paths:
            return ()
        from upnext_codegen.files.pool import PARSING, spread  # noqa: PLC0415 - a run that reads nothing does without

        return spread(job, paths, self.size(paths) * (PARSING if parsing else 1))

    def _look(self, path: str) -> tuple[tuple[Any, ...], str | None]:
        """The fields of a file's `Entry` that are not defaults, and why it cannot be opened, if so.

        A plain tuple takes a tenth of the time on its way from one process to the other.
        """
        file, entry = self.files[path], self.known.entries.get(path)
        data = self.bytes_of(path)
        if data is None:
            return tuple(_ABSENT), self.closed.get(path)
        changed = file.changed if is_settled(file) else -1
        if entry is not None and entry.digest and digest(data) == entry.digest:
            imports, others = self._imports_of(path, decoded(data)[0])
            same = entry._replace(size=file.size, modified=file.modified, changed=changed)
            return tuple(same._replace(imports=imports, others=others)), None
        text, fault = decoded(data)
        mentions = mentions_upnext(text)
        found = (
            file.size,
            file.modified,
            changed,
            mentions,
            digest(data) if mentions else "",
            *self._imports_of(path, text),
        )
        return (found if not fault else (*found, fault)), None

    def _imports_of(self, path: str, data: bytes) -> tuple[list[str], str]:
        """The imports in a file's bytes that the project may contain, and the first words of its other imports."""
        found: list[str] = []
        others: dict[str, None] = {}
        for each in imports_of(data, of_package=path.endswith("__init__.py")):
            first = each.partition(":")[0].rstrip("=").partition(".")[0]
            if each[0] == "." or each in UNNAMED or first in self.words:
                found.append(each)
            else:
                others[first] = None
        return found, " ".join(others)

    def imports_now(self, path: str, data: bytes) -> Sequence[str]:
        """The current imports of a file that the project may contain; skipped if its times show no change.

        Args:
            path: The file.
            data: Its bytes, just read.
        """
        file = self.files[path]
        if is_settled(file) and _listed(f"{self.root}/{path}", path) == file:
            return self.imports(path)
        return self._imports_of(path, decoded(data)[0])[0]

    def changed(self) -> set[str]:
        """The files that differ from what earlier scans knew."""
        now, known = self.entries, self.known.entries
        found = set(self.fresh)
        found |= known.keys() - now.keys()
        return {path for path in found if not self._is_same(known.get(path), now.get(path))}

    def _is_same(self, old: Entry | None, new: Entry | None) -> bool:
        return old is not None and new is not None and bool(new.digest) and old.digest == new.digest

    def imports(self, path: str) -> Sequence[str]:
        """The imports of a file that the project may contain."""
        entry = self.entries.get(path)
        return () if entry is None else entry.imports or ()

    def look_again_at_imports(self) -> None:
        """Read imports again in files whose imports may now mean the project, because its names have changed."""
        known = {part.removesuffix(".py") for path in self.known.entries for part in path.split("/")}
        fresh, added, gone = set(self.fresh), self.words - known, known - self.words
        stale = [
            path
            for path, entry in self.entries.items()
            if path not in fresh and (not added.isdisjoint(entry.others.split()) or self._has_one(entry, gone))
        ]
        for path, (imports, others) in self._spread(self._read_imports, stale):
            self.entries[path] = self.entries[path]._replace(imports=imports, others=others)

    @staticmethod
    def _has_one(entry: Entry, words: Collection[str]) -> bool:
        """Whether an import of a file begins with one of some words."""
        imports = entry.imports or ()
        return bool(words) and any(each.partition(":")[0].rstrip("=").partition(".")[0] in words for each in imports)

    def _read_imports(self, path: str) -> tuple[list[str], str]:
        return self._imports_of(path, decoded(self.bytes_of(path) or b"")[0])

    def mentions(self, path: str) -> bool:
        """Whether a file can name upnext."""
        return path in self.entries and bool(self.entries[path].mentions)

    def check(self, loaded: Collection[str]) -> list[Finding]:
        """Return which files cannot be read.

        Every file's encoding is checked. The syntax of files that are not needed is checked as well if all of them fit
        the budget together: either all of them are parsed or none, whatever the cache contains.

        Args:
            loaded: The files that somebody asked for.
        """
        rest = sorted(self.entries.keys() - set(loaded) - self.closed.keys())
        within = self.size(rest) <= SYNTAX_BUDGET
        if within:
            unchecked = [path for path in rest if self.entries[path].uncompiled is None]
            for path, (found, fault) in self._spread(partial(_check, str(self.root)), unchecked, parsing=True):
                self._keep(path, found)
                self.entries[path] = self.entries[path]._replace(uncompiled=fault)
        compiled = set(rest) if within else set[str]()
        faults: list[Finding] = []
        for path, entry in self.entries.items():
            fault = entry.misencoded or (path in loaded and entry.unreadable) or (path in compiled and entry.uncompiled)
            if fault:
                faults.append(messages.unreadable(Place(path, *fault[:2]), fault[2]))
        return [*faults, *[messages.unreadable(Place(path, 1, 1), why) for path, why in self.closed.items()]]

    def size(self, paths: Iterable[str]) -> int:
        """How many bytes these files have."""
        return sum(self.files[path].size for path in paths)

    def take(self, path: str, note: ParseNote) -> None:
        """Record the results of parsing a file, here or in another process."""
        self.parsed.add(path)
        self.notes[path] = note
        if [*self.imports(path)] != [*note.imports]:
            self.moved = True
        self._keep(path, note.digest)
        self.entries[path] = self.entries[path]._replace(unreadable=note.unreadable, ignores=note.ignores)

    def _keep(self, path: str, found: str) -> None:
        """Record the digest of a file, unless it has changed since `refresh`."""
        entry = self.entries[path]
        if entry.digest and entry.digest != found:
            self.moved = True
        self.entries[path] = entry._replace(digest=found)

    def bytes_of(self, path: str) -> bytes | None:
        """Read a file, None if there is none or it cannot be opened."""
        try:
            # A Path for each of ten thousand files would cost as much as reading them.
            with open(f"{self.root}/{path}", "rb") as file:  # noqa: PTH123
                return file.read()
        except FileNotFoundError:
            return None  # Deleted since the walk: treated as absent.
        except OSError as error:
            self.closed[path] = error.strerror or "it cannot be opened"
            return None

    def ignores(self, loaded: Iterable[str]) -> dict[str, dict[int, frozenset[str] | None]]:
        """The `# upnext: ignore` comments of these files: their lines and codes, None for all codes."""
        return {
            path: {line: None if codes is None else frozenset(codes) for line, codes in self.entries[path].ignores}
            for path in sorted(loaded)
            if path in self.entries and self.entries[path].ignores
        }


def decoded(data: bytes) -> tuple[bytes, Fault]:
    """A file's text as UTF-8, and the fault of its encoding."""
    try:
        text = decode(data)
    except SourceError as error:
        return data, (error.line, error.column, error.reason)
    # Most files are plain ASCII or UTF-8.
    return (data if data.isascii() else text.encode("utf-8", "replace")), ()


def _listed(place: str, path: str) -> SourceFile | None:
    """Return a file as a walk would list it now, None if there is none."""
    try:
        status = os.stat(place)  # noqa: PTH116 - a Path costs as much as the reading
    except OSError:
        return None
    return SourceFile(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _check(root: str, path: str) -> tuple[str, Fault]:
    """Return the digest of a file, and what Python's compiler says about it."""
    try:
        with open(f"{root}/{path}", "rb") as file:  # noqa: PTH123 - a Path costs as much as the reading
            data = file.read()
    except FileNotFoundError:
        return "", ()
    except OSError as error:
        return "", (1, 1, error.strerror or "it cannot be opened")
    try:
        check_syntax(data)
    except SourceError as error:
        return digest(data), (error.line, error.column, error.reason)
    return digest(data), ()
