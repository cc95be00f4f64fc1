"""Workspaces: distributions of one repository that belong together, as their package managers are told."""

from __future__ import annotations

import fnmatch
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from upnext_codegen.layout.probing import is_file, is_folder
from upnext_codegen.layout.pyproject import NAME, strings, table, tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from upnext_codegen.layout.pyproject import Document

_MANAGERS = (("uv", "workspace"), ("pdm", "workspace"), ("rye", "workspace"))


def members(root: Path, document: Document) -> tuple[Path, ...]:
    """Return the folders of a workspace's members, sorted: those of uv, PDM, Rye and Hatch, and path dependencies.

    Args:
        root: The folder of the workspace's pyproject.toml.
        document: What it says.
    """
    found: set[Path] = set()
    for wanted, unwanted in _patterns(document):
        for pattern in wanted:
            found.update(each for each in _matching(root, pattern) if not _excluded(root, each, unwanted))
    return real_folders(root, found)


def real_folders(root: Path, folders: Iterable[Path]) -> tuple[Path, ...]:
    """Return those folders that are distributions below another one, sorted; a link counts as its target.

    A link can lead out of the project, or back to a folder around it, and then on for ever.
    """
    real = {each.resolve() for each in folders}
    return tuple(sorted(each for each in real if each.is_relative_to(root) and is_file(each / NAME)))


def dependencies_outside(root: Path, document: Document) -> tuple[Path, ...]:
    """Return the folders of path dependencies outside the folder of a pyproject.toml."""
    found = [(root / path).resolve() for each in _dependencies(document) for path in strings(each.get("path"))]
    return tuple(sorted({each for each in found if not each.is_relative_to(root) and is_folder(each)}))


def has_members(document: Document) -> bool:
    """Whether a pyproject.toml mentions other distributions in its folder at all."""
    return any(wanted for wanted, _ in _patterns(document))


def _patterns(document: Document) -> Iterator[tuple[list[str], list[str]]]:
    """Yield globs of members, and of exclusions from them."""
    for keys in _MANAGERS:
        workspace = table(document, "tool", *keys)
        yield strings(workspace.get("members")), strings(workspace.get("exclude"))
    for name in table(document, "tool", "hatch", "envs"):
        workspace = table(document, "tool", "hatch", "envs", name, "workspace")
        named = [path for each in tables(workspace.get("members")) for path in strings(each.get("path"))]
        yield [*strings(workspace.get("members")), *named], strings(workspace.get("exclude"))
    yield [path for each in _dependencies(document) for path in strings(each.get("path"))], []


def _dependencies(document: Document) -> Iterator[Document]:
    """Yield the path dependencies that may be in this repository, as declared for uv and Poetry."""
    sources = table(document, "tool", "uv", "sources")
    for name in sources:
        yield from tables([sources[name]])
        yield from tables(sources[name])
    poetry = table(document, "tool", "poetry")
    groups = [table(poetry, "group", name, "dependencies") for name in table(poetry, "group")]
    for group in (table(poetry, "dependencies"), table(poetry, "dev-dependencies"), *groups):
        for name in group:
            yield from tables([group[name]])
            yield from tables(group[name])


def _matching(root: Path, pattern: str) -> list[Path]:
    path = PurePosixPath(pattern)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        return []
    try:
        return [each for each in root.glob(str(path)) if is_folder(each)]
    except (OSError, ValueError, NotImplementedError):
        return []


def _excluded(root: Path, folder: Path, patterns: list[str]) -> bool:
    relative = folder.relative_to(root).as_posix()
    return any(fnmatch.fnmatchcase(relative, pattern.rstrip("/")) for pattern in patterns)
