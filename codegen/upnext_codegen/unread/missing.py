"""Imports of existing Python files that are not read: left out, or below no import root."""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from upnext_codegen.cycles import components
from upnext_codegen.files.discover import SourceFile
from upnext_codegen.layout.probing import is_file
from upnext_codegen.names.candidates import ImportGraph
from upnext_codegen.names.modules import ExternalName, ModuleRef
from upnext_codegen.names.words_in_bytes import renamed
from upnext_codegen.reading.imports import dotted, imports_of, mentions_upnext
from upnext_codegen.reading.source import SourceError, tree_of
from upnext_codegen.unread.named import may_import_by_name, modules_in_texts
from upnext_codegen.unread.takers import Takers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from upnext_codegen.files.discover import Discovery
    from upnext_codegen.files.file_index import FileIndex
    from upnext_codegen.names.modules import Modules
    from upnext_codegen.records import Resolved


class Missing(NamedTuple):
    """An import of a file that is not read.

    Attributes:
        file: Where it stands.
        module: What it imports, as it is written.
        target: The file that it means.
        reason: Why that is left out; "" where it is read, but not found under this name.
        root: The folder that would have to be an import root; "" where it is left out below one.
    """

    file: str
    module: str
    target: str
    reason: str = ""
    root: str = ""


@dataclass(slots=True)
class MissingImports:
    """All such imports.

    Attributes:
        imports: Each import.
        files: The files that are left out and that they lead to.
        takers: Which files take what from which.
        depends_on_left_out: Whether any of this depends on files that are left out: on whether they exist, and on what
            they hold.
    """

    imports: list[Missing]
    files: list[SourceFile]
    takers: Takers
    depends_on_left_out: bool = False
    _targets: dict[str, dict[str, None]] = field(default_factory=dict[str, dict[str, None]])
    _behind: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])

    def __post_init__(self) -> None:
        for each in self.imports:
            self._targets.setdefault(each.file, {})[each.target] = None

    def behind(self, target: str) -> frozenset[str]:
        """The files to which a left-out file leads through other left-out files, and the file itself."""
        if target not in self._behind:
            # Files that import one another lead to the same files, which are collected once.
            for cycle in components((target,), self._fresh_targets):
                found = set(cycle)
                for each in cycle:
                    for other in self._targets.get(each, ()):
                        if other not in found:
                            found |= self._behind[other]
                self._behind.update(dict.fromkeys(cycle, frozenset(found)))
        return self._behind[target]

    def _fresh_targets(self, path: str) -> Iterator[str]:
        return (each for each in self._targets.get(path, ()) if each not in self._behind)


def roots_for(imports: Iterable[Missing]) -> dict[tuple[str, str], list[str]]:
    """The folders that would have to be import roots for these, as in `Modules.supposed`."""
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for each in imports:
        if each.root:
            found[each.module.partition(".")[0], each.file.rpartition("/")[0]].append(each.root)
    return dict(found)


def missing_imports(
    found: Discovery,
    index: FileIndex,
    modules: Modules,
    parts: Mapping[str, Resolved],
    outside: Iterable[tuple[str, str]] = (),
) -> MissingImports:
    """Find the imports of files that are not read, and that may involve upnext.

    Args:
        found: The files of the project, and what was left out.
        index: The files that are read.
        modules: Their module names.
        parts: What each file exports.
        outside: What is imported from outside of the project, as `Project.outside` has it.
    """
    graph = ImportGraph(
        modules,
        {path: part.exports for path, part in parts.items() if part.exports},
        {path: part.modules for path, part in parts.items() if part.modules},
    )
    left_out = {path.rstrip("/"): reason for path, reason in found.left_out}
    search = _Search(index, modules, graph, left_out, dict(outside), Takers(index, graph))
    search.look_at(path for path, each in index.entries.items() if each.imports)
    return search.relevant()


