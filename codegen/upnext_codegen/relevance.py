"""Decides which files of a project have to be read, from their words and their imports."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from upnext_codegen.importers import Importers
from upnext_codegen.names.exported_names import ANYTHING
from upnext_codegen.names.words_in_bytes import aliases

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from upnext_codegen.file_words import FileWords
    from upnext_codegen.files.file_index import FileIndex
    from upnext_codegen.names.candidates import ImportGraph, Interesting
    from upnext_codegen.names.modules import Modules

_NOTHING: frozenset[str] = frozenset()


@dataclass(slots=True)
class Relevance:
    """Chooses the files to read next, each time more is known about what files export.

    Attributes:
        index: The files of the project.
        prefilter: Whether to skip files that cannot matter.
        words: The attributes and bindings found in the files' bytes.
    """

    index: FileIndex
    prefilter: bool
    words: FileWords
    _importers: Importers | None = None
    _exports: dict[str, frozenset[str]] = field(default_factory=dict[str, "frozenset[str]"])
    """The exports that `_imported` was computed from."""
    _imported: dict[str, Interesting] = field(default_factory=dict[str, "Interesting"])
    _asked: set[str] = field(default_factory=set[str])
    """Files missing from `_imported` so far."""
    _begun: bool = False
    _sets: list[frozenset[str]] = field(default_factory=list["frozenset[str]"])
    """Sets of exported names. A file's sets are kept as one integer: bit n stands for the n-th set."""
    _bits: dict[frozenset[str], int] = field(default_factory=dict["frozenset[str]", int])
    _unions: dict[int, frozenset[str]] = field(default_factory=dict[int, "frozenset[str]"])
    _bound: dict[str, frozenset[str]] = field(default_factory=dict[str, "frozenset[str]"])
    """By file, the names it binds that some other file imports."""
    _unmentioned: dict[tuple[str, frozenset[str]], int] = field(default_factory=dict[tuple[str, frozenset[str]], int])
    """By file and the names of modules that it may have, the sets (as bits) of which it takes no name."""
    _called: dict[tuple[str, frozenset[str]], frozenset[str]] = field(
        default_factory=dict["tuple[str, frozenset[str]]", "frozenset[str]"]
    )
    """By file and the names of modules, these and the names that it renames them to."""
    _taking: dict[str, tuple[frozenset[str], frozenset[str], bool]] = field(
        default_factory=dict[str, "tuple[frozenset[str], frozenset[str], bool]"]
    )
    """By file, the words and modules it was last checked for, and whether it uses any of them."""

    def over(self, index: FileIndex, modules: Modules) -> Relevance:
        """Return a copy for another set of files that reuses what is known about their bytes."""
        other = Relevance(index, self.prefilter, self.words.over(index))
        if index.entries.keys() == self.index.entries.keys():
            other._importers = self.importers.but_in({folder for _, folder in modules.supposed})
        return other

    @property
    def importers(self) -> Importers:
        """Which files import which."""
        if self._importers is None:
            self._importers = Importers.over(self.index)
        return self._importers

    def named(self) -> list[str]:
        """Return the files that have to be read no matter what others export."""
        return [path for path in self.index.entries if not self.prefilter or self.index.mentions(path)]

    def start(
        self, modules: Modules, imported: Mapping[str, Sequence[str]], exports: dict[str, frozenset[str]]
    ) -> None:
        """Start from the results of an earlier scan, as far as its files are unchanged.

        Args:
            modules: The module names. Import roots, links and the catalog's module must equal the earlier scan's.
            imported: What `imported` returned in that scan.
            exports: The exports it was computed from.
        """
        entries, known = self.index.entries, self.index.known.entries
        folders = {folder for _, folder in modules.supposed}
        asked = {*self.index.fresh, *(path for path in entries if path.rpartition("/")[0] in folders)}
        if entries.keys() != known.keys():
            other = entries.keys() ^ known.keys()
            asked |= self.importers.naming(name for path in other for name in modules.names_leading_to(path))
        self._imported = {path: [*each] for path, each in imported.items() if path in entries and path not in asked}
        self._exports, self._asked, self._begun = exports, asked, True

    def imported(self, graph: ImportGraph) -> dict[str, Interesting]:
        """Return what each file imports from files that export something of upnext.

        Args:
            graph: All known exports.
        """
        exports = {path: frozenset(each) for path, each in graph.exports.items() if each}
        names = set[str]() if self._begun else {(graph.modules.catalog or "").rpartition("/")[2]}
        self._begun = True
        names.update(graph.modules.names_concerned_by(self._exports, exports))
        asked, self._asked = self._asked | self.importers.naming(names), set[str]()
        for path in asked:
            interesting = graph.interesting(path, self.index.imports(path))
            if interesting:
                self._imported[path] = interesting
            else:
                self._imported.pop(path, None)
        self._exports = exports
        return dict(self._imported)

    def wanted(self, graph: ImportGraph, imported: dict[str, Interesting], read: Collection[str]) -> set[str]:
        """Return the files to read in addition to those that have been read.

        A file stays read: only while it is, is it known that it re-exports nothing.

        Args:
            graph: All known exports.
            imported: What files import of these, as returned by `imported`.
            read: The files that have been read.
        """
        self.words.look_at(path for path in imported if path not in read)
        wanted = {path for path, each in imported.items() if path not in read and self._takes(graph, path, each)}
        passing = {path: each for path, each in imported.items() if path not in read and path not in wanted}
        wanted |= self._passed_through(graph, passing)
        return (wanted | self._behind(graph, imported, wanted.union(read))) - {*read}

    def with_those_beyond(self, graph: ImportGraph, files: set[str], read: Collection[str], most: int) -> set[str]:
        """Add the files that could get something of upnext from these files, directly or through others.

        This assumes that whatever those files bind is of upnext. Finding out one file at a time would take as many
        rounds as a chain of re-exports has links.

        Args:
            graph: All known exports.
            files: Files that are about to be read.
            read: Files that have been read.
            most: About how many to return, the nearest first: whatever a library binds may lead to thousands.
        """
        found, waiting = set(files), deque(sorted(files))
        own = {path: graph.names(self._imported[path]) for path in files & self._imported.keys()}
        while waiting and len(found) < most:
            source = waiting.popleft()
            importers = {
                path: taken
                for path, taken in self.importers.of(graph, source).items()
                if path not in found and path not in read
            }
            self.words.look_at(importers)
            bound = self.words.bound(source).union(own.get(source, ())) if importers else _NOTHING
            for path, taken in importers.items():
                names = taken | self.words.attributes(path) if "" in taken else taken
                if "*" in taken or ANYTHING in bound or not bound.isdisjoint(names):
                    found.add(path)
                    own[path] = taken
                    waiting.append(path)
        return found

    def _takes(self, graph: ImportGraph, path: str, interesting: Interesting) -> bool:
        """Whether a file uses anything of upnext from its imports."""
        words = graph.words(interesting)
        if words is None:
            return True
        modules = graph.names(interesting) | graph.inner_names(interesting, self.words.attributes(path))
        before = self._taking.get(path)
        if before is None or not (before[0] == words and before[1] == modules):
            before = self._taking[path] = words, modules, self.words.takes(path, words, modules)
        return before[2]

    def _behind(self, graph: ImportGraph, imported: dict[str, Interesting], wanted: set[str]) -> set[str]:
        """Return the files through which wanted files get what they mention. They are read as long as those are."""
        every = graph.every_word()
        followed: dict[str, frozenset[str]] = {}
        waiting = [(path, self.words.attributes(path) & every) for path in wanted & imported.keys()]
        while waiting:
            path, words = waiting.pop()
            known = followed.get(path)
            if known is not None and words <= known:
                continue
            followed[path] = words if known is None else words | known
            sources = graph.sources_of(imported[path], self.words.attributes(path), words)
            waiting += [(each, words) for each in sources if each in imported]
        return followed.keys() - wanted

    def _passed_through(self, graph: ImportGraph, imported: dict[str, Interesting]) -> set[str]:
        """Return files that mention nothing of upnext but may re-export a module that others then use.

        Of a chain of such files only the first is returned. Reading it shows whether it re-exports anything: most
        often it does not, and the rest of the chain need not be read.

        Args:
            graph: All known exports.
            imported: What the files that mention nothing of upnext import of it.
        """
        mentioned: dict[str, int] = {}
        own = {path: graph.names(each) for path, each in imported.items()}  # modules that can be taken from each
        known = {**own}  # the names that each may have for those modules, without other names from the same files
        first = {path: self._bit_of(graph.words(each) or _NOTHING) for path, each in imported.items()}
        words = {**first}
        fresh = {path for path, each in words.items() if each}
        while fresh:
            passing, fresh = fresh, set[str]()
            importers = {source: self.importers.of(graph, source) for source in passing}
            self.words.look_for_bound(source for source, each in importers.items() if each)
            self.words.look_at({path for each in importers.values() for path in each})
            for source, each in importers.items():
                for path, taken in each.items():
                    before = words.get(path, 0)
                    given = words[source] & ~before
                    if not given or not self._gives(source, taken, own[source]):
                        continue
                    modules = self._modules_from(graph, source, taken, known[source])
                    found = self._newly_mentioned(path, given, modules)
                    if found:
                        mentioned[path] = mentioned.get(path, 0) | found
                    # A file that mentions something may still re-export everything else.
                    words[path] = given | before
                    own[path] = taken | own.get(path, _NOTHING)
                    known[path] = modules | known.get(path, _NOTHING)
                    fresh.add(path)
        behind = self._with_those_behind(mentioned, words, own)
        # In a cycle of imports, whatever one file imports is reachable from all of them: only its start is examined.
        return {path for path, each in behind.items() if each & first.get(path, 0)}

    def _with_those_behind(
        self, mentioned: dict[str, int], words: dict[str, int], own: dict[str, frozenset[str]]
    ) -> dict[str, int]:
        """Add the files through which some get what they mention, each with its possible sets (as bits).

        Args:
            mentioned: The sets of which files mention a name.
            words: The sets that files may have.
            own: The module names that each re-exports.
        """
        found, waiting = {**mentioned}, [*mentioned]
        while waiting:
            path = waiting.pop()
            for source, taken in self.importers.sources_of(path).items():
                given = found[path] & words.get(source, 0) & ~found.get(source, 0)
                if given and self._gives(source, taken, own[source]):
                    found[source] = found.get(source, 0) | given
                    waiting.append(source)
        return found

    def _gives(self, path: str, taken: frozenset[str], own: frozenset[str]) -> bool:
        """Whether any of the names imported from a file can be a module name in `own` or a name that the file binds."""
        if "*" in own or "" in taken or "*" in taken or not own.isdisjoint(taken):
            return True
        if path not in self._bound:
            bound = self.words.bound(path)
            self._bound[path] = frozenset(
                name for name in bound if name == ANYTHING or self.importers.is_imported(name)
            )
        bound = self._bound[path]
        return ANYTHING in bound or not bound.isdisjoint(taken)

    def _newly_mentioned(self, path: str, bits: int, modules: frozenset[str]) -> int:
        """Return those sets (as bits) from which a file may take a name of modules that it may have."""
        unmentioned = self._unmentioned.get((path, modules), 0)
        fresh = bits & ~unmentioned
        if not fresh or not self._uses(path, fresh, modules):
            self._unmentioned[path, modules] = unmentioned | bits
            return 0
        each = [1 << number for number in range(fresh.bit_length()) if fresh >> number & 1]
        return sum(bit for bit in each if self._uses(path, bit, modules))

    def _uses(self, path: str, bits: int, modules: frozenset[str]) -> bool:
        words = self._words_of(bits)
        return self.words.takes(path, words, modules) if modules else self.words.says(path, words)

    def _modules_from(
        self, graph: ImportGraph, source: str, taken: frozenset[str], known: frozenset[str]
    ) -> frozenset[str]:
        """Return the names that a file may give to modules from another.

        Args:
            graph: All known exports.
            source: The other file.
            taken: What it takes from there.
            known: What that may call them.
        """
        key = (source, known)
        if key not in self._called:
            data, names = self.index.bytes_of(source) or b"", {each.encode() for each in known}
            self._called[key] = known.union(each.decode("utf-8", "replace") for each in aliases(data, names))
        found = self._called[key]
        if "*" not in taken and "" not in taken:
            return found & taken
        return found | graph.modules.own_names_of(source)

    def _bit_of(self, words: frozenset[str]) -> int:
        if words and words not in self._bits:
            self._bits[words] = 1 << len(self._sets)
            self._sets.append(words)
        return self._bits[words] if words else 0

    def _words_of(self, bits: int) -> frozenset[str]:
        if bits not in self._unions:
            chosen = [words for number, words in enumerate(self._sets) if bits >> number & 1]
            self._unions[bits] = frozenset[str]().union(*chosen)
        return self._unions[bits]
