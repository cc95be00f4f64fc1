"""Keeps the analysis of every file up to date: reused from the cache while it is valid, redone otherwise.

The results for one file are its part (`Resolved`). Files are analyzed in the order of their imports, then the files
that import what these turned out to export, and so on, until every file has been analyzed with the final exports.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from upnext_codegen.cycles import folders_of, in_turns
from upnext_codegen.files import record_json
from upnext_codegen.files.cache_format import Snapshot
from upnext_codegen.files.file_index import ParseNote
from upnext_codegen.fills import Fills
from upnext_codegen.growing import ways_of
from upnext_codegen.names.exported_names import MODULES, NOT, has_lost
from upnext_codegen.names.modules import still_answers
from upnext_codegen.parts import Parts, stored_parts
from upnext_codegen.reached_files import unreached
from upnext_codegen.records import Resolved

if TYPE_CHECKING:
    from upnext_codegen.files.file_index import FileIndex
    from upnext_codegen.names.exports import Consulted
    from upnext_codegen.names.modules import Modules
    from upnext_codegen.relevance import Relevance
    from upnext_codegen.sources import Sources

_MOST_TIMES = 8
"""How often files in an import cycle are analyzed again before their importers are."""
_PATIENCE = 8
"""After so many rounds that led on to others, files are read ahead, twice as many in each: a round looks at all."""


@dataclass(slots=True)
class Incremental:
    """Computes the parts of all files that can matter.

    Attributes:
        index: The files.
        modules: Their module names.
        prefilter: Whether to skip files, names and lines that cannot matter. The result is the same without, only
            slower.
        words: Loads what an earlier scan saved for `FileWords`.
        begun_by: What has worked out the same files with other import roots, and has made the snapshot to begin with.
        parts: What is known of each file.
        relevance: What is known about the files' bytes. Set by `work_out`.
        is_unchanged: Whether everything is as the cache has it. Set by `work_out`.
        leads_as_before: Whether all imports and exports are as the cache has them, whatever else changed. Set by
            `work_out`.
    """

    index: FileIndex
    modules: Modules
    prefilter: bool = True
    words: Callable[[], Mapping[str, bytes]] = dict
    begun_by: Incremental | None = None
    parts: Parts = field(init=False)
    relevance: Relevance | None = None
    is_unchanged: bool = False
    leads_as_before: bool = False
    _imported_by: dict[str, Sequence[str]] = field(default_factory=dict[str, "Sequence[str]"])
    _fills_before: Fills = field(default_factory=Fills)
    _exports_before: dict[str, frozenset[str]] = field(default_factory=dict[str, "frozenset[str]"])
    _frame: str = ""
    _unfinished: set[str] = field(default_factory=set[str])
    """Files that were last analyzed only for what they export."""
    _digest: str = ""
    _words: str = ""
    _read_ahead: bool = False
    """Whether files were read in advance."""
    _unreached: set[str] = field(default_factory=set[str])
    """Files with a part of which nothing is told. Without it, those with its exports would have to come again."""

    def __post_init__(self) -> None:
        self.parts = Parts(self.modules)

    def work_out(self) -> None:
        """Compute the parts."""
        known = self.index.known
        modules = self.modules
        links = sorted((path, file) for path, file in modules.files.items() if path != file)
        self._frame = _digest((modules.roots, modules.catalog, links))
        self._digest = _digest((self._frame, sorted(modules.supposed.items()), sorted(modules.files)))
        self._words = known.words
        self._recall()
        self.is_unchanged = not self.index.has_changes and known.modules == self._digest
        self.is_unchanged &= len(self.parts.now) == len(known.parts)
        self.leads_as_before = self.is_unchanged
        if not self.is_unchanged:
            from upnext_codegen.sources import Sources  # noqa: PLC0415 - a warm run does without

            sources = Sources(self.index)
            self._complete(sources)
            sources.trim(0)

    def by_file(self) -> dict[str, Resolved]:
        """Return the parts by path, sorted. Call `work_out` first."""
        return {path: self.parts.now[path] for path in sorted(self.parts.now.keys() - self._unreached)}

    def read(self) -> set[str]:
        """Return the files that were read for what is found, and those that cannot be read. Call `work_out` first."""
        entries, parts = self.index.entries, self.by_file()
        counting = {path: part for path, part in parts.items() if part.has_content or entries[path].mentions}
        broken = {path for path in parts if entries[path].unreadable}
        return broken.union(*(part.read for part in counting.values()))

    def snapshot(self) -> Snapshot:
        """Return what the next scan can reuse. Call `work_out` first."""
        texts = {path: self.parts.texts[path] for path in sorted(self.parts.now)}
        entries, unreached = self.index.entries, sorted(self._unreached)
        imported = {path: each for path, each in self._imported_by.items() if path in entries}
        return Snapshot(entries, texts, self._digest, imported, self._words, frame=self._frame, unreached=unreached)

    def _recall(self) -> None:
        """Reuse cached parts whose file, read files, and import resolutions are all unchanged."""
        known, modules = self.index.known, self.modules
        self._imported_by, self._unreached = {**known.imported}, {*known.unreached}
        changed = self.index.changed() if self.index.has_changes else set[str]()
        for path, part in stored_parts(known.parts):
            if path in changed or not changed.isdisjoint(part.read):
                continue
            if known.modules == self._digest or all(still_answers(modules, *each) for each in json.loads(part.answers)):
                self.parts.recall(path, part, known.parts[path])
        if self.begun_by:  # A cache does not record what each file looked up in others.
            asked = self.begun_by.parts.consulted
            self.parts.consulted = {path: asked[path] for path in self.parts.now.keys() & asked.keys()}

    def _complete(self, sources: Sources) -> None:
        """Analyze files until every one has been analyzed with the exports as they are."""
        for path, part in stored_parts(self.index.known.parts):
            self._exports_before[path] = frozenset(part.exports)
            self._fills_before.note(path, part.fills)
        earlier = {**self._exports_before}
        relevance = self.relevance = self._relevance(earlier)
        # Those without a part that is still valid.
        pending = self.index.entries.keys() & {*relevance.named(), *self.index.known.parts} - self.parts.now.keys()
        shrunk = {path for path in earlier if path not in self.index.entries}
        self._work_out(pending, sources)
        self._finish(sources)
        self.leads_as_before = self._leads_as_before()
        led_on = 0
        while not self.leads_as_before:
            # Within a scan the exports of a file only grow. It can lose some only against an earlier scan.
            shrunk |= {path for path in pending & earlier.keys() if self._has_lost(path, earlier.pop(path))}
            dropped, shrunk = self.parts.drop_cycles(shrunk, self._imported_by) if shrunk else set[str](), set[str]()
            self._unfinished -= dropped
            pending = dropped or self._next_pending(relevance)
            if self._unfinished and not pending:
                self._finish(sources)
                pending = self._next_pending(relevance)
            if not pending:
                self._unreached = self._find_unreached(relevance)
                return
            led_on += not pending <= self.parts.now.keys()
            if led_on > _PATIENCE and not pending <= self.parts.now.keys():
                many = len(pending) << led_on - _PATIENCE
                pending = relevance.with_those_beyond(self.parts.graph(), pending, self.parts.now, many)
                self._read_ahead = True
            self._work_out(pending, sources)

    def _has_lost(self, path: str, exports: frozenset[str]) -> bool:
        return has_lost(exports, self.parts.exports(path)) or self.parts.fills.has_lost(path, self._fills_before)

    def _relevance(self, exports: Mapping[str, frozenset[str]]) -> Relevance:
        from upnext_codegen.file_words import FileWords  # noqa: PLC0415 - a warm run does without
        from upnext_codegen.relevance import Relevance  # noqa: PLC0415 - likewise

        if self.index.known.modules != self._digest:
            self._words = _digest(sorted(self.index.words))
            if self._words != self.index.known.words:
                self.index.look_again_at_imports()
        if self.begun_by and self.begun_by.relevance:
            relevance = self.begun_by.relevance.over(self.index, self.modules)
        else:
            relevance = Relevance(self.index, self.prefilter, FileWords(self.index, self.words))
        if self.index.known.frame == self._frame:
            relevance.start(self.modules, self._imported_by, {**exports})
        return relevance

    def _next_pending(self, relevance: Relevance) -> set[str]:
        """Return the files to analyze, for the first time or again, given what files export now."""
        graph = self.parts.graph()
        imported = relevance.imported(graph)
        # For parts from the cache it is known what they imported.
        recalled = self.parts.recalled()
        pending = {path for path in recalled if [*self._imported_by.get(path, ())] != imported.get(path, [])}
        pending |= self.parts.analyzed_with_stale_exports(self.parts.consulted)
        # Attributes of whole modules are not imports themselves.
        names = self._changed_export_names()
        whole = recalled & imported.keys() if names else set[str]()
        relevance.words.look_at(whole)
        pending |= {path for path in whole if relevance.words.says(path, names)}
        fresh = self.parts.fills.changed(self._fills_before)
        pending |= {path for path in recalled if not fresh.isdisjoint(self.parts.now[path].read)}
        pending |= {path for path in self.parts.fills.files() - self.parts.now.keys() if path in self.index.entries}
        pending = pending or relevance.wanted(graph, imported, self.parts.now.keys())
        if not pending:
            self._imported_by = {**imported}
        return pending

    def _changed_export_names(self) -> set[str]:
        """The names that analyzed files have begun or ceased to export.

        With those of the files that export something now and nothing before, or the other way.
        """
        found = set[str]()
        for path in self.parts.consulted:
            now, before = self.parts.exports(path), self._exports_before.get(path, frozenset())
            found.update(name.lstrip(f"{MODULES}{NOT}") for name in now ^ before)
            if bool(now) != bool(before):
                found |= self.modules.own_names_of(path)
        return found

    def _find_unreached(self, relevance: Relevance) -> set[str]:
        """Find files that a scan without a cache would not reach, and that would have findings.

        They may stand for what an earlier scan knew of other files, or have been read in advance.
        """
        parts, entries, is_doubtful = self.parts.now, self.index.entries, self._read_ahead or self.index.known.parts
        reported = {
            path for path in parts if entries[path].unreadable or (is_doubtful and parts[path].comes_without_event)
        }
        reported -= {*relevance.named()}
        if not reported:
            return reported
        over = relevance.over(self.index, self.modules)
        return unreached(reported, over, self._imported_by, self.parts.graph(), self.parts.fills)

    def _leads_as_before(self) -> bool:
        """Whether only files with cached parts can matter, all of them analyzed with exports that are still correct."""
        from upnext_codegen.names import words_in_bytes as said  # noqa: PLC0415 - as elsewhere

        index, known = self.index, self.index.known
        if not self.prefilter or known.modules != self._digest or index.entries.keys() != known.entries.keys():
            return False
        parts = dict(stored_parts(self.index.known.parts))
        if parts.keys() != self.parts.now.keys() or any(
            ways_of(part) != ways_of(parts[path]) for path, part in self.parts.now.items()
        ):
            return False
        words = self.parts.graph().every_word()
        for path in index.fresh:
            now, before = index.entries[path], known.entries[path]
            if now.mentions != before.mentions or [*(now.imports or ())] != [*(before.imports or ())]:
                return False
            if path not in parts and now.imports:
                data = index.bytes_of(path) or b""
                own = {name for each in now.imports for name in said.last_names(each)} - {""}
                if said.renamed(data) or said.holds_word(data, words) or said.takes_by_name(data, words, own, own):
                    return False
        return not self.parts.analyzed_with_stale_exports(self.parts.consulted)

    def _work_out(self, pending: set[str], sources: Sources) -> None:
        """Analyze files; those in a cycle, or analyzed again, only for their exports, until `_finish`.

        Each time more is known of what others export, and only the last time counts for all that is in a file.
        """
        from upnext_codegen.importers import imports_among  # noqa: PLC0415 - a warm run does without

        folders = {*self.parts.exporting_folders()}
        for alone, cyclic in in_turns(imports_among(pending, self.index, self.modules)):
            again = [each for each in alone if self.parts.was_analyzed(each)]
            self._work_out_wave([each for each in alone if not self.parts.was_analyzed(each)], sources, folders)
            self._work_out_wave(again, sources, folders, exports_only=True)
            self._work_out_wave(cyclic, sources, folders, exports_only=True)
            self._unfinished.update(again, cyclic)
            # In a cycle, each file starts from the known exports of the others, at first none, which misleads some.
            for _ in range(_MOST_TIMES):
                misled = self.parts.analyzed_with_stale_exports(cyclic)
                if not misled:
                    break
                self._work_out_wave(sorted(misled), sources, folders, exports_only=True)

    def _finish(self, sources: Sources) -> None:
        """Analyze in full the files that were analyzed for their exports."""
        waiting, self._unfinished = sorted(self._unfinished), set[str]()
        self._work_out_wave(waiting, sources, {*self.parts.exporting_folders()})

    def _work_out_wave(
        self, paths: list[str], sources: Sources, folders: set[str], *, exports_only: bool = False
    ) -> None:
        """Analyze files, and add the folders of exporting ones to `folders`."""
        from upnext_codegen import analyze_file as of_file  # noqa: PLC0415 - a warm run does without
        from upnext_codegen.files.pool import PARSING, spread  # noqa: PLC0415

        index, parts = self.index, self.parts
        parts.begin_again(paths)
        analyze = of_file.find_exports if exports_only else of_file.analyze_file
        around = of_file.Surroundings(self.modules, parts.exports, folders.__contains__, parts.fills.of, self.prefilter)

        def job(path: str) -> tuple[str, dict[str, tuple[Any, ...]], Consulted]:
            analysis = analyze(sources, around, path)
            sources.trim()
            notes, index.notes = index.notes, {}
            # Plain tuples pass from process to process in a tenth of the time.
            plain_notes = {each: tuple(note) for each, note in notes.items()}
            return record_json.dumps(analysis.part), plain_notes, analysis.consulted

        found: list[tuple[str, str]] = []
        for path, (text, notes, consulted) in spread(job, paths, PARSING * index.size(paths)):
            for each, note in notes.items():
                index.take(each, ParseNote._make(note))
            index.notes = {}
            found.append((path, text))
            parts.consulted[path] = consulted
        for path, text in found:
            parts.put(path, text)
        folders |= folders_of(path for path in paths if parts.now[path].exports)


def _digest(value: object) -> str:
    return hashlib.blake2b(repr(value).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
