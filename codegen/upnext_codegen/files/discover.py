"""Which files a project has: a walk that leaves out what is not the project's own source."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from upnext_codegen.files.gitignore import Patterns, parse_patterns

if TYPE_CHECKING:
    from upnext_codegen.project import Project

_LEFT_OUT = frozenset({"tests", "node_modules", "build", "dist", "venv", "__pycache__", "site-packages"})


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
    """

    files: tuple[SourceFile, ...]
    aliases: tuple[tuple[str, str], ...]
    unreadable: tuple[tuple[str, str], ...]
    folders: tuple[str, ...] = ()


@dataclass(slots=True)
class _Walk:
    root: str
    patterns: list[Patterns]
    files: dict[str, SourceFile] = field(default_factory=dict[str, SourceFile])
    links: list[tuple[str, bool]] = field(default_factory=list[tuple[str, bool]])
    many: dict[tuple[int, int], list[str]] = field(default_factory=dict[tuple[int, int], list[str]])
    unreadable: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    folders: list[str] = field(default_factory=list[str])
    waiting: list[tuple[str, list[Patterns]]] = field(default_factory=list[tuple[str, "list[Patterns]"]])


def discover(project: Project) -> Discovery:
    """List the Python files of a project."""
    patterns = [*_outer_patterns(project.root)]
    walk = _Walk(str(project.root), patterns)
    walk.waiting.append(("", patterns))
    while walk.waiting:
        _visit(walk, *walk.waiting.pop())
    excluded = parse_patterns(list(project.settings.exclude), "")
    if excluded.runs:
        walk.files = {path: file for path, file in walk.files.items() if not _excluded(excluded, path)}
    aliases = _follow_links(walk, excluded)
    aliases += _drop_hard_links(walk)
    files = tuple(walk.files[path] for path in sorted(walk.files))
    return Discovery(files, tuple(sorted(aliases)), tuple(sorted(walk.unreadable)), tuple(walk.folders))


def _visit(walk: _Walk, folder: str, patterns: list[Patterns]) -> None:
    """Take in what is in a folder ("" or a path that ends with `/`), and note the folders in it as waiting."""
    try:
        with os.scandir(f"{walk.root}/{folder}") as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        walk.unreadable.append((folder, error.strerror or "it cannot be listed"))
        return
    walk.folders.append(folder)
    names = {entry.name for entry in entries}
    if folder and ("pyvenv.cfg" in names or (".git" in names and _is_checkout(f"{walk.root}/{folder}.git"))):
        return
    if ".gitignore" in names:
        own = _read_patterns(f"{walk.root}/{folder}.gitignore", folder)
        patterns = [*patterns, own] if own.runs else patterns
    for entry in entries:
        _enter(walk, entry, folder, patterns)


def _enter(walk: _Walk, entry: os.DirEntry[str], folder: str, patterns: list[Patterns]) -> None:
    name = entry.name
    python = name.endswith(".py")
    try:
        if entry.is_symlink():
            if (python or "." not in name) and not _left_out(name) and not _ignored(patterns, folder + name, False):
                walk.links.append((folder + name, entry.is_dir()))
        elif entry.is_dir(follow_symlinks=False):
            if not _left_out(name) and not _ignored(patterns, folder + name, True):
                walk.waiting.append((f"{folder}{name}/", patterns))
        elif python and not _left_out(name) and not _ignored(patterns, folder + name, False):
            _add(walk, folder + name, entry.stat(follow_symlinks=False))
    except OSError:
        return  # Gone since the folder was listed: as if it had never been there.


def _is_checkout(git: str) -> bool:
    """Whether a `.git` is that of another clone, or of another work tree of one; a submodule is part of the project."""
    return Path(git).is_dir() or any("/worktrees/" in line for line in _lines(git))


def _add(walk: _Walk, path: str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        return
    walk.files[path] = SourceFile(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    if status.st_nlink > 1:
        walk.many.setdefault((status.st_dev, status.st_ino), []).append(path)


def _left_out(name: str) -> bool:
    return (
        name.startswith(".")
        or name in _LEFT_OUT
        or name == "conftest.py"
        or (name.startswith("test_") and name.endswith(".py"))
    )


def _ignored(patterns: list[Patterns], path: str, is_folder: bool) -> bool:
    for each in reversed(patterns):
        verdict = each.verdict(path, is_folder=is_folder)
        if verdict is not None:
            return verdict
    return False


def _excluded(patterns: Patterns, path: str) -> bool:
    """Whether `exclude` names the file or a folder around it."""
    position = path.find("/")
    while position >= 0:
        if patterns.verdict(path[:position], is_folder=True):
            return True
        position = path.find("/", position + 1)
    return patterns.verdict(path, is_folder=False) is True


def _follow_links(walk: _Walk, excluded: Patterns) -> list[tuple[str, str]]:
    """Take in what links inside the root lead to, each real file once; what was seen already only gets an alias."""
    aliases: list[tuple[str, str]] = []
    root = os.path.realpath(walk.root)
    for link, is_folder in sorted(walk.links):
        target = os.path.realpath(f"{walk.root}/{link}")
        if not target.startswith(f"{root}/") or f"{root}/{link}".startswith(f"{target}/"):
            continue
        real = target[len(root) + 1 :].replace(os.sep, "/")
        if is_folder:
            inside = [path for path in walk.files if path.startswith(f"{real}/")]
            aliases += [(link + path[len(real) :], path) for path in inside]
        elif real in walk.files:
            aliases.append((link, real))
        elif Path(target).is_file() and real.endswith(".py") and not _excluded(excluded, real):
            status = Path(target).stat()
            walk.files[real] = SourceFile(real, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            aliases.append((link, real))
    return aliases


def _drop_hard_links(walk: _Walk) -> list[tuple[str, str]]:
    aliases: list[tuple[str, str]] = []
    for paths in walk.many.values():
        kept, *others = sorted(path for path in paths if path in walk.files) or [""]
        for other in others:
            del walk.files[other]
            aliases.append((other, kept))
    return aliases


def _outer_patterns(root: Path) -> list[Patterns]:
    """The .gitignore files above the project root, up to the top of its repository."""
    if (root / ".git").exists():
        return []
    top = next((each for each in root.parents if (each / ".git").exists()), None)
    if top is None:
        return []
    found: list[Patterns] = []
    for each in (folder for folder in reversed(root.parents) if folder.is_relative_to(top)):
        lines = _lines(str(each / ".gitignore"))
        prefix = root.relative_to(each).as_posix() + "/"
        own = parse_patterns(lines, "")
        if own.runs:
            found.append(_Outer("", own.runs, prefix))
    return found


@dataclass(frozen=True, slots=True)
class _Outer(Patterns):
    """Patterns of a folder above the root: they see paths with the way from there in front."""

    prefix: str = ""

    def verdict(self, path: str, *, is_folder: bool) -> bool | None:
        return Patterns("", self.runs).verdict(self.prefix + path, is_folder=is_folder)


def _read_patterns(path: str, folder: str) -> Patterns:
    return parse_patterns(_lines(path), folder)


def _lines(path: str) -> list[str]:
    try:
        # A pipe would be waited for; git, too, skips a byte order mark.
        if not stat.S_ISREG(Path(path).stat().st_mode):
            return []
        return Path(path).read_text(encoding="utf-8-sig", errors="replace").split("\n")
    except OSError:
        return []
