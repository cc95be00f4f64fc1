"""All files' parts of a scan: those that still hold are taken from the cache, the others worked out.

Files are worked out in the order of their imports, then those that import what these export, and so on until no file
exports what its importers have not been asked about.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from upnext_codegen import messages
from upnext_codegen.files import record_json
from upnext_codegen.files.cache_format import Snapshot
from upnext_codegen.files.file_index import ParseNote
from upnext_codegen.names.modules import still_answers
from upnext_codegen.records import Place, Resolved

if TYPE_CHECKING:
    from upnext_codegen.files.file_index import FileIndex
    from upnext_codegen.names.candidates import ImportGraph, Interesting
    from upnext_codegen.names.exports import Consulted
    from upnext_codegen.names.modules import Modules
    from upnext_codegen.relevance import Relevance
    from upnext_codegen.sources import Sources

_MOST_TIMES = 8
"""Times after which a file is left as it is and reported, when its exports go on changing with those of others."""


@dataclass(slots=True)
class Incremental:
    """Works out the parts of all files that can matter.

    Attributes:
        index: The files.
        modules: Their module names.
        prefilter: Whether files, names and lines that cannot matter are skipped, which changes nothing but the time.
        relevance: What a scan of the same files knows of their bytes, if there was one; after `work_out`, this one's.
        is_unchanged: Whether all is as the cache knows it; not before `work_out`.
        leads_as_before: Whether files import and export what the cache knows, whatever else has changed in them; not
            before `work_out`.
    """

    index: FileIndex
    modules: Modules
    prefilter: bool = True
    relevance: Relevance | None = None
    is_unchanged: bool = False
    leads_as_before: bool = False
    _parts: dict[str, Resolved] = field(default_factory=dict[str, Resolved])
    _texts: dict[str, str] = field(default_factory=dict[str, str])
    _consulted: dict[str, Consulted] = field(default_factory=dict[str, "Consulted"])
    _imported_by: dict[str, Interesting] = field(default_factory=dict[str, "Interesting"])
    _exported: dict[str, frozenset[str]] = field(default_factory=dict[str, "frozenset[str]"])
    _digest: str = ""
    _words: str = ""

    def work_out(self) -> None:
        """Work them out."""
        known = self.index.known
        modules = self.modules
        supposed = sorted(modules.supposed.items())
        self._digest = _digest((modules.roots, modules.catalog, supposed, sorted(modules.files.items())))
        self._words = known.words
        self._recall()
        self.is_unchanged = not self.index.looked and known.modules == self._digest
        self.is_unchanged &= len(self._parts) == len(known.parts)
        self.leads_as_before = self.is_unchanged
        if not self.is_unchanged:
            from upnext_codegen.sources import Sources  # noqa: PLC0415 - a warm run does without

            sources = Sources(self.index)
            self._complete(sources)
            sources.trim(0)

    def by_file(self) -> dict[str, Resolved]:
        """The parts, in the order of their files; not before `work_out`."""
        return {path: self._parts[path] for path in sorted(self._parts)}

    def snapshot(self) -> Snapshot:
        """What the next scan can make use of; not before `work_out`."""
        texts = {path: self._texts[path] for path in sorted(self._parts)}
        imported = {path: self._imported_by[path] for path in texts if self._imported_by.get(path)}
        return Snapshot(self.index.entries, texts, self._digest, imported, self._words)

    def _recall(self) -> None:
        """Take from the cache what is as it was: the file, those that it leads to, and what its imports mean."""
        known, modules = self.index.known, self.modules
        changed = self.index.changed() if self.index.looked else set[str]()
        for path, text in known.parts.items():
            part = _decoded(text)
            if part is None or path in changed or not changed.isdisjoint(part.read):
                continue
            if known.modules == self._digest or all(still_answers(modules, *each) for each in json.loads(part.answers)):
                self._parts[path], self._texts[path] = part, text
                self._imported_by[path] = [*known.imported.get(path, ())]

    def _complete(self, sources: Sources) -> None:
        """Work out what is missing, until no file exports what its importers have not been asked about."""
        from upnext_codegen.names.exported_names import has_lost  # noqa: PLC0415 - a warm run does without
        from upnext_codegen.relevance import Relevance  # noqa: PLC0415 - likewise

        relevance = self.relevance.over(self.index) if self.relevance else Relevance(self.index, self.prefilter)
        self.relevance = relevance
        if self.index.known.modules != self._digest:
            self._words = _digest(sorted(self.index.words))
            if self._words != self.index.known.words:
                self.index.forget_imports()
        pending = self._stale() | {path for path in relevance.named() if path not in self._parts}
        times = Counter[str]()
        exported: dict[str, frozenset[str]] | None = None
        imported: dict[str, Interesting] = {}
        before = {path: frozenset(part.exports) for path, part in self._earlier()}
        while True:
            times.update(pending)
            self._work_out(pending, sources)
            if exported is None and self._leads_as_before():
                self.leads_as_before = True
                self._imported_by = {path: [*self.index.known.imported.get(path, ())] for path in self._parts}
                return
            shrunk = {path for path, names in before.items() if has_lost(names, self._exports(path))}
            if shrunk:
                self._drop_circles(shrunk)
            before = {path: frozenset(part.exports) for path, part in self._parts.items()}
            graph = self._graph()
            if before != exported:
                imported, exported = relevance.imported(graph, before), before
            wanted = relevance.wanted(graph, imported)
            for path in self._parts.keys() - wanted:
                del self._parts[path]
            pending = {path for path in wanted if path not in self._parts}
            # Of the others it is known what they asked.
            recalled = self._parts.keys() - self._consulted.keys()
            pending |= {path for path in recalled if self._imported_by.get(path, []) != imported.get(path, [])}
            pending |= self._misled(self._consulted)
            unsettled = {path for path in pending if times[path] >= _MOST_TIMES}
            pending -= unsettled
            if not pending:
                self._tell_of(unsettled)
                self._imported_by = {path: imported[path] for path in self._parts if path in imported}
                return

    def _tell_of(self, unsettled: set[str]) -> None:
        """Report the files whose exports go on changing with what others export."""
        for path in unsettled & self._parts.keys():
            part = self._parts[path]
            finding = messages.unreadable(Place(path, 1, 1), "what it exports never comes to rest")
            self._parts[path] = part._replace(findings=(*part.findings, finding))
            self._texts[path] = record_json.dumps(self._parts[path])

    def _leads_as_before(self) -> bool:
        """Whether no other file can matter than those that the cache has parts of, and each asked what still holds."""
        from upnext_codegen.names.candidates import holds_word, renamed, works_names_out  # noqa: PLC0415 - as elsewhere

        index, known = self.index, self.index.known
        if not self.prefilter or known.modules != self._digest or index.entries.keys() != known.entries.keys():
            return False
        parts = dict(self._earlier())
        if parts.keys() != self._parts.keys() or any(
            _ways(part) != _ways(parts[path]) for path, part in self._parts.items()
        ):
            return False
        words = self._graph().every_word()
        for path in index.fresh:
            now, before = index.entries[path], known.entries[path]
            if now.mentions != before.mentions or [*(now.imports or ())] != [*(before.imports or ())]:
                return False
            if path not in parts and now.imports:
                data = index.bytes_of(path) or b""
                if renamed(data) or works_names_out(data) or holds_word(data, words):
                    return False
        return not self._misled(self._consulted)

    def _stale(self) -> set[str]:
        """The files whose part does not hold any more."""
        return {path for path in self.index.known.parts if path in self.index.entries and path not in self._parts}

    def _earlier(self) -> Iterator[tuple[str, Resolved]]:
        """The parts of earlier scans, also those that do not hold any more."""
        for path, text in self.index.known.parts.items():
            part = _decoded(text)
            if part is not None:
                yield path, part

    def _drop_circles(self, shrunk: set[str]) -> None:
        """Drop the parts of files that may have only from one another what some files do not export any more."""
        grounded: set[str] = set()
        sources = {path: self._sources(path) for path in self._parts}
        while True:
            more = {path for path, others in sources.items() if others <= grounded} - grounded
            if not more:
                break
            grounded |= more
        for path in (self._parts.keys() - grounded) & _led_to(shrunk, sources):
            del self._parts[path]
            self._exported.pop(path, None)

    def _sources(self, path: str) -> set[str]:
        """The files that a file may have its exports from; of a whole folder it is not known which of its files."""
        if path in self._consulted:
            return {each for (each, _), found in self._consulted[path].items() if found}
        return {each.partition(" ")[2] for each in self._imported_by.get(path, ())}

    def _misled(self, paths: Iterable[str]) -> set[str]:
        """Those of some files that were worked out with other exports than those that were found since."""
        from upnext_codegen.names.exported_names import answer  # noqa: PLC0415 - a warm run does without

        folders = self._exporting_folders()

        def is_wrong(question: tuple[str, str], found: bool | frozenset[str]) -> bool:
            path, name = question
            return found != (path in folders if path.endswith("/") else answer(self._exports(path), name))

        return {
            path
            for path in paths
            if path in self._parts and any(is_wrong(*each) for each in self._consulted.get(path, {}).items())
        }

    def _exports(self, path: str) -> frozenset[str]:
        part = self._parts.get(path)
        return frozenset(part.exports) if part else frozenset()

    def _exporting_folders(self) -> frozenset[str]:
        """The folders, at any depth, that files with exports are in, and the catalog, which exports upnext's own."""
        exporting = [path for path, part in self._parts.items() if part.exports]
        return _folders([*exporting, self.modules.catalog or ""])

    def _graph(self) -> ImportGraph:
        from upnext_codegen.names.candidates import ImportGraph  # noqa: PLC0415 - a warm run does without

        parts = self._parts.items()
        exports = {path: frozenset(part.exports) for path, part in parts}
        return ImportGraph(self.modules, exports, {path: part.modules for path, part in parts if part.modules})

    def _work_out(self, pending: set[str], sources: Sources) -> None:
        waiting = self._waits_for(pending)
        while waiting:
            ready = sorted(path for path, others in waiting.items() if others.isdisjoint(waiting))
            wave = ready or sorted(_circles(waiting))
            for path in wave:
                del waiting[path]
            self._work_out_wave(wave, sources)
            # In a circle of imports each starts with what the others are known to export, at first nothing. Those that
            # this misled are worked out again before anybody outside asks them.
            for _ in range(0 if ready else _MOST_TIMES):
                misled = sorted(self._misled(wave))
                if not misled:
                    break
                self._work_out_wave(misled, sources)

    def _waits_for(self, pending: set[str]) -> dict[str, set[str]]:
        """For each of some files the others among them that it imports from."""
        from upnext_codegen.names.candidates import ImportGraph  # noqa: PLC0415 - a warm run does without

        graph = ImportGraph(self.modules, {})
        return {
            path: {file for each in self.index.imports(path) for file in graph.files_of(path, each)} & pending - {path}
            for path in pending
        }

    def _work_out_wave(self, paths: list[str], sources: Sources) -> None:
        from upnext_codegen.analyze_file import Surroundings, analyze_file  # noqa: PLC0415 - a warm run does without
        from upnext_codegen.files.pool import spread  # noqa: PLC0415

        folders = self._exporting_folders()
        for path in paths:
            self._parts.pop(path, None)
        index = self.index
        parts, prefilter, texts, so_far = self._parts, self.prefilter, self._texts, self._exported

        def exports(path: str) -> frozenset[str]:
            return frozenset(parts[path].exports) if path in parts else so_far.get(path, frozenset())

        around = Surroundings(self.modules, exports, folders.__contains__, prefilter)

        def job(path: str) -> tuple[str, dict[str, tuple[Any, ...]], Consulted]:
            analysis = analyze_file(sources, around, path)
            sources.trim()
            notes, index.notes = index.notes, {}
            # Plain tuples take a tenth of the time on their way from one process to the other.
            told = {each: tuple(note) for each, note in notes.items()}
            return record_json.dumps(analysis.part), told, analysis.consulted

        found: list[tuple[str, str]] = []
        for path, (text, notes, consulted) in spread(job, paths, index.size(paths)):
            for each, note in notes.items():
                index.take(each, ParseNote._make(note))
            index.notes = {}
            found.append((path, text))
            self._consulted[path] = consulted
        for path, text in found:
            part = _decoded(text)
            assert part is not None, path
            self._parts[path], texts[path] = part, text
            so_far[path] = so_far.get(path, frozenset()) | {*part.exports}


