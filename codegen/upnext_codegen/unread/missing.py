"""Imports that lead to Python files which are not read for them: left out, or below no import root."""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from upnext_codegen.files.discover import SourceFile
from upnext_codegen.files.left_out import BY_DEFAULT
from upnext_codegen.files.prefilter import MENTIONS, NOTHING, Paths, imports_of, weight
from upnext_codegen.names.modules import ModuleRef, Outside

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from upnext_codegen.files.discover import Discovery
    from upnext_codegen.files.store import Store

_MOST_FILES = 2_000
"""Files that are looked at in folders which are left out; what is left out on purpose can be very large."""


class Missing(NamedTuple):
    """An import that leads to a file which is not read for it.

    Attributes:
        file: Where it stands.
        module: What it imports, as it is written.
        target: The file that it means.
        reason: Why that is left out; "" where it is read, but not found under this name.
        root: The folder that would have to be an import root; "" where it is left out.
    """

    file: str
    module: str
    target: str
    reason: str = ""
    root: str = ""


@dataclass(slots=True)
class MissingImports:
    """All of them.

    Attributes:
        imports: Each import.
        files: The files that are left out and that they lead to.
    """

    imports: list[Missing]
    files: list[SourceFile]

    @property
    def roots(self) -> tuple[str, ...]:
        """The folders that would have to be import roots."""
        return tuple(dict.fromkeys(each.root for each in self.imports if each.root))

    def behind(self, target: str) -> frozenset[str]:
        """The files that one which is left out leads to, through others that are, and the file itself."""
        found, waiting = {target}, [target]
        while waiting:
            current = waiting.pop()
            fresh = {each.target for each in self.imports if each.file == current} - found
            found |= fresh
            waiting += fresh
        return frozenset(found)


def missing_imports(found: Discovery, store: Store) -> MissingImports:
    """Find the imports that lead to files which are not read for them, and which may have to do with upnext."""
    search = _Search(store, {path.rstrip("/"): reason for path, reason in found.left_out})
    search.look_at([path for path, each in store.entries.items() if each.weight != NOTHING or each.imports is not None])
    search.look_at(search.quiet_importers())
    return search.relevant()


