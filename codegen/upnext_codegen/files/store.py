"""The files of one scan: read and parsed when somebody asks, never twice, and not at all where the cache knows them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from upnext_codegen import messages
from upnext_codegen.files import encoding
from upnext_codegen.files.cache import Cache, Entry, digest, is_settled
from upnext_codegen.files.discover import SourceFile
from upnext_codegen.files.pool import Parsed, parse_all, parse_file
from upnext_codegen.files.prefilter import MENTIONS, NOTHING, USES, Paths, imports_of, weight
from upnext_codegen.files.source import SourceError, decode
from upnext_codegen.findings import Finding
from upnext_codegen.names.modules import Modules
from upnext_codegen.reading.facts import Facts
from upnext_codegen.records import Place

SYNTAX_BUDGET = 4 * 1024 * 1024
"""Bytes of files with nothing of ours up to which all of them are parsed, for their syntax alone."""

_ABSENT = Entry(-1, -1, -1, NOTHING)


@dataclass(slots=True)
class Store:
    """Reads files.

    Attributes:
        root: The project root.
        files: The files of the project by path.
        modules: Their module names.
        cache: What earlier scans read.
        entries: What is to be kept of each file.
        moved: Whether a file was changed during the scan, so that nothing of it may be kept.
    """

    root: Path
    files: dict[str, SourceFile]
    modules: Modules
    cache: Cache
    entries: dict[str, Entry] = field(default_factory=dict[str, Entry])
    moved: bool = False
    _facts: dict[str, Facts | None] = field(default_factory=dict[str, Facts | None])
    _closed: dict[str, str] = field(default_factory=dict[str, str])
    _parsed: set[str] = field(default_factory=set[str])
    _whole: set[str] = field(default_factory=set[str])

    def refresh(self) -> None:
        """Look at every file that is not as the cache knows it."""
        known = self.cache.entries
        for path, file in self.files.items():
            entry = known.get(path)
            self.entries[path] = entry if entry is not None and entry.is_of(file) else self._look(path, file, entry)

    def _look(self, path: str, file: SourceFile, entry: Entry | None) -> Entry:
        data = self._bytes(path)
        if data is None:
            return _ABSENT
        changed = file.changed if is_settled(file) else -1
        times = (file.size, file.modified, changed)
        if entry is not None and (entry.digest or entry.syntax) and digest(data) in {entry.digest, entry.syntax}:
            return entry._replace(size=file.size, modified=file.modified, changed=changed)
        heavy = weight(data)
        # The content counts from here on where it did before: what it leads to may have changed.
        counts = heavy != NOTHING or (entry is not None and bool(entry.digest))
        fault = _misencoded(data)
        imports = imports_of(data) if heavy == USES else None
        return Entry(*times, heavy, digest(data) if counts or fault else "", imports, fault=fault)

    def state(self) -> str:
        """A digest of everything that a scan depends on."""
        parts = [repr((self.modules.roots, sorted(self.modules.files.items()), sorted(self._closed)))]
        parts += [f"{path}:{entry.weight}:{entry.digest}" for path, entry in sorted(self.entries.items())]
        return hashlib.blake2b("\n".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    def relevant(self) -> list[str]:
        """List the files that have to be parsed, sorted, and parse them."""
        paths = Paths(self.modules, self.mentions, self.imports)
        found = sorted(
            path
            for path, entry in sorted(self.entries.items())
            if entry.weight == MENTIONS or (entry.weight == USES and paths.lead_to_us(path))
        )
        missing = [path for path in found if not self._is_kept(path)]
        for path, parsed in parse_all(str(self.root), missing, self._size(missing)):
            self._take(path, parsed)
        return found

    def check(self, loaded: Collection[str]) -> list[Finding]:
        """Say which files cannot be read.

        Every file's encoding is looked at. The syntax of files that nobody asked for is, too, as long as all of them
        together fit the budget: either all of them are parsed or none, whatever the cache holds.

        Args:
            loaded: The files whose facts somebody asked for.
        """
        rest = sorted(self.entries.keys() - set(loaded) - self._closed.keys())
        within = self._size(rest) <= SYNTAX_BUDGET
        if within:
            missing = [path for path in rest if not self.entries[path].syntax and not self._is_kept(path)]
            for path, parsed in parse_all(str(self.root), missing, self._size(missing), syntax=True):
                self._keep(path, parsed, syntax=parsed.digest, fault=parsed.fault)
        unknown = set[str]() if within else set(rest)
        faults = [
            messages.unreadable(Place(path, *entry.fault[:2]), entry.fault[2])
            for path, entry in self.entries.items()
            if entry.fault is not None and not (entry.syntax and path in unknown)
        ]
        return [*faults, *[messages.unreadable(Place(path, 1, 1), why) for path, why in self._closed.items()]]

    def _size(self, paths: list[str]) -> int:
        return sum(self.files[path].size for path in paths)

    def users_of(self, aliases: Mapping[str, Collection[str]]) -> list[str]:
        """List the files that import their way to other files and have one of the names that those give away."""
        paths = Paths(self.modules, aliases.__contains__, self.imports)
        names = sorted({re.escape(name).encode() for each in aliases.values() for name in each})
        pattern = re.compile(rb"\b(?:" + b"|".join(names) + rb")\b")
        leading = [path for path in sorted(self.entries) if paths.lead_to_us(path)]
        return [path for path in leading if pattern.search(self._bytes(path) or b"")]

    def _is_kept(self, path: str) -> bool:
        entry = self.entries[path]
        return bool(entry.facts) or entry.fault is not None

    def mentions(self, path: str) -> bool:
        """Whether a file mentions upnext."""
        return path in self.entries and self.entries[path].weight == MENTIONS

    def imports(self, path: str) -> tuple[str, ...]:
        """The modules that a file imports, roughly."""
        entry = self.entries.get(path)
        if entry is None:
            return ()
        if entry.imports is None:
            data = self._bytes(path) or b""
            entry = entry._replace(imports=imports_of(data), digest=digest(data))
            self.entries[path] = entry
        return entry.imports or ()

    def facts(self, path: str) -> Facts | None:
        """The facts of a file, None where it cannot be read."""
        if path not in self._facts:
            entry = self.entries.get(path)
            if entry is None or (self._is_kept(path) and self._recall(path, entry)):
                return self._facts.get(path)
            self._take(path, parse_file(str(self.root), path, whole=False))
        return self._facts[path]

    def whole(self, path: str) -> Facts | None:
        """The facts of a file with the parameters of every function."""
        known = self.facts(path)
        if known is not None and path not in self._whole:
            self._whole.add(path)
            self._take(path, parse_file(str(self.root), path, whole=True))
        return self._facts[path]

    def _recall(self, path: str, entry: Entry) -> bool:
        if entry.fault is not None:
            # Its content counts from now on, even if only its syntax was of interest before.
            self.entries[path] = entry._replace(digest=entry.digest or entry.syntax)
            self._facts[path] = None
            return True
        try:
            known = encoding.loads(entry.facts)
        except ValueError:
            return False
        if not isinstance(known, Facts):
            return False
        self._facts[path] = known
        return True

    def _take(self, path: str, parsed: Parsed) -> None:
        self._parsed.add(path)
        self._facts[path] = parsed.facts
        known = {"digest": parsed.digest, "facts": parsed.text, "fault": parsed.fault, "syntax": parsed.digest}
        self._keep(path, parsed, **known)

    def _keep(self, path: str, parsed: Parsed, **known: Any) -> None:
        """Note what came of a file, unless it is no longer the one that `refresh` looked at."""
        entry = self.entries[path]
        if entry.weight != parsed.weight or (entry.digest and entry.digest != parsed.digest):
            self.moved = True
        self.entries[path] = entry._replace(**known)

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

    def loaded(self) -> list[str]:
        """The files whose facts somebody asked for."""
        return list(self._facts)

    def parsed(self) -> int:
        """How many files were parsed for what they define; a look at the syntax alone does not count."""
        return len(self._parsed)

    def ignores(self) -> dict[str, dict[int, frozenset[str] | None]]:
        """Lines with ignore comments, by file."""
        found: dict[str, dict[int, frozenset[str] | None]] = {}
        for path, known in sorted(self._facts.items()):
            if known is not None and known.ignores:
                found[path] = {line: None if codes is None else frozenset(codes) for line, codes in known.ignores}
        return found


def _misencoded(data: bytes) -> tuple[int, int, str] | None:
    try:
        decode(data)
    except SourceError as error:
        return error.line, error.column, error.reason
    return None
