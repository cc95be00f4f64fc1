"""The files of one scan: read and parsed when somebody asks, and not at all where the cache knows them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from upnext_codegen import messages
from upnext_codegen.files.cache import digest, is_settled
from upnext_codegen.files.discover import SourceFile
from upnext_codegen.files.known import Entry, Fault, Known
from upnext_codegen.files.prefilter import ANYTHING, MENTIONS, NOTHING, USES, Paths, imports_of, weight
from upnext_codegen.files.source import SourceError, decode
from upnext_codegen.findings import Finding
from upnext_codegen.names.modules import Modules
from upnext_codegen.reading.facts import Facts
from upnext_codegen.records import Place

SYNTAX_BUDGET = 4 * 1024 * 1024
"""Bytes of files with nothing of ours up to which all of them are parsed, for their syntax alone."""

_ABSENT = Entry(-1, -1, -1, NOTHING)


class Note(NamedTuple):
    """What was found out about a file by parsing it: the fields of its `Entry`, and its weight, to compare."""

    digest: str
    weight: int
    unreadable: Fault
    ignores: tuple[tuple[int, tuple[str, ...] | None], ...]
    facts: str


@dataclass(slots=True)
class Store:
    """Reads files.

    Attributes:
        root: The project root.
        files: The files of the project by path.
        modules: Their module names.
        known: What earlier scans found out.
        entries: What is to be kept of each file.
        moved: Whether a file was changed during the scan, so that nothing of it may be kept.
        looked: Whether any file had to be looked at anew, or has gone.
        reshaped: Whether any has other imports, or another weight, than it had.
        parsed: The files that were parsed for what they define.
        notes: What came of them, until somebody takes it.
    """

    root: Path
    files: dict[str, SourceFile]
    modules: Modules
    known: Known
    entries: dict[str, Entry] = field(default_factory=dict[str, Entry])
    moved: bool = False
    looked: bool = False
    reshaped: bool = False
    parsed: set[str] = field(default_factory=set[str])
    notes: dict[str, Note] = field(default_factory=dict[str, Note])
    _facts: dict[str, Facts | None] = field(default_factory=dict[str, Facts | None])
    _closed: dict[str, str] = field(default_factory=dict[str, str])

    def refresh(self) -> None:
        """Look at every file that is not as the cache knows it."""
        known = self.known.entries
        self.entries = {
            path: known[path] for path, file in self.files.items() if path in known and known[path].is_of(file)
        }
        others = [path for path in self.files if path not in self.entries]
        for path, (found, closed) in self._looked_at(others):
            entry = self.entries[path] = Entry(*found)
            if closed is not None:
                self._closed[path] = closed
            old = known.get(path)
            self.reshaped |= old is None or (old.weight, old.imports) != (entry.weight, entry.imports)
        self.reshaped |= len(known) != len(self.entries)
        self.looked = bool(others) or self.reshaped

    def _looked_at(self, paths: list[str]) -> Iterable[tuple[str, tuple[tuple[Any, ...], str | None]]]:
        if not paths:
            return ()
        from upnext_codegen.files.pool import spread  # noqa: PLC0415 - a run that reads nothing does without

        return spread(self._look, paths, self.size(paths))

    def _look(self, path: str) -> tuple[tuple[Any, ...], str | None]:
        """The fields of a file's `Entry`, as far as they are not the usual ones, and why it cannot be opened, if so.

        A plain tuple takes a tenth of the time on its way from one process to the other.
        """
        file, entry = self.files[path], self.known.entries.get(path)
        data = self._bytes(path)
        if data is None:
            return tuple(_ABSENT), self._closed.get(path)
        changed = file.changed if is_settled(file) else -1
        if entry is not None and entry.digest and digest(data) == entry.digest:
            return tuple(entry._replace(size=file.size, modified=file.modified, changed=changed)), None
        heavy = weight(data)
        fault = _misencoded(data)
        found = (file.size, file.modified, changed, heavy)
        asked = heavy == USES or (entry is not None and entry.imports is not None)
        if heavy == NOTHING and not fault and not asked:
            return found, None
        return (*found, digest(data), imports_of(data) if asked else None, fault), None

    def changed(self) -> set[str]:
        """The files that are no longer what earlier scans knew."""
        known = self.known.entries
        return {path for path, entry in known.items() if self.entries.get(path, _ABSENT).digest != entry.digest}

    def mentioning(self) -> list[str]:
        """List the files that mention upnext, sorted."""
        return sorted(filter(self.mentions, self.entries))

    def relevant(self) -> list[str]:
        """List the files that can matter, sorted."""
        paths = Paths(self.modules, self.mentions, self.imports)
        return [
            path
            for path, entry in sorted(self.entries.items())
            if entry.weight == MENTIONS
            or (entry.weight == USES and (ANYTHING in self.imports(path) or paths.lead_to_us(path)))
        ]

    def check(self, loaded: Collection[str]) -> list[Finding]:
        """Say which files cannot be read.

        Every file's encoding is looked at. The syntax of files that nobody asked for is, too, as long as all of them
        together fit the budget: either all of them are parsed or none, whatever the cache holds.

        Args:
            loaded: The files whose facts somebody asked for.
        """
        rest = sorted(self.entries.keys() - set(loaded) - self._closed.keys())
        within = self.size(rest) <= SYNTAX_BUDGET
        if within:
            self._compile([path for path in rest if self.entries[path].uncompiled is None])
        compiled = set(rest) if within else set[str]()
        faults: list[Finding] = []
        for path, entry in self.entries.items():
            fault = entry.misencoded or (path in loaded and entry.unreadable) or (path in compiled and entry.uncompiled)
            if fault:
                faults.append(messages.unreadable(Place(path, *fault[:2]), fault[2]))
        return [*faults, *[messages.unreadable(Place(path, 1, 1), why) for path, why in self._closed.items()]]

    def _compile(self, paths: list[str]) -> None:
        from upnext_codegen.files.parsed import check_file  # noqa: PLC0415 - a run that reads nothing does without
        from upnext_codegen.files.pool import spread  # noqa: PLC0415

        for path, parsed in spread(partial(check_file, str(self.root)), paths, self.size(paths)):
            self._keep(path, parsed.digest, parsed.weight)
            self.entries[path] = self.entries[path]._replace(uncompiled=parsed.fault)

    def size(self, paths: Iterable[str]) -> int:
        """How many bytes these files have."""
        return sum(self.files[path].size for path in paths)

    def users_of(self, aliases: Mapping[str, Collection[str]]) -> list[str]:
        """List the files that import their way to other files and have one of the names that those give away."""
        paths = Paths(self.modules, aliases.__contains__, self.imports)
        leading = [path for path in sorted(self.entries) if paths.lead_to_us(path)]
        return self.containing({name for each in aliases.values() for name in each}, leading)

    def containing(self, words: Iterable[str], paths: Iterable[str]) -> list[str]:
        """List those of some files that have one of these words."""
        pattern = re.compile(rb"\b(?:" + b"|".join(re.escape(word).encode() for word in sorted(words)) + rb")\b")
        return [path for path in paths if pattern.search(self._bytes(path) or b"")]

    def mentions(self, path: str) -> bool:
        """Whether a file mentions upnext."""
        return path in self.entries and self.entries[path].weight == MENTIONS

    def imports(self, path: str) -> Sequence[str]:
        """The modules that a file imports, roughly."""
        entry = self.entries.get(path)
        if entry is None:
            return []
        if entry.imports is None:
            data = self._bytes(path) or b""
            entry = entry._replace(imports=imports_of(data), digest=digest(data))
            self.entries[path] = entry
        return entry.imports or []

    def facts(self, path: str, *, lasting: bool) -> Facts | None:
        """The facts of a file, None where it cannot be read.

        Args:
            path: The file.
            lasting: Whether other files ask for it, so that its facts are kept for the next scan.
        """
        entry = self.entries.get(path)
        if entry is None or path in self._closed:
            return None
        if path not in self._facts:
            known = self._recalled(entry)
            if known is None and not entry.unreadable:
                return self._parse(path, whole=False, lasting=lasting)
            self._facts[path] = known
        found = self._facts[path]
        if lasting and found is not None and not entry.facts:
            self._write(path, found)
        return found

    def whole(self, path: str, *, lasting: bool) -> Facts | None:
        """The facts of a file with the parameters of every function."""
        return self._parse(path, whole=True, lasting=lasting)

    def _parse(self, path: str, *, whole: bool, lasting: bool) -> Facts | None:
        from upnext_codegen.files.parsed import parse_file  # noqa: PLC0415 - a run that reads nothing does without

        parsed = parse_file(str(self.root), path, whole=whole)
        self._facts[path] = parsed.facts
        ignores = parsed.facts.ignores if parsed.facts else ()
        self.take(path, Note(parsed.digest, parsed.weight, parsed.fault, ignores, ""))
        if lasting and parsed.facts is not None:
            self._write(path, parsed.facts)
        return parsed.facts

    def _recalled(self, entry: Entry) -> Facts | None:
        from upnext_codegen.files import encoding  # noqa: PLC0415 - a run that reads nothing does without

        try:
            known = encoding.loads(entry.facts) if entry.facts else None
        except ValueError:
            return None
        return known if isinstance(known, Facts) else None

    def _write(self, path: str, facts: Facts) -> None:
        from upnext_codegen.files import encoding  # noqa: PLC0415 - a run that reads nothing does without

        entry = self.entries[path] = self.entries[path]._replace(facts=encoding.dumps(facts))
        self.notes[path] = Note(entry.digest, entry.weight, (), facts.ignores, entry.facts)

    def take(self, path: str, note: Note) -> None:
        """Note what came of parsing a file, here or in another process."""
        self.parsed.add(path)
        self.notes[path] = note
        self._keep(path, note.digest, note.weight)
        entry = self.entries[path]
        self.entries[path] = entry._replace(
            unreadable=note.unreadable, ignores=note.ignores, facts=note.facts or entry.facts
        )

    def _keep(self, path: str, found: str, heavy: int) -> None:
        """Note the digest of a file, unless it is no longer the one that `refresh` looked at."""
        entry = self.entries[path]
        if entry.weight != heavy or (entry.digest and entry.digest != found):
            self.moved = True
        self.entries[path] = entry._replace(digest=found)

    def forget(self, path: str) -> None:
        """Free the memory of a file that nobody else has asked for."""
        if not self.entries[path].facts:
            self._facts.pop(path, None)

    def _bytes(self, path: str) -> bytes | None:
        try:
            # A Path for each of ten thousand files would cost as much as reading them.
            with open(f"{self.root}/{path}", "rb") as file:  # noqa: PTH123
                return file.read()
        except FileNotFoundError:
            return None  # Gone since the walk: as if it had never been there.
        except OSError as error:
            self._closed[path] = error.strerror or "it cannot be opened"
            return None

    def ignores(self, loaded: Iterable[str]) -> dict[str, dict[int, frozenset[str] | None]]:
        """Lines with ignore comments, by file."""
        found: dict[str, dict[int, frozenset[str] | None]] = {}
        for path in sorted(loaded):
            lines = self.entries[path].ignores if path in self.entries else ()
            if lines:
                found[path] = {line: None if codes is None else frozenset(codes) for line, codes in lines}
        return found


def _misencoded(data: bytes) -> Fault:
    try:
        decode(data)
    except SourceError as error:
        return error.line, error.column, error.reason
    return ()
