"""Resolves module names to files, as seen from the importing file."""

from __future__ import annotations

import keyword
import re
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from upnext_codegen.cycles import folders_of

UPNEXT = frozenset({"upnext", "upnext_catalog"})
"""Packages that are named, never read, even where the project holds their source."""


@dataclass(frozen=True, slots=True)
class ModuleRef:
    """A module of the project; `file` is None for a namespace package."""

    name: str
    file: str | None


@dataclass(frozen=True, slots=True)
class ExternalName:
    """Something external, by its full name."""

    name: str


_CATALOG = ExternalName("upnext")
"""What the module stands for that the catalog is written as: it passes on upnext's own `Worker`."""


@dataclass(frozen=True, slots=True)
class Modules:
    """The module names of a project's files.

    Attributes:
        roots: Import roots, "" for the project root.
        files: Every path that can be imported, links too, and the real file behind it.
        folders: Every folder that holds a file, at any depth.
        catalog: The path, without a suffix, of the module that the catalog is written as: to others it is upnext.
        shared: Files whose module has the name of one in another import root, each with a name of its own.
        renamed: Folders that are installed under another name, each with the path that imports mean by it.
        supposed: Folders that count as import roots for some imports only: by the first part of the name that is
            imported and the folder of the file that imports it.
    """

    roots: tuple[str, ...]
    files: dict[str, str]
    folders: frozenset[str]
    shared: dict[str, str] = field(default_factory=dict[str, str])
    catalog: str | None = None
    renamed: tuple[tuple[str, str], ...] = ()
    supposed: Mapping[tuple[str, str], Sequence[str]] = field(default_factory=dict[tuple[str, str], "Sequence[str]"])
    _found: dict[tuple[str, str], ModuleRef | ExternalName | None] = field(
        default_factory=dict[tuple[str, str], "ModuleRef | ExternalName | None"], init=False, repr=False, compare=False
    )
    _having: dict[tuple[str, str], list[str]] = field(
        default_factory=dict[tuple[str, str], list[str]], init=False, repr=False, compare=False
    )
    _links: dict[str, list[str]] = field(default_factory=dict[str, list[str]], init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for path, file in self.files.items():
            if path != file:
                self._links.setdefault(file, []).append(path)

    def names_leading_to(self, file: str) -> Iterator[str]:
        """Yield the last names of imports that can lead to a file: its own, and those of the packages around it."""
        for path in self.paths_of(file):
            way = path.removesuffix(".py")
            while way:
                way, _, name = way.rpartition("/")
                yield name

    def paths_of(self, file: str) -> tuple[str, ...]:
        """The paths under which a file can be imported: its own, and those of links to it."""
        return (file, *self._links.get(file, ()))

    def own_names_of(self, file: str) -> set[str]:
        """The last parts of the names by which a file can be imported."""
        return {path.removesuffix(".py").removesuffix("/__init__").rpartition("/")[2] for path in self.paths_of(file)}

    def names_concerned_by(self, before: Mapping[str, object], now: Mapping[str, object]) -> set[str]:
        """The last names of imports whose meaning may change because exports of files have changed.

        "" is that of the package around a file, and `*` a star.

        Args:
            before: What the files that exported something exported.
            now: What those do that export something now.
        """
        found: set[str] = set()
        for file in before.keys() | now.keys():
            if before.get(file) == now.get(file):
                continue
            found |= self.own_names_of(file)
            if file.endswith("__init__.py"):
                found.add("")
            if file in self._links:
                found.update(("", "*", *self.names_leading_to(file)))
        # A package counts if anything in it exports anything.
        for folder in folders_of(before) ^ folders_of(now):
            found.update(("", "*", folder.rstrip("/").rpartition("/")[2]))
        return found

    def words(self) -> frozenset[str]:
        """The names of its files and folders: an import of the project begins with one of them, or with a dot."""
        paths = (*self.files, self.catalog or "")
        return frozenset(part.removesuffix(".py") for path in paths for part in path.split("/"))

    def root_of(self, file: str) -> str | None:
        """The import root that a file is under, None for none."""
        inside = [root for root in self.roots if not root or file.startswith(f"{root}/")]
        return max(inside, key=len, default=None)

    def name_of(self, file: str) -> str:
        """The full name of the module in a file."""
        root = self.root_of(file)
        path = file[len(root) + 1 :] if root else file
        for folder, name in self.renamed:
            if _is_in(file, folder):
                path = f"{name}{file[len(folder) :]}"
        name = path.removesuffix(".py").replace("/", ".")
        return name.removesuffix("__init__").removesuffix(".") if name.endswith("__init__") else name

    def can_import(self, file: str) -> bool:
        """Whether an import statement can name the module in a file; with a dot in the file's name it cannot."""
        root = self.root_of(file)
        path = file[len(root) + 1 :] if root else file
        return path != "__init__.py" and all(
            map(_is_plain, path.removesuffix(".py").removesuffix("/__init__").split("/"))
        )

    def unique_name_of(self, file: str) -> str:
        """The full name of the module in a file, or what distinguishes it from one in another import root."""
        return self.shared.get(file) or self.name_of(file)

    def named(self, unique_name: str) -> ModuleRef | ExternalName | None:
        """Find a module by a name from `unique_name_of`."""
        file = next((file for file, name in self.shared.items() if name == unique_name), None)
        return self.find(unique_name, "") if file is None else ModuleRef(self.name_of(file), file)

    def find(self, name: str, importer: str) -> ModuleRef | ExternalName | None:
        """Resolve `import name` in a file.

        Returns:
            A module of the project, a name outside it, or None where the project should have the module and has not.
        """
        # A module name means the same to all files of a folder.
        key = (name, importer.rpartition("/")[0])
        if key not in self._found:
            self._found[key] = self._find(name, importer)
        return self._found[key]

    def _find(self, name: str, importer: str) -> ModuleRef | ExternalName | None:
        top = name.partition(".")[0]
        if top in UPNEXT:
            return ExternalName(name)
        bases = self._bases(importer, top)
        for base in bases:
            found = self.at(base, name)
            if found is not None:
                return found
        return None if bases and top not in sys.stdlib_module_names else ExternalName(name)

    def relative(self, level: int, module: str, importer: str) -> ModuleRef | ExternalName | None:
        """Resolve `from ..module import x` in a file."""
        folder = importer.rpartition("/")[0]
        for _ in range(level - 1):
            if not folder:
                return None
            folder = folder.rpartition("/")[0]
        if module:
            return self.at(folder, module)
        return self._package(folder)

    def submodule(self, package: ModuleRef, name: str, importer: str) -> ModuleRef | ExternalName | None:
        """Find a module inside a package."""
        if package.file is None:
            found = self.find(f"{package.name}.{name}", importer)
            return found if isinstance(found, ModuleRef) or found == _CATALOG else None
        if not package.file.endswith("__init__.py"):
            return None
        return self.at(package.file.rpartition("/")[0], name)

    def _bases(self, importer: str, top: str) -> list[str]:
        """The folders from which an import in a file can find a module, if they have the first part of its name."""
        key = (top, importer.rpartition("/")[0])
        if key not in self._having:
            self._having[key] = [base for base in self._searched(importer, top) if self.at(base, top) is not None]
        return self._having[key]

    def _searched(self, importer: str, top: str) -> list[str]:
        own = self.root_of(importer)
        bases = [own, *self.roots] if own is not None else [*self.roots]
        if top not in sys.stdlib_module_names:
            # A script's own folder, and the project root, are importable when the script is what runs.
            bases += ["", importer.rpartition("/")[0]]
        bases += self.supposed.get((top, importer.rpartition("/")[0]), ())
        return list(dict.fromkeys(bases))

    def at(self, base: str, name: str) -> ModuleRef | ExternalName | None:
        """Resolve a name in an import root."""
        path = "/".join([*([base] if base else []), *name.split(".")])
        if path == self.catalog:
            return _CATALOG
        file = self.files.get(f"{path}/__init__.py") or self.files.get(f"{path}.py")
        if file is not None:
            return ModuleRef(self.name_of(file), file)
        return self._package(path) if path in self.folders else None

    def _package(self, folder: str) -> ModuleRef | None:
        file = self.files.get(f"{folder}/__init__.py" if folder else "__init__.py")
        if file is not None:
            return ModuleRef(self.name_of(file), file)
        if folder and folder not in self.folders:
            return None
        return ModuleRef(self.name_of(f"{folder}/__init__.py" if folder else "__init__.py"), None)


@dataclass(slots=True)
class RecordedModules:
    """Answers questions about module names, and records each answer, which may change when files come and go.

    Attributes:
        modules: The module names.
        answers: By question.
    """

    modules: Modules
    answers: dict[tuple[str, ...], str] = field(default_factory=dict[tuple[str, ...], str])

    def name_of(self, file: str) -> str:
        """As `Modules.name_of`."""
        found = self.answers["name", file, ""] = self.modules.name_of(file)
        return found

    def can_import(self, file: str) -> bool:
        """As `Modules.can_import`; the name is recorded instead of the answer, which changes with it."""
        self.name_of(file)
        return self.modules.can_import(file)

    def unique_name_of(self, file: str) -> str:
        """As `Modules.unique_name_of`."""
        found = self.answers["own", file, ""] = self.modules.unique_name_of(file)
        return found

    def named(self, unique_name: str) -> ModuleRef | ExternalName | None:
        """As `Modules.named`."""
        found = self.modules.named(unique_name)
        self.answers["named", unique_name, ""] = _answer(found)
        return found

    def find(self, name: str, importer: str) -> ModuleRef | ExternalName | None:
        """As `Modules.find`."""
        found = self.modules.find(name, importer)
        self.answers["find", name, importer.rpartition("/")[0]] = _answer(found)
        return found

    def relative(self, level: int, module: str, importer: str) -> ModuleRef | ExternalName | None:
        """As `Modules.relative`."""
        found = self.modules.relative(level, module, importer)
        self.answers["relative", str(level), module, importer.rpartition("/")[0]] = _answer(found)
        return found

    def submodule(self, package: ModuleRef, name: str, importer: str) -> ModuleRef | ExternalName | None:
        """As `Modules.submodule`."""
        found = self.modules.submodule(package, name, importer)
        folder = importer.rpartition("/")[0]
        self.answers["submodule", package.name, package.file or "", name, folder] = _answer(found)
        return found


def still_answers(modules: Modules, question: tuple[str, ...], answer: str) -> bool:
    """Whether a question of `RecordedModules` still has the same answer."""
    verb, *rest, folder = question
    importer = f"{folder}/_.py" if folder else "_.py"
    match verb:
        case "name":
            return modules.name_of(rest[0]) == answer
        case "own":
            return modules.unique_name_of(rest[0]) == answer
        case "named":
            found = modules.named(rest[0])
        case "find":
            found = modules.find(rest[0], importer)
        case "relative":
            found = modules.relative(int(rest[0]), rest[1], importer)
        case _:
            found = modules.submodule(ModuleRef(rest[0], rest[1] or None), rest[2], importer)
    return _answer(found) == answer


def _answer(found: ModuleRef | ExternalName | None) -> str:
    if isinstance(found, ModuleRef):
        return f"{found.name} {found.file or ''}"
    return "" if found is None else found.name


def map_modules(
    files: list[str],
    aliases: tuple[tuple[str, str], ...],
    roots: tuple[str, ...],
    catalog: str | None = None,
    renamed: tuple[tuple[str, str], ...] = (),
) -> Modules:
    """Map the files of a project, and links to them, to module names."""
    installed = {
        f"{name}{file[len(folder) :]}": file for folder, name in renamed for file in files if _is_in(file, folder)
    }
    paths = installed | dict(aliases) | {file: file for file in files}
    folders: set[str] = set()
    # The catalog's module has a package, even before it is written.
    for path in (*paths, catalog or ""):
        folder = path.rpartition("/")[0]
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    modules = Modules(roots, paths, frozenset(folders), catalog=catalog, renamed=renamed)
    return replace(modules, shared=_unique_names(modules)) if len(roots) > 1 else modules


def _unique_names(modules: Modules) -> dict[str, str]:
    """Distinguish modules of the same name in several import roots by their path from the project root."""
    files: defaultdict[str, dict[str | None, str]] = defaultdict(dict)
    for file in sorted(set(modules.files.values())):
        files[modules.name_of(file)][modules.root_of(file)] = file
    taken = set(files)
    found: dict[str, str] = {}
    for file in [file for each in files.values() if len(each) > 1 for file in each.values()]:
        parts = file.removesuffix(".py").removesuffix("/__init__").split("/")
        name = ".".join(part if _is_plain(part) else re.sub(r"\W", "_", f"_{part}_") for part in parts)
        while name in taken:
            name += "_"
        taken.add(name)
        found[file] = name
    return found


def _is_in(file: str, folder: str) -> bool:
    return file.startswith(f"{folder}/")


def _is_plain(part: str) -> bool:
    return part.isidentifier() and not keyword.iskeyword(part) and unicodedata.normalize("NFKC", part) == part
