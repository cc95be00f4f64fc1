"""What a project leaves out: by default, by its settings, and by the .gitignore files around it."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from upnext_codegen.files.gitignore import Patterns, Rule, leads_to, parse_patterns, rules_in
from upnext_codegen.layout.probing import exists, is_file, is_folder
from upnext_codegen.layout.pyproject import NAME
from upnext_codegen.project import LEFT_OUT, LOCK, is_separate

if TYPE_CHECKING:
    from upnext_codegen.project import Project

BY_DEFAULT = "left out by default"
EXCLUDED = "named by exclude in [tool.upnext]"
PROJECT = "a project of its own"
_NEVER_PACKAGES = frozenset({"node_modules", "__pycache__", "site-packages"})


@dataclass(frozen=True, slots=True)
class Choice:
    """What is left out and taken in by the settings of a project, and by default.

    Attributes:
        root: The project root.
        exclude: Patterns that nothing wins over.
        include: Patterns that win over what is left out by default.
        leading: Those of `include` that name a way, by which folders are entered that are left out.
        roots: The import roots below the project root, each with a `/` at its end.
        tops: The folders of distributions, "" or with a `/` at their end: a `build` there is what a build wrote.
    """

    root: str
    exclude: Patterns
    include: Patterns
    leading: tuple[Rule, ...]
    roots: tuple[str, ...]
    tops: frozenset[str]

    def excludes(self, path: str, *, is_folder: bool) -> bool:
        """Whether `exclude` names a path itself."""
        return bool(self.exclude.runs) and self.exclude.verdict(path, is_folder=is_folder) is True

    def excludes_way(self, path: str) -> bool:
        """Whether `exclude` names a file or a folder around it."""
        if not self.exclude.runs:
            return False
        return any(self.excludes(way, is_folder=True) for way in _around(path)) or self.excludes(path, is_folder=False)

    def includes(self, path: str, *, is_folder: bool, inherited: bool) -> bool:
        """Whether `include` names a path or a folder around it, and does not revoke that."""
        if not self.include.runs:
            return False
        verdict = self.include.verdict(path, is_folder=is_folder)
        return inherited if verdict is None else verdict

    def leads_into(self, path: str) -> bool:
        """Whether `include` names something below a folder that is itself left out."""
        return any(leads_to(rule, path) for rule in self.leading)

    def is_left_out(self, folder: str, name: str, beside: set[str]) -> bool:
        """Whether a name is left out by default.

        Args:
            folder: The folder that it is in, "" or with a `/` at its end.
            name: Of a file or folder.
            beside: All names in that folder.
        """
        if name.startswith("."):
            return True
        if name in LEFT_OUT:
            return not self._is_package(folder, name, "__init__.py" in beside)
        return name == "conftest.py" or (name.startswith("test_") and name.endswith(".py"))

    def keeps_out(self, path: str, root: str) -> bool:
        """Whether a file is left out by something other than .gitignore: a name in its path, or a setting."""
        if self.excludes_way(path):
            return True
        parts = path.split("/")
        for depth, name in enumerate(parts):
            folder = "".join(f"{part}/" for part in parts[:depth])
            beside = {"__init__.py"} if name in LEFT_OUT and is_file(f"{root}/{folder}__init__.py") else set[str]()
            if self.is_left_out(folder, name, beside):
                return True
        return False

    def _is_package(self, folder: str, name: str, in_package: bool) -> bool:
        """Whether a folder called `build`, `dist`, `venv` or `tests` is a package.

        It is one with an `__init__.py`, except beside a pyproject.toml; `tests` is one inside another package only.
        """
        if name in _NEVER_PACKAGES or folder in self.tops or not self._is_importable(folder):
            return False
        if name == "tests" and not in_package:
            return False
        return is_file(f"{self.root}/{folder}{name}/__init__.py")

    def _is_importable(self, folder: str) -> bool:
        return any(folder.startswith(root) for root in self.roots)


def parse_choice(project: Project) -> Choice:
    """Read the settings of a project as patterns."""
    settings = project.settings
    return Choice(
        str(project.root),
        parse_patterns(list(settings.exclude), ""),
        parse_patterns(list(settings.include), ""),
        tuple(rule for rule in rules_in(list(settings.include)) if not rule.negated),
        tuple(f"{root}/" if root else "" for root in project.roots),
        frozenset({"", *(f"{member}/" for member in project.members)}),
    )


def is_checkout(git: str) -> bool:
    """Whether a `.git` belongs to another clone or work tree; a submodule is part of the project."""
    return is_folder(git) or any("/worktrees/" in line for line in _lines(git))


def is_project(folder: str, names: set[str], root: str) -> bool:
    """Whether a folder with a pyproject.toml, which no workspace names, is a separate project.

    Args:
        folder: The folder.
        names: What is in it.
        root: The project root above it, to which it belongs otherwise, if that has a pyproject.toml as well.
    """
    return LOCK in names or is_separate(Path(folder)) or not is_file(Path(root, NAME))


def patterns_above(root: Path) -> list[Patterns]:
    """The .gitignore files above the project root, up to the top of its repository."""
    if exists(root / ".git"):
        return []
    top = next((each for each in root.parents if exists(each / ".git")), None)
    if top is None:
        return []
    found: list[Patterns] = []
    for each in (folder for folder in reversed(root.parents) if folder.is_relative_to(top)):
        way = root.relative_to(each).as_posix()
        source = f"{'../' * (way.count('/') + 1)}.gitignore"
        own = parse_patterns(_lines(str(each / ".gitignore")), "", prefix=f"{way}/", source=source)
        if own.runs:
            found.append(own)
    return found


def read_patterns(path: str, folder: str) -> Patterns:
    """Read the .gitignore in a folder (relative to the project root with a `/` at its end, or "")."""
    return parse_patterns(_lines(path), folder, source=f"{folder}.gitignore")


def _lines(path: str) -> list[str]:
    try:
        # Opening a pipe would block; git, too, skips a byte order mark.
        if not stat.S_ISREG(Path(path).stat().st_mode):
            return []
        return Path(path).read_text(encoding="utf-8-sig", errors="replace").split("\n")
    except OSError:
        return []


def _around(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:length]) for length in range(1, len(parts))]
