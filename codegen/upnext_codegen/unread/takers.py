"""Which files take names from a module that only imports them: `from shop import redis`, `shop.redis`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from upnext_codegen.names.words_in_bytes import last_names
from upnext_codegen.reading.imports import UNNAMED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from upnext_codegen.files.file_index import FileIndex


@dataclass(slots=True)
class Takers:
    """Answers which files take something from which, by the last names of what they import.

    Attributes:
        index: The files.
    """

    index: FileIndex
    _imports: dict[str, list[tuple[str, str]]] = field(default_factory=dict[str, list[tuple[str, str]]])
    """By last name of the imported module or name: pairs of a file and one of its imports."""
    _beside: dict[tuple[str, str], set[str]] = field(default_factory=dict[tuple[str, str], set[str]])
    """By the path of a package and a name: the files that take the name by dots alone, as in `from . import redis`."""
    _found: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict[tuple[str, str], frozenset[str]])

    def __post_init__(self) -> None:
        for path in self.index.entries:
            for each in self.index.imports(path):
                for name in {*last_names(each)} if each not in UNNAMED else ():
                    self._imports.setdefault(name, []).append((path, each))
                    if not name:
                        self._note_beside(path, each)

    def is_taken(self, names: Iterable[str], file: str) -> bool:
        """Whether some other file may take one of some names from a file."""
        path = file.removesuffix(".py").removesuffix("/__init__")
        return any(not self._taking(name, path) <= {file} for name in names)

    def _taking(self, name: str, path: str) -> frozenset[str]:
        """The files that may take a name from a module or package at a path without an ending."""
        own = path.rpartition("/")[2]
        key = (name, own)
        if key not in self._found:
            self._found[key] = frozenset(self._by_name(name, own))
        return self._found[key].union(*(self._beside.get((path, each), ()) for each in (name, "*")))

    def _by_name(self, name: str, own: str) -> Iterable[str]:
        attribute = re.compile(rb"\.\s*" + re.escape(name.encode()) + rb"(?![\w\x80-\xff])")
        for file, each in self._imports.get(own, ()):
            module, colon, names = each.partition(":")
            listed = names.split(",")
            takes = bool(colon) and module.rpartition(".")[2] == own and not {name, "*"}.isdisjoint(listed)
            has_module = not colon or own in listed
            if takes or (has_module and attribute.search(self.index.bytes_of(file) or b"")):
                yield file

    def _note_beside(self, file: str, imported: str) -> None:
        """Note an import that takes names from a package around its file."""
        dots, colon, names = imported.partition(":")
        package = file
        for _ in dots:
            package = package.rpartition("/")[0]
        for name in names.split(",") if colon else ():
            self._beside.setdefault((package, name), set()).add(file)
