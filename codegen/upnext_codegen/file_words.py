"""Attributes and bindings in the bytes of files, found without parsing: they decide which files are read.

They are kept in a separate file beside the scan's cache, because only a scan in which exports change needs them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from upnext_codegen.files.pool import spread
from upnext_codegen.names.words_in_bytes import attributes_in, bound_by, bound_names, takes_by_name
from upnext_codegen.reading.imports import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from upnext_codegen.files.file_index import FileIndex

_FEW = 50
"""The file is written again when more than one in this many entries is new."""
_UNKNOWN = b"?"


@dataclass(slots=True)
class FileWords:
    """The attributes and bindings of the files of a project.

    Attributes:
        index: The files.
        kept: Loads what an earlier scan saved: a line for each path, as returned by `lines`.
    """

    index: FileIndex
    kept: Callable[[], Mapping[str, bytes]] = dict
    _attributes: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """By file, the attributes it uses, joined by blanks: a set would take fifty times the memory."""
    _bound: dict[str, bytes] = field(default_factory=dict[str, bytes])
    _recalled: bool = False
    _fresh: set[str] = field(default_factory=set[str])

    def over(self, index: FileIndex) -> FileWords:
        """Return a copy for another set of files."""
        self._recall()
        return FileWords(index, self.kept, self._attributes, self._bound, True, self._fresh)

    def attributes(self, path: str) -> frozenset[str]:
        """Return the attributes that a file uses, on any object."""
        return frozenset(self._attributes_of(path).decode("utf-8", "replace").split())

    def says(self, path: str, words: Collection[str]) -> bool:
        """Whether a file may use one of these words as an attribute."""
        return not _are_plain(frozenset(words)) or not self.attributes(path).isdisjoint(words)

    def takes(self, path: str, words: Collection[str], modules: Collection[str]) -> bool:
        """Whether a file may use one of these words as an attribute or, for instance, in a `getattr`.

        Args:
            path: The file.
            words: The words.
            modules: The last names of the modules and packages that export them.
        """
        if self.says(path, words):
            return True
        imports = self.index.imports(path)
        # `import shop.events` reaches the module through the package.
        dotted = [each for each in imports if "." in each.lstrip(".") and each.partition(".")[0] in modules]
        inner = {each.removesuffix("=").rpartition(".")[2] for each in dotted if ":" not in each}
        return takes_by_name(self.index.bytes_of(path) or b"", words, {*modules, *inner}, bound_by(imports))

    def bound(self, path: str) -> frozenset[str]:
        """Return the names that a file may bind, with `ANYTHING` if it has a `__getattr__`."""
        if path not in self._bound:
            self.look_for_bound((path,))
        return frozenset(self._bound[path].decode("utf-8", "replace").split())

    def look_at(self, paths: Iterable[str]) -> None:
        """Find the attributes of these files, in several processes if there are many."""
        self._recall()
        fresh = [path for path in paths if path not in self._attributes]
        self._attributes.update(spread(self._look, fresh, self.index.size(fresh)))
        self._fresh.update(fresh)

    def look_for_bound(self, paths: Iterable[str]) -> None:
        """Find the names that these files bind, in several processes if there are many."""
        self._recall()
        fresh = [path for path in paths if path not in self._bound]
        for path, names in spread(self._look_for_bound, fresh, self.index.size(fresh)):
            self._bound[path] = names
        self._fresh.update(fresh)

    def lines(self) -> dict[str, bytes] | None:
        """Return what to save for the next scan, or None if what is saved is sufficient."""
        if len(self._fresh) * _FEW <= len(self._attributes):
            return None
        found: dict[str, bytes] = {}
        for path, attributes in self._attributes.items():
            stamp = self._stamp(path)
            if stamp:
                found[path] = b"\t".join((stamp, attributes, self._bound.get(path, _UNKNOWN)))
        return found

    def _recall(self) -> None:
        if self._recalled:
            return
        self._recalled = True
        for path, line in self.kept().items():
            stamp, attributes, bound = line.split(b"\t")
            if stamp != self._stamp(path):
                continue
            self._attributes[path] = attributes
            if bound != _UNKNOWN:
                self._bound[path] = bound

    def _stamp(self, path: str) -> bytes:
        """Identify the state of a file that was read; b"" if its times are too recent to be reliable."""
        entry = self.index.entries.get(path)
        if entry is None or entry.changed < 0:
            return b""
        return f"{entry.size} {entry.modified} {entry.changed}".encode()

    def _attributes_of(self, path: str) -> bytes:
        if path not in self._attributes:
            self.look_at((path,))
        return self._attributes[path]

    def _look(self, path: str) -> bytes:
        return b" ".join(attributes_in(plain(self.index.bytes_of(path) or b"")))

    def _look_for_bound(self, path: str) -> bytes:
        return " ".join(bound_names(plain(self.index.bytes_of(path) or b""))).encode()


@lru_cache(maxsize=1_000)
def _are_plain(words: frozenset[str]) -> bool:
    """Whether words are ASCII: Python has several spellings for others."""
    return all(map(str.isascii, words))
