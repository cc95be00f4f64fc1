"""The reverse import graph of a project: which files import a given file, and which names they take."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from upnext_codegen.names.candidates import ImportGraph
from upnext_codegen.names.words_in_bytes import last_names

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from upnext_codegen.files.file_index import FileIndex
    from upnext_codegen.names.modules import Modules

_NONE: Mapping[str, frozenset[str]] = {}


@dataclass(slots=True)
class Importers:
    """Answers which files import which."""

    _imports: dict[str, list[tuple[str, str]]]
    """By last name of the imported module or name: pairs of a file and one of its imports."""
    _taken: dict[tuple[str, str], Mapping[str, frozenset[str]]] = field(
        default_factory=dict["tuple[str, str]", "Mapping[str, frozenset[str]]"]
    )
    """By folder and import: the files that the import resolves to, with the names taken from each."""
    _followed: set[str] = field(default_factory=set[str])
    """The last names whose imports have been resolved."""
    _importers: dict[str, dict[str, frozenset[str]]] = field(default_factory=dict[str, "dict[str, frozenset[str]]"])

    _sources: dict[str, dict[str, frozenset[str]]] = field(default_factory=dict[str, "dict[str, frozenset[str]]"])
    """The same facts by importing file: the files it imports, with the names taken from each."""

    @classmethod
    def over(cls, index: FileIndex) -> Importers:
        """Index the imports of all files."""
        imports: dict[str, list[tuple[str, str]]] = {}
        for path in index.entries:
            for each in index.imports(path):
                for name in {*last_names(each)}:
                    imports.setdefault(name, []).append((path, each))
        return cls(imports)

    def but_in(self, folders: Collection[str]) -> Importers:
        """Return a copy without cached import resolutions in these folders, where the meaning may have changed."""
        return Importers(self._imports, {key: each for key, each in self._taken.items() if key[0] not in folders})

    def naming(self, names: Iterable[str]) -> set[str]:
        """Return the files that have an import with one of these last names."""
        return {path for name in names for path, _ in self._imports.get(name, ())}

    def is_imported(self, name: str) -> bool:
        """Whether any import has this last name."""
        return name in self._imports

    def of(self, graph: ImportGraph, file: str) -> Mapping[str, frozenset[str]]:
        """Return the files that import a file, with the names each takes: `*` for a star import, "" for the module."""
        for name in {"", *graph.modules.own_names_of(file)} - self._followed:
            self._follow(graph, name)
        return self._importers.get(file, _NONE)

    def sources_of(self, file: str) -> Mapping[str, frozenset[str]]:
        """Return, of the files passed to `of` so far, those that a file imports, with the names it takes."""
        return self._sources.get(file, _NONE)

    def _follow(self, graph: ImportGraph, name: str) -> None:
        self._followed.add(name)
        for path, imported in self._imports.get(name, ()):
            key = (path.rpartition("/")[0], imported)
            if key not in self._taken:
                # An import resolves alike for all files of a folder.
                found = graph.taken_from(path, (imported,))
                self._taken[key] = {each: frozenset(names) for each, names in found.items()}
            for target, names in self._taken[key].items():
                if target != path:
                    importers = self._importers.setdefault(target, {})
                    importers[path] = importers[path] | names if path in importers else names
                    self._sources.setdefault(path, {})[target] = importers[path]


def imports_among(files: set[str], index: FileIndex, modules: Modules) -> dict[str, set[str]]:
    """Return, for each of some files, which others of them it imports from."""
    graph = ImportGraph(modules, {})
    return {
        path: {file for each in index.imports(path) for file in graph.files_of(path, each) if file in files} - {path}
        for path in files
    }
