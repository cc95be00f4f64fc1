"""Which files import which: the imports of a project from the side of what is imported."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from upnext_codegen.names.words_in_bytes import last_names

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from upnext_codegen.files.file_index import FileIndex
    from upnext_codegen.names.candidates import ImportGraph

_NONE: Mapping[str, frozenset[str]] = {}


@dataclass(slots=True)
class Importers:
    """Who imports the files of a project."""

    _imports: dict[str, list[tuple[str, str]]]
    """By the last names of what they import, files with one import each."""
    _taken: dict[tuple[str, str], Mapping[str, frozenset[str]]] = field(
        default_factory=dict["tuple[str, str]", "Mapping[str, frozenset[str]]"]
    )
    """By folder and import, the files that it leads to and what it takes from each."""
    _followed: set[str] = field(default_factory=set[str])
    """The last names whose imports have been followed."""
    _importers: dict[str, dict[str, frozenset[str]]] = field(default_factory=dict[str, "dict[str, frozenset[str]]"])

    _sources: dict[str, dict[str, frozenset[str]]] = field(default_factory=dict[str, "dict[str, frozenset[str]]"])
    """The same from the side of those that import."""

    @classmethod
    def over(cls, index: FileIndex) -> Importers:
        """Look at the imports of all files."""
        imports: dict[str, list[tuple[str, str]]] = {}
        for path in index.entries:
            for each in index.imports(path):
                for name in {*last_names(each)}:
                    imports.setdefault(name, []).append((path, each))
        return cls(imports)

    def but_in(self, folders: Collection[str]) -> Importers:
        """The same where the imports of the files in some folders can mean something else."""
        return Importers(self._imports, {key: each for key, each in self._taken.items() if key[0] not in folders})

    def naming(self, names: Iterable[str]) -> set[str]:
        """The files whose imports have one of these last names."""
        return {path for name in names for path, _ in self._imports.get(name, ())}

    def is_imported(self, name: str) -> bool:
        """Whether any import has this last name."""
        return name in self._imports

    def of(self, graph: ImportGraph, file: str) -> Mapping[str, frozenset[str]]:
        """The files that import a file, and the names that each takes from it: `*` for a star, "" for the module."""
        for name in {"", *graph.modules.own_names_of(file)} - self._followed:
            self._follow(graph, name)
        return self._importers.get(file, _NONE)

    def sources_of(self, file: str) -> Mapping[str, frozenset[str]]:
        """Of the files that `of` was asked about those that a file imports, and the names that it takes."""
        return self._sources.get(file, _NONE)

    def _follow(self, graph: ImportGraph, name: str) -> None:
        self._followed.add(name)
        for path, imported in self._imports.get(name, ()):
            key = (path.rpartition("/")[0], imported)
            if key not in self._taken:
                # All files of a folder mean the same by an import.
                found = graph.taken_from(path, (imported,))
                self._taken[key] = {each: frozenset(names) for each, names in found.items()}
            for target, names in self._taken[key].items():
                if target != path:
                    importers = self._importers.setdefault(target, {})
                    importers[path] = importers[path] | names if path in importers else names
                    self._sources.setdefault(path, {})[target] = importers[path]
