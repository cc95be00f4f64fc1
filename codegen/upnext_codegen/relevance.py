"""Which files of a project can matter to an event: what they say, and what they import, decides."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from upnext_codegen.names.candidates import bound_names, holds_one, holds_word, renamed

if TYPE_CHECKING:
    from upnext_codegen.files.file_index import FileIndex
    from upnext_codegen.names.candidates import ImportGraph, Interesting


@dataclass(slots=True)
class Relevance:
    """Chooses the files that have to be read, again and again as more exports are known.

    Attributes:
        index: The files.
        prefilter: Whether files that cannot matter are left out.
    """

    index: FileIndex
    prefilter: bool = True
    _without: dict[str, tuple[frozenset[str], frozenset[str]]] = field(
        default_factory=dict[str, "tuple[frozenset[str], frozenset[str]]"]
    )
    """What files hold none of: words, and modules whose attributes are taken by names that are worked out."""
    _without_passed: dict[str, frozenset[str]] = field(default_factory=dict[str, "frozenset[str]"])
    """The same for modules that others pass on."""
    _taken: dict[str, dict[str, set[str]]] = field(default_factory=dict[str, "dict[str, set[str]]"])

    def named(self) -> list[str]:
        """The files that have to be worked out whatever others export."""
        return [path for path in self.index.entries if not self.prefilter or self.index.mentions(path)]

    def imported(self, graph: ImportGraph) -> dict[str, Interesting]:
        """What each file imports from files with exports."""
        found: dict[str, Interesting] = {}
        for path in self.index.entries:
            imports = self.index.imports(path)
            interesting = graph.interesting(path, imports) if imports else []
            if interesting:
                found[path] = interesting
        return found

    def wanted(self, graph: ImportGraph, imported: dict[str, Interesting]) -> set[str]:
        """The files that have to be read.

        Args:
            graph: What is exported.
            imported: What files import of it.
        """
        wanted = set(self.named())
        for path, interesting in imported.items():
            if path in wanted:
                continue
            words = graph.words(interesting)
            if words is None:
                wanted.add(path)
                continue
            names = graph.names(interesting)
            known_words, known_names = self._without.get(path, (frozenset(), frozenset()))
            if words <= known_words and names <= known_names:
                continue
            if holds_one(self.index.bytes_of(path) or b"", words, names):
                wanted.add(path)
            else:
                self._without[path] = words, names
        passing = {path: each for path, each in imported.items() if path not in wanted}
        return wanted | self._passed_through(graph, passing)

    def _passed_through(self, graph: ImportGraph, imported: dict[str, Interesting]) -> set[str]:
        """The files that take modules from others which only pass them on, and those others.

        Args:
            graph: What is exported.
            imported: What those others import, that name nothing of it themselves.
        """
        found: set[str] = set()
        bound = {path: bound_names(self.index.bytes_of(path) or b"", each) for path, each in imported.items()}
        words = {path: graph.words(each) or frozenset() for path, each in imported.items()}
        behind: dict[str, set[str]] = {path: {path} for path in imported}
        fresh = set(imported)
        while fresh:
            passing, fresh = fresh, set[str]()
            for path in self.index.entries.keys() - words.keys():
                taken = self._taken_from(graph, path)
                sources = {each for each in passing & taken.keys() if "*" in taken[each] or taken[each] & bound[each]}
                wanted = frozenset[str]().union(*(words[each] for each in sources))
                if not wanted:
                    continue
                known = self._without_passed.get(path, frozenset())
                data = b"" if wanted <= known else self.index.bytes_of(path) or b""
                others = {path}.union(*(behind[each] for each in sources))
                names = {name for each in sources for name in taken[each] & bound[each]}
                if holds_word(data, wanted):
                    found |= others
                elif names:
                    fresh.add(path)
                    words[path], behind[path] = wanted, others
                    bound[path] = names | renamed(self.index.bytes_of(path) or b"")
                if data and path not in found:
                    self._without_passed[path] = wanted
        return found

    def _taken_from(self, graph: ImportGraph, path: str) -> dict[str, set[str]]:
        if path not in self._taken:
            self._taken[path] = graph.taken_from(path, self.index.imports(path))
        return self._taken[path]