@dataclass(slots=True)
class _Search:
    store: Store
    left_out: dict[str, str]
    missing: MissingImports = field(default_factory=lambda: MissingImports([], []))
    _names: frozenset[str] = frozenset()
    _by_stem: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    _elsewhere: dict[str, list[tuple[str, str]]] = field(default_factory=dict[str, list[tuple[str, str]]])
    _data: dict[str, bytes] = field(default_factory=dict[str, bytes])
    _seen: set[str] = field(default_factory=set[str])

    def __post_init__(self) -> None:
        self._names = frozenset(path.rpartition("/")[2].removesuffix(".py") for path in self.left_out)
        by_stem: defaultdict[str, list[str]] = defaultdict(list)
        for path in self.store.files:
            by_stem[_module_path(path).rpartition("/")[2]].append(path)
        self._by_stem = by_stem

    def look_at(self, paths: Iterable[str]) -> None:
        """Look at the imports of files, and of what they lead to that is left out."""
        waiting = list(paths)
        while waiting:
            path = waiting.pop()
            self._seen.add(path)
            for each in self._misses(path):
                self.missing.imports.append(each)
                if each.reason and each.target not in self._seen:
                    waiting.append(each.target)

    def quiet_importers(self) -> list[str]:
        """List files that say nothing of events, but name a module that is left out on purpose and does."""
        stems = {_module_path(path).rpartition("/")[2] for path in self._talkative()}
        quiet = [path for path, each in self.store.entries.items() if each.weight == NOTHING and each.imports is None]
        return self.store.containing(stems, quiet) if stems and quiet else []

    def relevant(self) -> MissingImports:
        """Drop what leads to nothing of upnext's, and list the files that are left out."""
        paths = Paths(self.store.modules, self._mentions, self._imports)
        targets = {each.target for each in self.missing.imports}
        kept = {path for path in targets if any(map(paths.lead_to_us, self.missing.behind(path)))}
        imports = [each for each in self.missing.imports if each.target in kept]
        left_out = sorted({each.target for each in imports if each.reason})
        return MissingImports(imports, [self._file(path) for path in left_out])

    def _imports(self, path: str) -> Sequence[str]:
        return self.store.imports(path) if path in self.store.files else imports_of(self._bytes(path))

    def _mentions(self, path: str) -> bool:
        return self.store.mentions(path) if path in self.store.files else weight(self._bytes(path)) == MENTIONS

    def _bytes(self, path: str) -> bytes:
        if path not in self._data:
            try:
                self._data[path] = Path(f"{self.store.root}/{path}").read_bytes()
            except OSError:
                self._data[path] = b""
        return self._data[path]

    def _file(self, path: str) -> SourceFile:
        status = os.stat(f"{self.store.root}/{path}")  # noqa: PTH116 - it was there a moment ago
        return SourceFile(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    def _misses(self, path: str) -> Iterator[Missing]:
        is_read = path in self.store.files
        for name in self._imports(path):
            if not is_read or not self._names.isdisjoint(name.split(".")):
                yield from self._to_left_out(path, name)
            if is_read and not name.startswith(".") and self._found_elsewhere(name):
                yield from self._to_other_roots(path, name)

    def _to_left_out(self, path: str, name: str) -> Iterator[Missing]:
        module = name.lstrip(".")
        level = len(name) - len(module)
        modules = self.store.modules
        source = modules.relative(level, module, path) if level else modules.find(module, path)
        if not module or _is_known(source):
            return
        folder = path.split("/")[:-1]
        bases = [folder[: len(folder) - level + 1]] if level else [root.split("/") for root in modules.roots]
        bases += [] if level else [[], folder]
        for base in bases:
            way = "/".join([*filter(None, base), *module.split(".")])
            reason = self._reason(way)
            target = next((each for each in (f"{way}/__init__.py", f"{way}.py") if reason and self._is_file(each)), "")
            if target:
                yield Missing(path, name, target, reason)
                return

    def _is_file(self, path: str) -> bool:
        return path not in self.store.files and Path(f"{self.store.root}/{path}").is_file()

    def _reason(self, way: str) -> str:
        """Say why the module at the end of a way is left out, "" if it is not."""
        parts = way.split("/")
        ways = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
        return next((self.left_out[each] for each in [*ways, f"{way}.py"] if each in self.left_out), "")

    def _found_elsewhere(self, name: str) -> list[tuple[str, str]]:
        """Return files of the project that end like a name that none of them has, and what stands before that."""
        if name not in self._elsewhere:
            end = "/" + name.replace(".", "/")
            ways = {each: _module_path(each) for each in self._by_stem.get(name.rpartition(".")[2], ())}
            found = [(each, way[: -len(end)]) for each, way in ways.items() if way.endswith(end)]
            known = any(self.store.modules.name_of(each) == name for each in ways)
            self._elsewhere[name] = [] if known or name.partition(".")[0] in sys.stdlib_module_names else found
        return self._elsewhere[name]

    def _to_other_roots(self, path: str, name: str) -> Iterator[Missing]:
        source = self.store.modules.find(name, path)
        if not _is_known(source):
            for target, root in self._found_elsewhere(name):
                if target != path:
                    yield Missing(path, name, target, root=root)

    def _talkative(self) -> Iterator[str]:
        """Yield the modules that are left out on purpose below an import root, where any has to do with events."""
        count = 0
        for path, reason in self.left_out.items():
            if reason == BY_DEFAULT or not self._is_importable(path):
                continue
            inside: list[str] = []
            for each in _python_files(f"{self.store.root}/{path}"):
                inside.append(f"{path}/{each}" if each else path)
                count += 1
                if count > _MOST_FILES:
                    return
            if any(weight(self._bytes(each)) != NOTHING for each in inside):
                yield from (path, *inside)

    def _is_importable(self, path: str) -> bool:
        roots = self.store.modules.roots
        inside = any(not root or path.startswith(f"{root}/") for root in roots)
        return inside and path.removesuffix(".py").rpartition("/")[2].isidentifier()


def _is_known(source: ModuleRef | Outside | None) -> bool:
    """Whether an import leads to a file of the project, or to what passes on upnext's own."""
    return source.file is not None if isinstance(source, ModuleRef) else source == Outside("upnext")


def _python_files(path: str) -> Iterator[str]:
    """Yield a Python file itself as "", or those in a folder, relative to it."""
    if path.endswith(".py"):
        yield ""
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(each for each in folders if each.isidentifier() and each != "node_modules")
        if "pyvenv.cfg" in names:
            folders.clear()
            continue
        relative = os.path.relpath(folder, path).replace(os.sep, "/")
        yield from (name if relative == "." else f"{relative}/{name}" for name in sorted(names) if name.endswith(".py"))


def _module_path(path: str) -> str:
    """Return the path of a module without what makes it a file's."""
    return path.removesuffix(".py").removesuffix("/__init__")
