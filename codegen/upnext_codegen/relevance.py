"""Which files of a project can matter to an event: what they say, and what they import, decides."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from upnext_codegen.names.candidates import (
    attributes_in,
    bound_names,
    holds_one,
    holds_word,
    last_names,
)
from upnext_codegen.names.exported_names import ANYTHING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from upnext_codegen.files.file_index import FileIndex
    from upnext_codegen.names.candidates import ImportGraph, Interesting

_NOTHING: frozenset[str] = frozenset()


@dataclass(slots=True)
class Relevance:
    """Chooses the files that have to be read, again and again as more exports are known.

    Attributes:
        index: The files.
        prefilter: Whether files that cannot matter are left out.
    """

    index: FileIndex
    prefilter: bool = True
    _importers: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """By the last names of what they import, the files."""
    _exports: dict[str, frozenset[str]] = field(default_factory=dict[str, "frozenset[str]"])
    """What `imported` was worked out with."""
    _imported: dict[str, Interesting] = field(default_factory=dict[str, "Interesting"])
    _without: dict[str, tuple[frozenset[str], frozenset[str]]] = field(
        default_factory=dict[str, "tuple[frozenset[str], frozenset[str]]"]
    )
    """What files hold none of: words, and modules whose attributes are taken by names that are worked out."""
    _with: dict[str, tuple[frozenset[str], frozenset[str]]] = field(
        default_factory=dict[str, "tuple[frozenset[str], frozenset[str]]"]
    )
    """Likewise what files hold one of: then also of any more."""
    _without_passed: dict[str, frozenset[str]] = field(default_factory=dict[str, "frozenset[str]"])
    """The same for modules that others pass on."""
    _taken: dict[str, dict[str, frozenset[str]]] = field(default_factory=dict[str, "dict[str, frozenset[str]]"])
    _shared: dict[frozenset[str], frozenset[str]] = field(default_factory=dict["frozenset[str]", "frozenset[str]"])
    """Each of those sets once: there are few for many files."""
    _attributes: dict[str, bytes] = field(default_factory=dict[str, bytes])
    _bound: dict[str, frozenset[str]] = field(default_factory=dict[str, "frozenset[str]"])

    def over(self, index: FileIndex) -> Relevance:
        """The same for these files and others: what their bytes hold is known."""
        return Relevance(
            index,
            self.prefilter,
            _without=self._without,
            _with=self._with,
            _without_passed=self._without_passed,
            _attributes=self._attributes,
            _bound=self._bound,
        )

    def named(self) -> list[str]:
        """The files that have to be worked out whatever others export."""
        return [path for path in self.index.entries if not self.prefilter or self.index.mentions(path)]

    def imported(self, graph: ImportGraph, exports: dict[str, frozenset[str]]) -> dict[str, Interesting]:
        """What each file imports from files with exports.

        Args:
            graph: What is exported.
            exports: The same by file.
        """
        names = {"", (graph.modules.catalog or "").rpartition("/")[2]}
        for path in exports.keys() | self._exports.keys():
            if self._exports.get(path, _NOTHING) != exports.get(path, _NOTHING):
                names.update(graph.modules.names_leading_to(path))
        for path in self._importing(names):
            interesting = graph.interesting(path, self.index.imports(path))
            if interesting:
                self._imported[path] = interesting
            else:
                self._imported.pop(path, None)
        self._exports = exports
        return dict(self._imported)

    def _importing(self, names: Iterable[str]) -> set[str]:
        """The files whose imports have one of these last names."""
        if not self._importers:
            for path in self.index.entries:
                for name in {name for each in self.index.imports(path) for name in last_names(each)}:
                    self._importers.setdefault(name, []).append(path)
        return {path for name in names for path in self._importers.get(name, ())}

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
            known_words, known_names = self._without.get(path, (_NOTHING, _NOTHING))
            held = self._with.get(path)
            if held is not None and held[0] <= words and held[1] <= names:
                wanted.add(path)
            elif words <= known_words and names <= known_names:
                pass
            elif holds_one(self.index.bytes_of(path) or b"", words - known_words, names):
                wanted.add(path)
                self._with[path] = words, names
            else:
                self._without[path] = self._united({words, known_words}), self._united({names, known_names})
        passing = {path: each for path, each in imported.items() if path not in wanted}
        wanted |= self._passed_through(graph, passing)
        return wanted | self._behind(graph, imported, wanted)

    def _behind(self, graph: ImportGraph, imported: dict[str, Interesting], wanted: set[str]) -> set[str]:
        """The files that pass on to others what those say: read as long as the others are."""
        every = graph.every_word()
        followed: dict[str, frozenset[str]] = {}
        waiting = [(path, self._said(path) & every) for path in wanted & imported.keys()]
        while waiting:
            path, words = waiting.pop()
            known = followed.get(path)
            if known is not None and words <= known:
                continue
            followed[path] = words if known is None else words | known
            sources = graph.sources_of(imported[path], self._said(path), words)
            waiting += [(each, words) for each in sources if each in imported]
        return followed.keys() - wanted

    def _said(self, path: str) -> frozenset[str]:
        """The attributes that a file takes of whatever it has."""
        if path not in self._attributes:
            # Kept as one text: a set of them takes fifty times the memory.
            self._attributes[path] = b" ".join(attributes_in(self.index.bytes_of(path) or b""))
        return frozenset(self._attributes[path].decode("utf-8", "replace").split())

    def _passed_through(self, graph: ImportGraph, imported: dict[str, Interesting]) -> set[str]:
        """The files that take modules from others which only pass them on, and those others.

        Args:
            graph: What is exported.
            imported: What those others import, that name nothing of it themselves.
        """
        found: set[str] = set()
        own = {path: graph.names(each) for path, each in imported.items()}  # what they import, next to what they bind
        words = {path: graph.words(each) or _NOTHING for path, each in imported.items()}
        behind: dict[str, set[str]] = {}
        fresh = set(imported)
        while fresh:
            passing, fresh = fresh, set[str]()
            names = set[str]().union(*map(graph.modules.own_names_of, passing))
            for path in self._importing({"", *names}) - words.keys():
                taken = self._taken_from(graph, path)
                sources = {each for each in passing.intersection(taken) if self._gives(each, taken[each], own[each])}
                wanted = self._united({words[each] for each in sources})
                if not wanted:
                    continue
                behind[path] = sources
                known = self._without_passed.get(path, _NOTHING)
                if not wanted <= known and holds_word(self.index.bytes_of(path) or b"", wanted - known):
                    found.add(path)
                    continue
                fresh.add(path)
                own[path] = self._kept(_NOTHING.union(*(taken[each] for each in sources)))
                words[path] = wanted
                self._without_passed[path] = self._united({wanted, known})
        return _with_those_behind(found, behind)

    def _gives(self, path: str, taken: Collection[str], own: Collection[str]) -> bool:
        """Whether one of some names that are taken from a file can be one of its own or of those that it binds."""
        if "*" in own or "" in taken or "*" in taken or any(name in own for name in taken):
            return True
        bound = self._bound_in(path)
        return ANYTHING in bound or not bound.isdisjoint(taken)

    def _bound_in(self, path: str) -> frozenset[str]:
        """Of the names that a file binds those that are imported from somewhere, and `ANYTHING`."""
        if path not in self._bound:
            names = bound_names(self.index.bytes_of(path) or b"")
            self._bound[path] = self._kept(
                frozenset(each for each in names if each in self._importers or each == ANYTHING)
            )
        return self._bound[path]

    def _taken_from(self, graph: ImportGraph, path: str) -> dict[str, frozenset[str]]:
        if path not in self._taken:
            taken = graph.taken_from(path, self.index.imports(path))
            self._taken[path] = {each: self._kept(frozenset(names)) for each, names in taken.items()}
        return self._taken[path]

    def _united(self, sets: set[frozenset[str]]) -> frozenset[str]:
        """The union of some sets: one of them as it is where it holds the others, which is mostly so."""
        largest = max(sets, key=len, default=_NOTHING)
        return largest if all(each <= largest for each in sets) else self._kept(largest.union(*sets))

    def _kept(self, names: frozenset[str]) -> frozenset[str]:
        return self._shared.setdefault(names, names)


def _with_those_behind(files: set[str], behind: dict[str, set[str]]) -> set[str]:
    found, fresh = set(files), set(files)
    while fresh:
        fresh = {each for path in fresh for each in behind.get(path, ())} - found
        found |= fresh
    return found
