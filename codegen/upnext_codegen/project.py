"""The project to scan: its root, its `[tool.upnext]` settings, and its import roots."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from upnext_codegen.errors import ConfigurationError
from upnext_codegen.layout.import_roots import import_roots, renamed_packages
from upnext_codegen.layout.probing import exists, is_file, is_folder, within
from upnext_codegen.layout.pyproject import NAME, Document, glance, read, table
from upnext_codegen.layout.settings import Settings, settings_in
from upnext_codegen.layout.workspace import dependencies_outside, has_members, members, real_folders

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK = "upnext.lock"

IMPORTS_LOCK = "upnext.imports.lock"
"""The contracts of other projects, as `upnext pull` brought them."""

LEFT_OUT = frozenset({"tests", "node_modules", "build", "dist", "venv", "__pycache__", "site-packages"})
"""Names of folders that are left out by default."""

_MOST_PATCHES = 50
"""More releases than any Python has had."""

_SCRIPTS = frozenset({"setup.py", "conftest.py", "noxfile.py"})
"""Files beside pyproject.toml that nothing imports."""

_MANAGE = "manage.py"
"""The command line of a Django project."""

_GLOB = "*?["
"""What makes a pattern of a path."""


@dataclass(frozen=True, slots=True)
class Project:
    """A project to scan.

    Attributes:
        root: The project root, absolute and without symlinks.
        roots: Import roots relative to it with `/`, "" for the project root itself.
        settings: Its settings.
        members: The folders of the other distributions that belong to it, relative to it with `/`.
        catalog: The path of the module that the catalog is written as, without a suffix, relative to it with `/`; None
            where it is `upnext_catalog.pyi` at the import roots.
        outside: What dependencies by path that are outside of it are imported by, each name with the import root that
            has it, relative to the project root with `/` and `..`.
        requires_python: The Pythons that the project says it runs on, "" where it does not say.
        renamed: Folders that build back ends make packages of under another name, relative to it with `/`, each with
            the path that imports mean by it.
    """

    root: Path
    roots: tuple[str, ...]
    settings: Settings
    members: tuple[str, ...] = ()
    catalog: str | None = None
    outside: tuple[tuple[str, str], ...] = ()
    requires_python: str = ""
    renamed: tuple[tuple[str, str], ...] = ()

    @property
    def is_marked(self) -> bool:
        """Whether a file at its root marks it as a project."""
        return any(is_file(self.root / name) for name in (NAME, LOCK, IMPORTS_LOCK))

    @property
    def runs_on_python_311(self) -> bool:
        """Whether it runs on Python 3.11; if it does not say, the running Python decides."""
        from packaging.specifiers import InvalidSpecifier, SpecifierSet  # noqa: PLC0415 - few projects ask for it

        try:
            declared = SpecifierSet(self.requires_python)
        except InvalidSpecifier:
            declared = SpecifierSet()
        if not declared:
            return sys.version_info < (3, 12)
        return any(declared.contains(f"3.11.{patch}") for patch in range(_MOST_PATCHES))

    def has_module(self, name: str) -> bool:
        """Return whether a module of that name is below one of the import roots."""
        return any(self.has_module_at(root, name) for root in self.roots)

    def has_module_at(self, root: str, name: str) -> bool:
        """Return whether a module of that name is below an import root."""
        path = name.replace(".", "/")
        return any(is_file(self.root / root / file) for file in (f"{path}.py", f"{path}/__init__.py"))


def find_project(start: Path | None = None, otherwise: Path | None = None) -> Project:
    """Find the project around a folder or file.

    That is the nearest folder upward with a pyproject.toml or an `upnext.lock`. If it is a member of a workspace, or if
    a project above it has a pyproject.toml and a lock, and it has no lock, it is that project; a pyproject.toml with a
    `[tool.upnext]` table is always a project of its own.

    Args:
        start: Where to look from, the current folder by default.
        otherwise: The project root where there is no pyproject.toml, if it holds `start`; else that is a root itself.

    Raises:
        ConfigurationError: pyproject.toml cannot be read, or a setting in it cannot be used.
    """
    folder = (start or Path.cwd()).resolve()
    if not is_folder(folder):
        folder = folder.parent
    alone = otherwise.resolve() if otherwise is not None and folder.is_relative_to(otherwise.resolve()) else folder
    nearest = next((each for each in (folder, *folder.parents) if _is_root(each)), None)
    return load_project(alone if nearest is None else _governing(nearest))


def load_project(root: Path) -> Project:
    """Read the settings of the project with this root.

    Raises:
        ConfigurationError: pyproject.toml cannot be read, or a setting in it cannot be used.
    """
    root = root.resolve()
    document = read(root)
    settings = settings_in(document)
    for each in settings.run:
        _check_entry(root, each)
    folders = tuple(each for each in _distributions(root, document) if not is_separate(each))
    found = _named(root, settings.src) if settings.src else _default(root, document, folders)
    roots = _relative(found, root)
    catalog = None if settings.catalog is None else _path_of(settings.catalog, root, roots)
    outside = tuple(_outside(root, document))
    declared = table(document, "project").get("requires-python", "")
    requires = declared if isinstance(declared, str) else ""
    renamed = tuple(
        sorted(
            ((folder / source).relative_to(root).as_posix(), name)
            for folder in (root, *folders)
            for source, name in renamed_packages(folder, document if folder == root else None).items()
        )
    )
    return Project(root, roots, settings, _relative(folders, root), catalog, outside, requires, renamed)


def is_separate(folder: Path) -> bool:
    """Whether a folder below a project root is a separate project, by a `[tool.upnext]` table."""
    return "upnext" in table(glance(folder), "tool")


def _is_root(folder: Path) -> bool:
    return is_file(folder / NAME) or is_file(folder / LOCK)


def _governing(nearest: Path) -> Path:
    """Return the root of the project that the nearest one belongs to, possibly itself."""
    if is_separate(nearest):
        return nearest
    folder = nearest
    while not exists(folder / ".git") and folder != folder.parent:
        folder = folder.parent
        # A lock alone does not make a project of a folder with a pyproject.toml: any folder above may still have one.
        if not is_file(folder / NAME) or not LEFT_OUT.isdisjoint(nearest.relative_to(folder).parts):
            continue
        if nearest in members(folder, glance(folder)):
            return folder
        if is_file(folder / LOCK) and not is_file(nearest / LOCK):
            return folder
    return nearest


def _distributions(root: Path, document: Document) -> tuple[Path, ...]:
    """Return the folders of the other distributions in a project.

    They are the members that pyproject.toml names. Where it names none and is not itself about a distribution, they are
    the folders with a pyproject.toml at most two levels down. Where there is none, nothing says that these belong
    together.
    """
    if not is_file(root / NAME):
        return ()
    if has_members(document):
        return tuple(each for each in members(root, document) if each != root)
    if "project" in document or "poetry" in table(document, "tool"):
        return ()
    below = _folders_in(root)
    below += [inside for each in below for inside in _folders_in(each)]
    found = real_folders(root, (each for each in below if is_file(each / NAME)))
    return tuple(each for each in found if each != root)


def _folders_in(folder: Path) -> list[Path]:
    """Return the folders in a folder: none if it has gone meanwhile, as may happen during a checkout."""
    return [each for each in within(folder) if not _is_left_out((each.name,)) and is_folder(each)]


def _is_left_out(parts: tuple[str, ...]) -> bool:
    return any(part.startswith(".") or part in LEFT_OUT for part in parts)


def _outside(root: Path, document: Document) -> Iterator[tuple[str, str]]:
    """Yield what can be imported from dependencies outside a project, and from which folder."""
    for each in (one for folder in dependencies_outside(root, document) for one in import_roots(folder)):
        for name in sorted(inside.name.removesuffix(".py") for inside in within(each)):
            yield name, Path(os.path.relpath(each, root)).as_posix()


def _default(root: Path, document: Document, folders: tuple[Path, ...]) -> tuple[Path, ...]:
    """Return the import roots of a project without explicit ones: its own, and those of its other distributions."""
    own = import_roots(root, document)
    others = tuple(each for folder in folders for each in import_roots(folder))
    if own == (root,):
        others += _run_by_django(root)
    return others if others and own == (root,) and not _holds_modules(root, (*folders, *others)) else (*own, *others)


def _run_by_django(root: Path) -> tuple[Path, ...]:
    """Return the direct subfolders with a `manage.py`: Python starts there, so imports do."""
    if is_file(root / _MANAGE):
        return ()
    return tuple(sorted(each.parent for each in root.glob(f"*/{_MANAGE}") if not _is_left_out((each.parent.name,))))


def _holds_modules(root: Path, folders: tuple[Path, ...]) -> bool:
    """Whether anything directly in the project root can be imported."""
    for each in within(root):
        if _is_left_out((each.name,)) or each.name in _SCRIPTS or each in folders:
            continue
        if each.suffix == ".py" or is_file(each / "__init__.py"):
            return True
    return False


def _check_entry(root: Path, entry: str) -> None:
    """Check that `run` names files of the project.

    Raises:
        ConfigurationError: If it does not.
    """
    path = (root / entry).resolve()
    if not path.is_relative_to(root):
        raise ConfigurationError(f"run in [tool.upnext] names {entry!r}, which is outside the project {root}.")
    if path.suffix != ".py" or not is_file(path):
        raise ConfigurationError(
            f"run in [tool.upnext] names {entry!r}, which is not a Python file of the project; "
            "it lists what `upnext run` is given."
        )


def _named(root: Path, src: tuple[str, ...]) -> tuple[Path, ...]:
    """Return the folders named by `src`; for a member of the workspace, its own import roots."""
    roots: list[Path] = []
    for each in src:
        is_glob = any(character in each for character in _GLOB)
        folders = sorted(_matching(root, each)) if is_glob else [(root / each).resolve()]
        if is_glob and not folders:
            raise ConfigurationError(f"src in [tool.upnext] names {each!r}, which matches no folder of the project.")
        for folder in folders:
            if not folder.is_relative_to(root):
                raise ConfigurationError(f"src in [tool.upnext] names {each!r}, which is outside the project {root}.")
            if not is_folder(folder):
                raise ConfigurationError(f"src in [tool.upnext] names {each!r}, which is not a folder of the project.")
            roots += import_roots(folder) if folder != root and is_file(folder / NAME) else [folder]
    return tuple(roots)


def _matching(root: Path, pattern: str) -> list[Path]:
    try:
        found = [each.resolve() for each in root.glob(pattern) if is_folder(each)]
    except (OSError, ValueError, NotImplementedError) as error:
        raise ConfigurationError(f"src in [tool.upnext] names {pattern!r}, which is not a pattern: {error}.") from error
    # A folder that is left out is an import root only if it is named: by `packages/*/build`, not by `packages/*`.
    is_named = not any(character in PurePath(pattern).name for character in _GLOB)
    return [each for each in found if each == root or not _is_left_out(_parts_of(each, root, without_last=is_named))]


def _parts_of(folder: Path, root: Path, *, without_last: bool) -> tuple[str, ...]:
    parts = folder.relative_to(root).parts if folder.is_relative_to(root) else ()
    return parts[:-1] if without_last else parts


def _relative(folders: tuple[Path, ...], root: Path) -> tuple[str, ...]:
    found = [each.relative_to(root).as_posix() for each in folders if each.is_relative_to(root)]
    return tuple(dict.fromkeys("" if each == "." else each for each in found))


def _path_of(module: str, root: Path, roots: tuple[str, ...]) -> str:
    """Return the future path of a module of the project, without a suffix.

    Raises:
        ConfigurationError: If its package is below no import root, or there is a package of this name.
    """
    package, _, name = module.replace(".", "/").rpartition("/")
    ways = ["/".join(filter(None, (each, package))) for each in roots]
    there = [way for way in ways if is_folder(root / way)]
    if not package and len(roots) > 1:
        raise ConfigurationError(
            f"catalog in [tool.upnext] is {module!r}, but there are {len(roots)} import roots: name one in a package."
        )
    if not there:
        raise ConfigurationError(
            f"catalog in [tool.upnext] is {module!r}, but there is no folder {' or '.join(ways)}: make it first."
        )
    path = f"{there[0]}/{name}".lstrip("/")
    if is_folder(root / path):
        raise ConfigurationError(
            f"catalog in [tool.upnext] is {module!r}, but {path} is a folder: name another module."
        )
    return path
