"""Which files have to be read: those that name upnext, and those that import what such files export.

The exports of a file decide which of its importers matter, so this is repeated until nothing new is found.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from upnext_codegen.cycles import components
from upnext_codegen.names.exported_names import ANYTHING, MODULES, is_exported, own_names
from upnext_codegen.names.modules import ExternalName, ModuleRef
from upnext_codegen.reading.imports import COMPUTED, UNNAMED

if TYPE_CHECKING:
    from upnext_codegen.names.modules import Modules

Interesting: TypeAlias = list[str]
"""What a file imports from files with exports: a name (none for the module itself), a blank, and the file or folder."""


@dataclass(slots=True)
class ImportGraph:
    """Follows imports to files with exports.

    Attributes:
        modules: The project's module names.
        exports: The names that each file exports, as far as that is known.
        passed_on: What those of them lead to that stand for modules alone, as `Resolved.modules` has it.
    """

    modules: Modules
    exports: Mapping[str, Collection[str]]
    passed_on: Mapping[str, Iterable[tuple[str, str]]] = field(default_factory=dict[str, "Iterable[tuple[str, str]]"])
    _names: set[str] = field(default_factory=set[str])
    _dynamic: bool = False
    _folders: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    _by_name: dict[str, dict[str, list[str]]] = field(default_factory=dict[str, "dict[str, list[str]]"])
    _words: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    _words_for: dict[tuple[str, ...], frozenset[str] | None] = field(
        default_factory=dict[tuple[str, ...], "frozenset[str] | None"]
    )

    def __post_init__(self) -> None:
        for file, exported in self.exports.items():
            if not exported:
                continue
            self._names.update(own_names(exported), self.modules.names_leading_to(file))
            self._dynamic |= ANYTHING in exported
            folder = file
            while folder:
                folder = folder.rpartition("/")[0]
                self._folders.setdefault(folder, []).append(file)

    def of(self, files: Collection[str]) -> ImportGraph:
        """Return the graph restricted to the exports of these files."""
        exports = {path: each for path, each in self.exports.items() if path in files}
        passed_on = {path: each for path, each in self.passed_on.items() if path in files}
        return ImportGraph(self.modules, exports, passed_on)

    def holds_exports(self, folder: str) -> bool:
        """Whether a file in a folder exports anything."""
        return folder in self._folders

    def interesting(self, file: str, imports: Iterable[str]) -> Interesting:
        """Select what a file imports from files with exports.

        Args:
            file: The file.
            imports: Its imports, as `imports_of` lists them.
        """
        found: dict[str, None] = {}
        for each in imports:
            if each in UNNAMED:
                if self._folders:
                    found[f" {COMPUTED}"] = None
                continue
            module, colon, names = each.partition(":")
            if colon:
                self._named(file, module, names.split(","), found)
            else:
                self._whole(file, module, found)
        return list(found)

    def _named(self, file: str, module: str, names: list[str], found: dict[str, None]) -> None:
        if self._is_catalog(file, module, names, found):
            return
        wanted = {name for name in names if name in self._names or name == "*"}
        source = self._find(file, module) if wanted or self._dynamic else None
        if not isinstance(source, ModuleRef):
            return
        exported = self.exports.get(source.file or "", ())
        for name in names:
            if is_exported(exported, name):
                found[f"{name} {source.file}"] = None
            if name == "*":
                self._starred(source, exported, found)
            elif name in wanted:
                submodule = self.modules.submodule(source, name, file)
                if isinstance(submodule, ModuleRef):
                    self._module(submodule, found)

    def _starred(self, source: ModuleRef, exported: Collection[str], found: dict[str, None]) -> None:
        found.update((f"{each} {source.file}", None) for each in sorted(own_names(exported)))
        folder = self._folder_of(source)
        if folder in self._folders:
            found[f"* {folder}/"] = None

    def _is_catalog(self, file: str, module: str, names: list[str], found: dict[str, None]) -> bool:
        """Record imports of the catalog's module, which re-exports upnext's own names."""
        catalog = (self.modules.catalog or "").rpartition("/")[2]
        if not catalog or (catalog not in names and module.rpartition(".")[2] != catalog):
            return False
        source = self._find(file, module)
        if isinstance(source, ModuleRef):
            source = self.modules.submodule(source, catalog, file) if catalog in names else None
        if not isinstance(source, ExternalName):
            return False
        found.update((f"{name} {source.name}", None) for name in names if name)
        return True

    def _whole(self, file: str, module: str, found: dict[str, None]) -> None:
        name = module.removesuffix("=")
        if self._is_catalog(file, name, [""], found):
            found["* upnext"] = None
        bound = name if name != module or name.startswith(".") else name.partition(".")[0]
        if bound.rpartition(".")[2] in self._names:
            source = self._find(file, bound)
            if isinstance(source, ModuleRef):
                self._module(source, found)

    def _module(self, source: ModuleRef, found: dict[str, None]) -> None:
        if source.file is not None and self.exports.get(source.file):
            found[f" {source.file}"] = None
        folder = self._folder_of(source)
        if folder in self._folders:
            found[f" {folder}/"] = None

    def _folder_of(self, source: ModuleRef) -> str | None:
        if source.file is None:
            path = source.name.replace(".", "/")
            bases = [f"{root}/{path}" if root else path for root in (*self.modules.roots, "")]
            return next((base for base in bases if base in self._folders), None)
        return source.file.rpartition("/")[0] if source.file.endswith("__init__.py") else None

    def files_of(self, file: str, imported: str) -> list[str]:
        """List the files that one import of a file, in the form of `imports_of`, leads to."""
        module, _, names = imported.partition(":")
        source = self._find(file, module.removesuffix("="))
        if not isinstance(source, ModuleRef):
            return []
        submodules = [self.modules.submodule(source, name, file) for name in names.split(",") if name]
        modules = [source, *(each for each in submodules if isinstance(each, ModuleRef))]
        return [each.file for each in modules if each.file is not None]

    def taken_from(self, file: str, imports: Iterable[str]) -> dict[str, set[str]]:
        """For each file that the imports of another lead to, the names that it takes from there.

        `*` is a star import, and "" the module as a whole.

        Args:
            file: The other file.
            imports: Its imports, as `imports_of` lists them.
        """
        found: dict[str, set[str]] = {}
        for each in imports:
            module, colon, names = each.partition(":")
            source = self._find(file, module.removesuffix("="))
            if not isinstance(source, ModuleRef):
                continue
            taken = set(names.split(",")) if colon else {""}
            if source.file is not None and source.file != file:
                found.setdefault(source.file, set()).update(taken)
            for submodule in [self.modules.submodule(source, name, file) for name in taken - {"*", ""}]:
                if isinstance(submodule, ModuleRef) and submodule.file not in (None, file):
                    found.setdefault(submodule.file or "", set()).add("")
        return found

    def _find(self, file: str, module: str) -> ModuleRef | ExternalName | None:
        name = module.lstrip(".")
        level = len(module) - len(name)
        return self.modules.relative(level, name, file) if level else self.modules.find(name, file)

    def words(self, interesting: Interesting) -> frozenset[str] | None:
        """The words of which a file with these imports must contain one to matter, None if it matters anyway."""
        key = tuple(interesting)
        if key not in self._words_for:
            self._words_for[key] = self._words_after(interesting)
        return self._words_for[key]

    def _words_after(self, interesting: Interesting) -> frozenset[str] | None:
        found: set[str] = set()
        for name, _, source in _parted(interesting):
            if source == COMPUTED:
                # Not the names of modules that compute names: too many files use such words for something else.
                found |= self._words_of("/") & self._exported()
                continue
            # A name that only refers to modules matters no more than an import of them.
            ways = self._ways_behind(name, source) if name else [source]
            if not ways:
                return None
            found = found.union(*map(self._words_of, ways))
        return None if ANYTHING in found else frozenset(found)

    def _ways_behind(self, name: str, source: str) -> list[str]:
        """The modules behind a name of a file, none if it stands for anything else."""
        known = name if name in self.exports.get(source, ()) else ANYTHING
        return [way for each, way in self.passed_on.get(source, ()) if each == known]

    def _exported(self) -> set[str]:
        """Every name that a file is known to export, except those that only stand for modules."""
        return {name for each in self.exports.values() for name in own_names(each) if f"{MODULES}{name}" not in each}

    def sources_of(self, interesting: Interesting, attributes: Collection[str], words: frozenset[str]) -> Iterator[str]:
        """The files that a file gets something from, if its words can lead on to one of some words.

        Args:
            interesting: What it imports.
            attributes: The attributes that it takes.
            words: The words.
        """
        for name, _, source in _parted(interesting):
            if name:
                yield source
            elif source.endswith("/"):
                for file in self._named_in(source[:-1], attributes):
                    if not self._words_of(file).isdisjoint(words):
                        yield file
            elif not self._words_of(source).isdisjoint(words):
                yield source

    def givers(self, interesting: Iterable[str], attributes: Collection[str]) -> Iterator[str]:
        """The files each of which is sufficient reason to read a file, whatever the others export.

        A file may also matter for what it has through several files. Those are not among them.

        Args:
            interesting: What the file imports.
            attributes: The attributes that it takes.
        """
        for name, _, source in _parted(interesting):
            if source.endswith("/"):
                for file in self._named_in(source[:-1], attributes):
                    if not self._own_words_of(file).isdisjoint(attributes):
                        yield file
            elif name:
                if not self._ways_behind(name, source):
                    yield source
            elif self._makes_anything_up(source) or not self._own_words_of(source).isdisjoint(attributes):
                yield source

    def _named_in(self, folder: str, names: Collection[str]) -> dict[str, None]:
        """The exporting files in a folder that can be imported under one of these names."""
        if folder not in self._by_name:
            found = self._by_name[folder] = dict[str, list[str]]()
            for file in self._folders.get(folder, ()):
                for name in self.modules.own_names_of(file):
                    found.setdefault(name, []).append(file)
        by_name = self._by_name[folder]
        return {file: None for name in names if name in by_name for file in by_name[name]}

    def every_word(self) -> frozenset[str]:
        """All names that files export, except names of modules that they re-export."""
        return self._words_of("/")

    def names(self, interesting: Interesting) -> frozenset[str]:
        """The undotted names of the modules and packages that a file with these imports has as a whole."""
        found: set[str] = set()
        for name, _, source in _parted(interesting):
            if source != COMPUTED:
                file = f"{source}__init__.py" if source.endswith("/") else source
                found.update((name, *self.modules.names_leading_to(file)))
        return frozenset(found - {"", "__init__"})

    def inner_names(self, interesting: Interesting, attributes: Collection[str]) -> frozenset[str]:
        """The names of modules that a file can reach through others: `bus` in `app.bus`.

        Args:
            interesting: What it imports.
            attributes: The attributes that it takes.
        """
        found: set[str] = set()
        waiting = [way for name, _, source in _parted(interesting) for way in self._modules_behind(name, source)]
        seen = {*waiting}
        while waiting:
            for name, way in self._modules_in(waiting.pop(), attributes):
                found.add(name)
                inside = [way, f"{way.removesuffix('__init__.py')}"] if way.endswith("/__init__.py") else [way]
                waiting += [each for each in inside if each not in seen]
                seen.update(inside)
        return frozenset(found)

    def _modules_behind(self, name: str, source: str) -> list[str]:
        if source == COMPUTED:
            return []
        return self._ways_behind(name, source) if name else [source]

    def _modules_in(self, source: str, attributes: Collection[str]) -> Iterator[tuple[str, str]]:
        """Yield the modules that some attributes of a module or package can be, each with its name."""
        if source.endswith("/"):
            for file in self._named_in(source[:-1], attributes):
                yield from ((name, file) for name in self.modules.own_names_of(file) if name in attributes)
        else:
            yield from (each for each in self.passed_on.get(source, ()) if each[0] in attributes)

    def _words_of(self, source: str) -> frozenset[str]:
        """The names that a file or folder exports, also through re-exported modules, without the modules' names.

        Of other files whose `__getattr__` makes up anything, it is the names by which they are reached.
        """
        if source not in self._words:
            # Files that re-export one another in a cycle have the same words, which are collected once.
            for cycle in components((source,), self._unworded_ways):
                self._words.update(dict.fromkeys(cycle, self._words_together(cycle)))
        words = self._words[source]
        return words | {ANYTHING} if self._makes_anything_up(source) else words

    def _ways_of(self, source: str) -> Iterable[tuple[str, str]]:
        if source.endswith("/"):
            return [(ANYTHING, way) for way in self._folders.get(source[:-1], ())]
        return self.passed_on.get(source, ())

    def _unworded_ways(self, source: str) -> Iterator[str]:
        return (way for _, way in self._ways_of(source) if way not in self._words)

    def _words_together(self, cycle: list[str]) -> frozenset[str]:
        found: set[str] = set()
        others: set[frozenset[str]] = set()
        for current in cycle:
            ways = self._ways_of(current)
            if not current.endswith("/"):
                found |= self._own_words_of(current)
            for name, way in ways:
                if way in self._words:
                    others.add(self._words[way])
                if self._makes_anything_up(way):
                    # What a folder or a `__getattr__` provides is mostly requested by its own name.
                    found |= self.modules.own_names_of(way) if name == ANYTHING else {name}
        only = others.pop() if len(others) == 1 else frozenset[str]()
        # A file that adds nothing to what it re-exports shares the same set of words.
        return only if found <= only and not others else frozenset(found.union(only, *others))

    def _own_words_of(self, file: str) -> set[str]:
        """The names that a file exports, except those that only stand for modules."""
        return {*own_names(self.exports.get(file, ()))} - {name for name, _ in self.passed_on.get(file, ())}

    def _makes_anything_up(self, file: str) -> bool:
        """Whether a file has a `__getattr__` that can return anything, not only modules."""
        return ANYTHING in self.exports.get(file, ()) and all(
            name != ANYTHING for name, _ in self.passed_on.get(file, ())
        )


def _parted(interesting: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    return (each.partition(" ") for each in interesting)
