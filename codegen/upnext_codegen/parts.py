"""What a scan knows so far about each file: its part, what it asked of other files, and their current answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from upnext_codegen.cycles import folders_of, grounded, led_to
from upnext_codegen.files import record_json
from upnext_codegen.fills import Fills
from upnext_codegen.growing import grown
from upnext_codegen.names.exported_names import FILLED, answer
from upnext_codegen.records import Resolved

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from upnext_codegen.names.candidates import ImportGraph
    from upnext_codegen.names.exports import Consulted
    from upnext_codegen.names.modules import Modules


@dataclass(slots=True)
class Parts:
    """The parts of files, by path, while they are being computed.

    Attributes:
        modules: The files' module names.
        now: The parts that are valid, or were when their files were analyzed.
        texts: The same as they are stored.
        consulted: What each file that was analyzed asked of others, and the answers. Nothing of those from the cache.
        fills: The names of other files that each file fills.
    """

    modules: Modules
    now: dict[str, Resolved] = field(default_factory=dict[str, Resolved])
    texts: dict[str, str] = field(default_factory=dict[str, str])
    consulted: dict[str, Consulted] = field(default_factory=dict[str, "Consulted"])
    fills: Fills = field(default_factory=Fills)
    _grown: dict[str, Resolved] = field(default_factory=dict[str, Resolved])
    """The last part of each file that was analyzed in this scan, also while it is being analyzed again."""

    def recall(self, path: str, part: Resolved, text: str) -> None:
        """Take a part from the cache."""
        self.now[path], self.texts[path] = part, text
        self.fills.note(path, part.fills)

    def recalled(self) -> set[str]:
        """Return the files whose parts are from the cache, which does not record what they asked of others."""
        return self.now.keys() - self.consulted.keys()

    def begin_again(self, paths: Iterable[str]) -> None:
        """Remove the parts of files that are about to be analyzed. Their exports remain known."""
        for path in paths:
            self.now.pop(path, None)

    def was_analyzed(self, path: str) -> bool:
        """Whether a file was analyzed before in this scan."""
        return path in self._grown

    def put(self, path: str, text: str) -> None:
        """Store a newly computed part. It exports at least what the previous part did."""
        part = record_json.part(text)
        assert part is not None, path
        made = grown(part, self._grown.get(path))
        self.now[path], self.texts[path] = made, text if made is part else record_json.dumps(made)
        self._grown[path] = made
        self.fills.note(path, made.fills)

    def exports(self, path: str) -> frozenset[str]:
        """Return what a file exports, or last exported while it is being analyzed again."""
        part = self.now.get(path) or self._grown.get(path)
        return frozenset(part.exports) if part else frozenset()

    def exporting_folders(self) -> frozenset[str]:
        """Return all folders that contain, at any depth, a file with exports or the catalog."""
        exporting = [path for path, part in self.now.items() if part.exports]
        return folders_of([*exporting, self.modules.catalog or ""])

    def graph(self) -> ImportGraph:
        """Return the import graph, according to the files' current exports."""
        from upnext_codegen.names.candidates import ImportGraph  # noqa: PLC0415 - a warm run does without

        parts = self.now.items()
        exports = {path: frozenset(part.exports) for path, part in parts}
        return ImportGraph(self.modules, exports, {path: part.modules for path, part in parts if part.modules})

    def analyzed_with_stale_exports(self, paths: Iterable[str]) -> set[str]:
        """Return those of some files that were analyzed with exports that have changed since."""
        folders = self.exporting_folders()

        def is_wrong(question: tuple[str, str], found: bool | frozenset[str]) -> bool:
            path, name = question
            if name == FILLED:
                return found != self.fills.of(path)
            return found != (path in folders if path.endswith("/") else answer(self.exports(path), name))

        return {
            path
            for path in paths
            if path in self.now and any(is_wrong(*each) for each in self.consulted.get(path, {}).items())
        }

    def drop_cycles(self, shrunk: set[str], imported_by: Mapping[str, Sequence[str]]) -> set[str]:
        """Drop the parts of files in an import cycle that may be based only on one another's exports.

        Args:
            shrunk: Files that no longer export something.
            imported_by: For files from the cache, what they imported.

        Returns:
            The paths of the dropped parts.
        """
        sources = {path: self._sources(path, imported_by) for path in self.now}
        led = led_to(shrunk, sources)
        for path in led:
            self._grown.pop(path, None)
        dropped = (self.now.keys() - grounded(sources)) & led
        for path in dropped:
            del self.now[path]
            self.fills.note(path, ())
        return dropped

    def _sources(self, path: str, imported_by: Mapping[str, Sequence[str]]) -> set[str]:
        """Return the files and folders from which a file may get its exports."""
        fillers = {*self.fills.by(path)} - {path}
        if path in self.consulted:
            asked = self.consulted[path].items()
            return fillers | {each for (each, question), found in asked if found and question != FILLED}
        return fillers | {each.partition(" ")[2] for each in imported_by.get(path, ())}


def stored_parts(texts: Mapping[str, str]) -> Iterator[tuple[str, Resolved]]:
    """Yield the parts stored by an earlier scan, valid or not."""
    for path, text in texts.items():
        part = record_json.part(text)
        if part is not None:
            yield path, part
