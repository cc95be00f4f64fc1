"""Files that take names from a module which only imports them: `from shop import redis`, `shop.redis`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from upnext_codegen.names.words_in_bytes import bound_by, contains_any_word, holds_word, renamed, takes_by_name
from upnext_codegen.reading.imports import UNNAMED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from upnext_codegen.files.file_index import FileIndex
    from upnext_codegen.names.candidates import ImportGraph


@dataclass(slots=True)
class Takers:
    """Answers which files take something from which, by the modules that imports can mean under any import root.

    Attributes:
        index: The files.
        graph: What they export.
    """

    index: FileIndex
    graph: ImportGraph
    _whole: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """By module, as `_ways` has it: the files that import it as a whole."""
    _names: dict[tuple[str, str], list[str]] = field(default_factory=dict[tuple[str, str], list[str]])
    """By module and name: the files that import the name from it."""
    _taking: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict[tuple[str, str], frozenset[str]])

    def __post_init__(self) -> None:
        for path in self.index.entries:
            for each in self.index.imports(path):
                if each not in UNNAMED:
                    self._note(path, each)

    def uses(self, file: str, target: str, names: Iterable[str] = ()) -> bool:
        """Whether a file may use something that another exports.

        Args:
            file: The file.
            target: The other one.
            names: What the first may call that, besides by its own names.
        """
        words, known = self.graph.words([f" {target}"]), self.graph.names([f" {target}"]).union(names)
        if words is None:
            return True
        data = self.index.bytes_of(file) or b""
        bound = bound_by(self.index.imports(file))
        return (
            not bound.isdisjoint(words)
            or ("*" in bound and contains_any_word(data, words))
            or holds_word(data, words)
            or takes_by_name(data, words, known, known)
        )

    def is_used_through(self, file: str, names: Iterable[str], target: str) -> bool:
        """Whether others may use a file's exports through a file that imports it, directly or not.

        Args:
            file: The one that imports it.
            names: What that may call it.
            target: The file that is imported.
        """
        seen, waiting = {file}, [(file, frozenset(names))]
        while waiting:
            giver, given = waiting.pop()
            for each in frozenset[str]().union(*(self._taking_from(giver, name) for name in given)) - seen:
                seen.add(each)
                called = given | renamed(self.index.bytes_of(each) or b"")
                if self.uses(each, target, called):
                    return True
                waiting.append((each, called))
        return False

    def _taking_from(self, file: str, name: str) -> frozenset[str]:
        """The files that may take a name from another."""
        key = (file, name)
        if key not in self._taking:
            attribute = re.compile(rb"\.\s*" + re.escape(name.encode()) + rb"(?![\w\x80-\xff])")
            found: set[str] = set()
            for path in self.graph.modules.paths_of(file):
                for way in _ways(path):
                    found.update(self._names.get((way, name), ()), self._names.get((way, "*"), ()))
                    whole = self._whole.get(way, ())
                    found.update(each for each in whole if attribute.search(self.index.bytes_of(each) or b""))
            self._taking[key] = frozenset(found)
        return self._taking[key]

    def _note(self, file: str, imported: str) -> None:
        """Record an import, in the form of `imports_of`."""
        module, colon, names = imported.partition(":")
        is_bound = module.endswith("=")
        way = _way_of(module.removesuffix("="), file)
        if colon:
            for name in names.split(","):
                self._names.setdefault((way, name), []).append(file)
                self._whole.setdefault(f"{way.rstrip('/')}/{name}", []).append(file)
            return
        self._whole.setdefault(way, []).append(file)
        while not is_bound and "/" in way:  # `import shop.events` gives `shop`
            way = way.rpartition("/")[0]
            self._whole.setdefault(way, []).append(file)


def _way_of(module: str, file: str) -> str:
    """The path to a module that a file imports: from any folder or, with a leading slash, from the project root."""
    name = module.lstrip(".")
    way = name.replace(".", "/")
    if len(name) == len(module):
        return way
    folders = file.split("/")[: -(len(module) - len(name))]
    return "/".join(["", *folders, *filter(None, [way])]) or "/"


def _ways(path: str) -> Iterator[str]:
    """Yield the paths by which imports can lead to a file, in the form of `_way_of`."""
    way = f"/{path}".removesuffix(".py").removesuffix("/__init__")
    yield way or "/"
    while "/" in way:
        way = way.partition("/")[2]
        yield way