@dataclass(slots=True)
class _Search:
    index: FileIndex
    modules: Modules
    graph: ImportGraph
    left_out: dict[str, str]
    outside: dict[str, str]
    takers: Takers
    depends_on_left_out: bool = False
    _imports: list[Missing] = field(default_factory=list[Missing])
    _names: frozenset[str] = frozenset()
    _by_stem: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    _elsewhere: dict[str, list[tuple[str, str]]] = field(default_factory=dict[str, list[tuple[str, str]]])
    _data: dict[str, bytes] = field(default_factory=dict[str, bytes])
    _seen: set[str] = field(default_factory=set[str])
    _leading: dict[str, bool] = field(default_factory=dict[str, bool])

    def __post_init__(self) -> None:
        self._names = frozenset(path.rpartition("/")[2].removesuffix(".py") for path in self.left_out)
        by_stem: defaultdict[str, list[str]] = defaultdict(list)
        for path in self.graph.exports:
            by_stem[_module_path(path).rpartition("/")[2]].append(path)
        by_stem.pop("__main__", None)  # `import __main__` means the script that runs
        self._by_stem = by_stem

    def look_at(self, paths: Iterable[str]) -> None:
        """Examine the imports of files, and of left-out files that they lead to."""
        waiting = list(paths)
        while waiting:
            path = waiting.pop()
            if path in self._seen:
                continue
            self._seen.add(path)
            for each in self._misses(path):
                self._imports.append(each)
                waiting += [each.target] if each.reason else []

    def relevant(self) -> MissingImports:
        """Drop imports that lead to nothing of upnext, and list the left-out files."""
        every = MissingImports(self._imports, [], self.takers)
        targets = {each.target for each in every.imports}
        leading = {path for path in targets if self._leads(path)}
        kept = {path for path in targets if not leading.isdisjoint(every.behind(path))}
        imports = [each for each in every.imports if each.target in kept]
        left_out = [self._file(path) for path in sorted({each.target for each in imports if each.reason})]
        return MissingImports(imports, left_out, self.takers, self.depends_on_left_out)

    def _leads(self, path: str) -> bool:
        """Whether a file names upnext, or its imports lead to one that does."""
        seen, waiting = {path}, [path]
        while waiting:
            current = waiting.pop()
            if self._leading.get(current) or self._mentions(current):
                self._leading[path] = True
                return True
            if current in self._leading:
                continue
            for name in _with_packages(self._imported(current)):
                source = self._source(name, current)
                if source == ExternalName("upnext"):
                    self._leading[path] = True
                    return True
                if isinstance(source, ModuleRef) and source.file is not None and source.file not in seen:
                    seen.add(source.file)
                    waiting.append(source.file)
        self._leading.update(dict.fromkeys(seen, False))
        return False

    def _source(self, name: str, importer: str) -> ModuleRef | ExternalName | None:
        module = name.lstrip(".")
        level = len(name) - len(module)
        return self.modules.relative(level, module, importer) if level else self.modules.find(module, importer)

    def _imported(self, path: str) -> Sequence[str]:
        if path in self.index.files:
            return [*dotted(self.index.imports(path))]
        return [*dotted(imports_of(self._bytes(path), of_package=path.endswith("__init__.py")))]

    def _mentions(self, path: str) -> bool:
        return self.index.mentions(path) if path in self.index.files else mentions_upnext(self._bytes(path))

    def _bytes(self, path: str) -> bytes:
        if path not in self._data:
            try:
                self._data[path] = Path(f"{self.index.root}/{path}").read_bytes()
            except OSError:
                self._data[path] = b""
        return self._data[path]

    def _file(self, path: str) -> SourceFile:
        status = os.stat(f"{self.index.root}/{path}")  # noqa: PTH116 - it was there a moment ago
        return SourceFile(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    def _misses(self, path: str) -> Iterator[Missing]:
        is_read = path in self.index.files
        for name in self._imported(path):
            if not is_read or not self._names.isdisjoint(name.split(".")):
                yield from self._to_left_out(path, name)
            if name.partition(".")[0] in self.outside:
                yield from self._to_outside(path, name)
        for name in self._named(path):
            yield from self._to_left_out(path, name)
        for name in self._imported(path):
            if is_read and not name.startswith(".") and self._found_elsewhere(name):
                yield from self._to_other_roots(path, name)

    def _named(self, path: str) -> Iterator[str]:
        """Yield modules named in a file's texts, if it may import by name and they may be left out."""
        imports = (
            self.index.imports(path) if path in self.index.files else imports_of(self._bytes(path), of_package=False)
        )
        if self._names and may_import_by_name(imports):
            try:
                _, tree = tree_of(self._bytes(path))
            except (SourceError, RecursionError):
                return  # It is a separate finding if the file counts.
            named = {name for name, _ in modules_in_texts(tree)}
            yield from sorted(name for name in named if not self._names.isdisjoint(name.split(".")))

    def _to_left_out(self, path: str, name: str) -> Iterator[Missing]:
        module = name.lstrip(".")
        level = len(name) - len(module)
        modules = self.modules
        source = self._source(name, path)
        if not module or _is_known(source):
            return
        folder = path.split("/")[:-1]
        bases = [folder[: len(folder) - level + 1]] if level else [root.split("/") for root in modules.roots]
        bases += [] if level else [[], folder]
        for base in bases:
            way = "/".join([*filter(None, base), *module.split(".")])
            reason = self._reason(way)
            self.depends_on_left_out |= bool(reason)
            target = next((each for each in (f"{way}/__init__.py", f"{way}.py") if reason and self._is_file(each)), "")
            if target:
                yield Missing(path, name, target, reason)
                return

    def _to_outside(self, path: str, name: str) -> Iterator[Missing]:
        """Yield an import that leads into a path dependency outside the project."""
        self.depends_on_left_out = True
        root = self.outside[name.partition(".")[0]]
        way = f"{root}/{name.replace('.', '/')}"
        target = next((each for each in (f"{way}/__init__.py", f"{way}.py") if self._is_file(each)), "")
        if target and not _is_known(self.modules.find(name, path)):
            yield Missing(path, name, target, "part of a dependency outside of the project", root)

    def _is_file(self, path: str) -> bool:
        return path not in self.index.files and is_file(f"{self.index.root}/{path}")

    def _reason(self, way: str) -> str:
        """Return why the module at the end of a path is left out, "" if it is not."""
        parts = way.split("/")
        ways = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
        return next((self.left_out[each] for each in [*ways, f"{way}.py"] if each in self.left_out), "")

    def _found_elsewhere(self, name: str) -> list[tuple[str, str]]:
        """Return files of the project whose paths end like an unresolved name, with what precedes that."""
        if name not in self._elsewhere:
            end = "/" + name.replace(".", "/")
            ways = {each: _module_path(each) for each in self._by_stem.get(name.rpartition(".")[2], ())}
            found = [(each, way[: -len(end)]) for each, way in ways.items() if way.endswith(end)]
            known = any(self.modules.name_of(each) == name for each in ways)
            self._elsewhere[name] = [] if known or name.partition(".")[0] in sys.stdlib_module_names else found
        return self._elsewhere[name]

    def _to_other_roots(self, path: str, name: str) -> Iterator[Missing]:
        source = self.modules.find(name, path)
        if not _is_known(source):
            for target, root in _nearest(path, self._found_elsewhere(name)):
                if target != path and self._takes(path, name, target):
                    yield Missing(path, name, target, root=root)

    def _takes(self, path: str, name: str, target: str) -> bool:
        """Whether a file names something that another exports, or imports it for others to take from there."""
        called = {*name.split("."), *renamed(self._bytes(path))}
        return self.takers.uses(path, target) or self.takers.is_used_through(path, called, target)


def _is_known(source: ModuleRef | ExternalName | None) -> bool:
    """Whether an import leads to a file of the project, or to a re-export of upnext's own names."""
    return source.file is not None if isinstance(source, ModuleRef) else source == ExternalName("upnext")


def _nearest(path: str, found: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Among possible files of a module, each with its root, those closest to a file in the tree.

    Two services that both have a package `app` each mean their own.
    """
    shared = {each: _shared(path, each[1]) for each in found}
    return [each for each in found if shared[each] == max(shared.values())]


def _shared(path: str, folder: str) -> int:
    """The number of common ancestors of a file and a folder, from the top."""
    pairs = zip(path.split("/"), folder.split("/"), strict=False)
    return next((number for number, (one, other) in enumerate(pairs) if one != other), folder.count("/") + 1)


def _with_packages(names: Iterable[str]) -> dict[str, None]:
    """Dotted names, with each of their packages; also the dots of a relative name alone."""
    found: dict[str, None] = {}
    for name in names:
        rest = name
        # Names that share a parent meet the same parents again.
        while rest and rest not in found:
            found[rest] = None
            before, _, last = rest.rpartition(".")
            if not last:
                break
            rest = before if before.strip(".") else rest[: -len(last)]
    return found


def _module_path(path: str) -> str:
    """Return the path of a module without the file suffix."""
    return path.removesuffix(".py").removesuffix("/__init__")
