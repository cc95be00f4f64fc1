"""Finds the files of a project: a walk that leaves out what is not the project's own source, and says why."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from upnext_codegen.files.generated import find_generated
from upnext_codegen.files.left_out import (
    BY_DEFAULT,
    EXCLUDED,
    PROJECT,
    Choice,
    is_checkout,
    is_project,
    parse_choice,
    patterns_above,
    read_patterns,
)
from upnext_codegen.files.tracked import tracked
from upnext_codegen.layout.probing import is_file
from upnext_codegen.project import LOCK

if TYPE_CHECKING:
    from upnext_codegen.files.gitignore import Patterns
    from upnext_codegen.project import Project

_IGNORED = "ignored by "
_UNLISTED = frozenset({"__pycache__", ".git", ".upnext"})
"""Folders in which no one would expect sources."""


class SourceFile(NamedTuple):
    """A file to scan.

    Attributes:
        path: Relative to the project root, with `/` on every system.
        size: In bytes.
        modified: When its content was written, in nanoseconds.
        changed: When anything about it was, in nanoseconds.
    """

    path: str
    size: int
    modified: int
    changed: int = 0


class Discovery(NamedTuple):
    """What a walk found.

    Attributes:
        files: Each real file once, sorted by path.
        aliases: Other paths (through links) of some of them.
        unreadable: Folders that cannot be listed, and why.
        folders: Those that were listed, "" for the root, others with a `/` at their end.
        left_out: Python files and folders that are not part of the project, each with the reason, sorted; folders have
            a `/` at their end. `__pycache__` and the like are not among them.
        generated: Files that upnext has generated, sorted, but for the lock of the root.
    """

    files: tuple[SourceFile, ...]
    aliases: tuple[tuple[str, str], ...]
    unreadable: tuple[tuple[str, str], ...]
    folders: tuple[str, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    generated: tuple[str, ...] = ()


class _Folder(NamedTuple):
    """A folder that is to be listed.

    Attributes:
        path: "" for the root, else with a `/` at its end.
        patterns: The .gitignore files that hold in it.
        reason: Why it is left out but for what `include` names in it; "" where it is not.
        included: Whether `include` names all of it.
    """

    path: str
    patterns: list[Patterns]
    reason: str = ""
    included: bool = False


@dataclass(slots=True)
class _Walk:
    root: str
    project: Project
    choice: Choice
    files: dict[str, SourceFile] = field(default_factory=dict[str, SourceFile])
    links: list[tuple[str, bool]] = field(default_factory=list[tuple[str, bool]])
    many: dict[tuple[int, int], list[str]] = field(default_factory=dict[tuple[int, int], list[str]])
    unreadable: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    folders: list[str] = field(default_factory=list[str])
    left_out: dict[str, str] = field(default_factory=dict[str, str])
    waiting: list[_Folder] = field(default_factory=list[_Folder])
    stubs: list[str] = field(default_factory=list[str])


def discover(project: Project) -> Discovery:
    """List the Python files of a project."""
    walk = _Walk(str(project.root), project, parse_choice(project))
    walk.waiting.append(_Folder("", patterns_above(project.root)))
    _finish(walk)
    _take_tracked(walk)
    aliases = _follow_links(walk)
    aliases += _drop_hard_links(walk)
    files = tuple(walk.files[path] for path in sorted(walk.files))
    left_out = tuple(sorted(walk.left_out.items()))
    generated = tuple(sorted(find_generated(walk.root, walk.stubs)))
    unreadable = tuple(sorted(walk.unreadable))
    return Discovery(files, tuple(sorted(aliases)), unreadable, tuple(walk.folders), left_out, generated)


def _finish(walk: _Walk) -> None:
    while walk.waiting:
        _visit(walk, walk.waiting.pop())


def _visit(walk: _Walk, folder: _Folder) -> None:
    """Add what is in a folder, and queue the folders in it."""
    path = folder.path
    try:
        with os.scandir(f"{walk.root}/{path}") as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        walk.unreadable.append((path, error.strerror or "it cannot be listed"))
        return
    walk.folders.append(path)
    names = {entry.name for entry in entries}
    if path and not folder.included:
        reason = _stranger(walk, path, names)
        if reason:
            walk.left_out[path] = reason
            return
    if ".gitignore" in names:
        own = read_patterns(f"{walk.root}/{path}.gitignore", path)
        folder = folder._replace(patterns=[*folder.patterns, own] if own.runs else folder.patterns)
    for entry in entries:
        _enter(walk, entry, folder, names)


def _stranger(walk: _Walk, path: str, names: set[str]) -> str:
    """Return why a folder belongs to someone else, judging by its contents."""
    if "pyvenv.cfg" in names:
        return "a virtual environment"
    if ".git" in names and is_checkout(f"{walk.root}/{path}.git"):
        return "another checkout"
    member = path.rstrip("/") in walk.project.members
    if "pyproject.toml" in names and not member and is_project(f"{walk.root}/{path}", names, walk.root):
        return PROJECT
    return ""


def _enter(walk: _Walk, entry: os.DirEntry[str], folder: _Folder, names: set[str]) -> None:
    name, path = entry.name, folder.path + entry.name
    python = name.endswith(".py")
    try:
        if entry.is_symlink():
            if (python or "." not in name) and not _reason_of_file(walk, folder, name, names):
                walk.links.append((path, entry.is_dir()))
        elif entry.is_dir(follow_symlinks=False):
            _enter_folder(walk, folder, name, names)
        elif python:
            reason = _reason_of_file(walk, folder, name, names)
            if reason:
                walk.left_out[path] = reason
            else:
                _add(walk, path, entry.stat(follow_symlinks=False))
        elif name.endswith(".pyi") or (name == LOCK and folder.path):
            walk.stubs.append(path)
    except OSError:
        return  # Deleted since the folder was listed: treated as absent.


def _enter_folder(walk: _Walk, folder: _Folder, name: str, names: set[str]) -> None:
    path = folder.path + name
    reason = _reason(walk, folder, name, names, is_folder=True)
    included = walk.choice.includes(path, is_folder=True, inherited=folder.included) and reason != EXCLUDED
    if not reason or included or walk.choice.leads_into(path):
        walk.waiting.append(_Folder(f"{path}/", folder.patterns, reason, included))
    elif name not in _UNLISTED:
        walk.left_out[f"{path}/"] = reason


def _reason_of_file(walk: _Walk, folder: _Folder, name: str, names: set[str]) -> str:
    """Return why a file is left out, "" if it is not."""
    reason = _reason(walk, folder, name, names, is_folder=False)
    path = folder.path + name
    if reason and reason != EXCLUDED and walk.choice.includes(path, is_folder=False, inherited=folder.included):
        return ""
    return reason


def _reason(walk: _Walk, folder: _Folder, name: str, names: set[str], *, is_folder: bool) -> str:
    """Return why a file or folder is left out, or would be without `include`; "" if it is not."""
    path = folder.path + name
    if walk.choice.excludes(path, is_folder=is_folder):
        return EXCLUDED
    if folder.reason:
        return folder.reason
    if walk.choice.is_left_out(folder.path, name, names):
        return BY_DEFAULT
    for each in reversed(folder.patterns):
        verdict = each.verdict(path, is_folder=is_folder)
        if verdict is not None:
            return f"{_IGNORED}{each.source}" if verdict else ""
    return ""


def _add(walk: _Walk, path: str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        return
    walk.files[path] = SourceFile(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    if status.st_nlink > 1:
        walk.many.setdefault((status.st_dev, status.st_ino), []).append(path)


def _take_tracked(walk: _Walk) -> None:
    """Add files that .gitignore names but git tracks."""
    ignored = [path.rstrip("/") for path, reason in walk.left_out.items() if reason.startswith(_IGNORED)]
    # Only what can be imported is worth asking git about.
    asked = [path for path in ignored if path.rpartition("/")[2].removesuffix(".py").isidentifier()]
    for path in tracked(walk.project.root, asked) if asked else ():
        if path.endswith(".py") and not walk.choice.keeps_out(path, walk.root):
            try:
                status = os.lstat(f"{walk.root}/{path}")
            except OSError:
                continue  # git tracks it, and it was deleted.
            walk.left_out.pop(path, None)
            _add(walk, path, status)


def _follow_links(walk: _Walk) -> list[tuple[str, str]]:
    """Add the targets of links inside the root, each real file once; a file seen before only gets an alias."""
    aliases: list[tuple[str, str]] = []
    root = os.path.realpath(walk.root)
    for link, is_folder in sorted(walk.links):
        with suppress(OSError):  # Deleted since the folder was listed, or a dangling link, like some below /proc.
            aliases += _follow_link(walk, root, link, is_folder=is_folder)
    return aliases


def _follow_link(walk: _Walk, root: str, link: str, *, is_folder: bool) -> list[tuple[str, str]]:
    target = os.path.realpath(f"{walk.root}/{link}")
    if not target.startswith(f"{root}/"):
        if target != root and (is_folder or is_file(target)):
            walk.left_out[f"{link}/" if is_folder else link] = "a link that leads out of the project"
        return []
    if f"{root}/{link}".startswith(f"{target}/"):
        return []
    real = target[len(root) + 1 :].replace(os.sep, "/")
    if is_folder:
        return [(link + path[len(real) :], path) for path in walk.files if path.startswith(f"{real}/")]
    if real in walk.files:
        return [(link, real)]
    if not (is_file(target) and real.endswith(".py") and not walk.choice.excludes_way(real)):
        return []
    status = Path(target).stat()
    walk.files[real] = SourceFile(real, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    walk.left_out.pop(real, None)
    return [(link, real)]


def _drop_hard_links(walk: _Walk) -> list[tuple[str, str]]:
    aliases: list[tuple[str, str]] = []
    for paths in walk.many.values():
        kept, *others = sorted(path for path in paths if path in walk.files) or [""]
        for other in others:
            del walk.files[other]
            aliases.append((other, kept))
    return aliases