def _ways(part: Resolved) -> tuple[object, ...]:
    """What leads from a file to something of upnext."""
    return part.exports, part.modules


def _circles(waiting: dict[str, set[str]]) -> set[str]:
    """Choose the files in circles of imports from which no import leads to another file that waits."""
    reached: dict[str, set[str]] = {}
    for path in waiting:
        found, stack = {path}, [path]
        while stack:
            fresh = (waiting[stack.pop()] & waiting.keys()) - found
            found |= fresh
            stack += fresh
        reached[path] = found
    return {path for path, others in reached.items() if all(len(reached[each]) == len(others) for each in others)}


def _led_to(files: set[str], sources: dict[str, set[str]]) -> set[str]:
    """The files that import from some, also through others; a source that ends with `/` stands for a whole folder."""
    found = set(files)
    fresh = set(files)
    while fresh:
        led = {*fresh, *_folders(fresh)}
        fresh = {path for path, others in sources.items() if not others.isdisjoint(led)} - found
        found |= fresh
    return found


def _folders(paths: Iterable[str]) -> frozenset[str]:
    """The folders, at any depth, that some files are in; each ends with `/`."""
    found: set[str] = {"/"}
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder and f"{folder}/" not in found:
            found.add(f"{folder}/")
            folder = folder.rpartition("/")[0]
    return frozenset(found)


@lru_cache(maxsize=20_000)  # for `--watch`, which scans again and again in one process
def _decoded(text: str) -> Resolved | None:
    try:
        part = record_json.loads(text)
    except ValueError:
        return None
    return part if isinstance(part, Resolved) else None


def _digest(value: object) -> str:
    return hashlib.blake2b(repr(value).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
