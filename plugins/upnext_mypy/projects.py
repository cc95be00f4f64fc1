"""The projects whose files a mypy run checks, and which catalog types the sends in each of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mypy.nodes import MypyFile

from upnext_mypy.refresh import CATALOG, Outcome, project_root


@dataclass(slots=True)
class Projects:
    """Projects that use upnext.

    Attributes:
        outcomes: By their roots what was done for their catalogs.
    """

    outcomes: Mapping[Path, Outcome]
    _by_folder: dict[str, Outcome | None] = field(default_factory=dict[str, Outcome | None])

    @property
    def modules(self) -> frozenset[str]:
        """The names of the modules that type sends."""
        return frozenset({CATALOG, *(outcome.module for outcome in self.outcomes.values())})

    @property
    def stale(self) -> tuple[str, ...]:
        """What is out of date in any of them."""
        return tuple(line for outcome in self.outcomes.values() for line in outcome.stale)

    def of(self, path: str) -> Outcome | None:
        """Return the result for a file's project, None if it is not one of them."""
        folder = os.path.realpath(os.path.dirname(path))  # noqa: PTH120 - for every file that is checked
        if folder not in self._by_folder:
            root = project_root(Path(folder) / "_.py") if any(map(Path(folder).is_relative_to, self.outcomes)) else None
            self._by_folder[folder] = None if root is None else self.outcomes.get(root)
        return self._by_folder[folder]

    def misread(self, path: str, modules: Mapping[str, MypyFile]) -> tuple[str, ...]:
        """Return which wrong catalog is read for a file, and the advice; nothing if it is the right one.

        Args:
            path: The file.
            modules: All modules that mypy has read.
        """
        outcome = self.of(path)
        read = modules.get(CATALOG)
        if outcome is None or outcome.module != CATALOG or read is None or outcome.project is None:
            return ()
        wanted = [catalog for catalog in outcome.catalogs if catalog.is_file()]
        found = Path(os.path.realpath(read.path))
        if not wanted or found in map(Path.resolve, wanted):
            return ()
        folder = _relative(wanted[0].parent)
        return (
            f"mypy reads {_relative(found)} in place of {_relative(wanted[0])}, so sends are not checked here",
            f'set mypy_path = "{folder}" in the mypy configuration, or check this project in a run of its own',
            'or set catalog = "PACKAGE.catalog" in [tool.upnext], and import Worker from there',
        )


def first_catalog(outcomes: Iterable[Outcome], sources: Iterable[Path]) -> Path | None:
    """Return the folder of the only catalog that mypy has to find, None if there is none or several.

    Of several import roots of one project, which have the same events in theirs, the one counts that sources lie in.
    """
    projects = [
        catalogs
        for outcome in outcomes
        if outcome.module == CATALOG and (catalogs := [each.parent for each in outcome.catalogs if each.is_file()])
    ]
    if len(projects) != 1:
        return None
    around = [folder for folder in projects[0] if any(source.is_relative_to(folder) for source in sources)]
    return [*around, *projects[0]][0]


def _relative(path: Path) -> str:
    here = Path.cwd().resolve()
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else str(path)
