"""The syntax trees of one scan: parsed on demand, and kept while there is room."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from upnext_codegen.files.cache import digest
from upnext_codegen.files.file_index import ParseNote
from upnext_codegen.names.scopes import SourceModule, read_module
from upnext_codegen.reading.ignore_comments import find_ignores
from upnext_codegen.reading.source import SourceError

if TYPE_CHECKING:
    from upnext_codegen.files.cache_format import Fault
    from upnext_codegen.files.file_index import FileIndex

_ROOM = 1_500_000
"""Characters of source whose trees are kept: a tree takes up to forty times the memory of its text."""


@dataclass(slots=True)
class Sources:
    """Parses files.

    Attributes:
        index: What is known about the files; parsing adds to it.
    """

    index: FileIndex
    _kept: OrderedDict[str, SourceModule | None] = field(default_factory=OrderedDict[str, "SourceModule | None"])
    _size: int = 0

    def load(self, path: str) -> SourceModule | None:
        """Parse a file. Returns None if it cannot be read."""
        if path in self._kept:
            self._kept.move_to_end(path)
            return self._kept[path]
        if path not in self.index.entries or path in self.index.closed:
            return None
        module = self._kept[path] = self._parsed(path)
        self._size += _size(module)
        return module

    def trim(self, room: int = _ROOM) -> None:
        """Drop trees, the least recently used first, until they fit. Nothing computed from them may be in use."""
        while self._kept and self._size > room:
            _, module = self._kept.popitem(last=False)
            self._size -= _size(module)
            if module is not None:
                module.release()

    def _parsed(self, path: str) -> SourceModule | None:
        data = self.index.bytes_of(path)
        if data is None:
            return None
        module: SourceModule | None = None
        fault: Fault = ()
        try:
            module = read_module(path, data)
        except SourceError as error:
            fault = (error.line, error.column, error.reason)
        except RecursionError:
            fault = (1, 1, "it is nested too deeply")
        imports = self.index.imports_now(path, data)
        ignores = find_ignores(module.text.text) if module else ()
        self.index.take(path, ParseNote(digest(data), imports, fault, ignores))
        return module


def _size(module: SourceModule | None) -> int:
    return len(module.text.text) if module else 0
