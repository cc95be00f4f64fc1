"""Waits for changes to anything that `upnext gen` reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from upnext_codegen.catalog.lock import FILE_NAME
from upnext_codegen.catalog.places import targets
from upnext_codegen.errors import ConfigurationError
from upnext_codegen.files import watching
from upnext_codegen.files.discover import SourceFile, discover
from upnext_codegen.files.watching import Sight, sight, times
from upnext_codegen.project import find_project


def changes(start: Path | None, out: Path | None = None) -> Iterator[None]:
    """Yield once, and then after each change to a source file or pyproject.toml, or loss of a generated file.

    Args:
        start: Where to look for the project from, the current folder by default.
        out: Folder of the stub, instead of the project's setting.
    """
    return watching.changes(lambda known: _look(start, out, known))


def _look(start: Path | None, out: Path | None, known: tuple[str, ...]) -> Sight:
    """List the files; times of files known before are read first."""
    earlier = dict(zip(known, map(times, known), strict=True))
    try:
        project = find_project(start, otherwise=Path.cwd())
        found = discover(project)
        settings = [each for member in ("", *project.members) for each in _settings(project.root / member)]
        members = [f"{member}/pyproject.toml" for member in project.members]
        inside = (*[file.path for file in found.files], *found.folders, "pyproject.toml", *members)
        outputs = [str(stub.path) for stub in targets(project, out)]
        outputs.append(str(project.root / FILE_NAME))
        paths = (*[f"{project.root}/{path}" for path in inside], *outputs)
        files = (*found.files, *settings)
    except ConfigurationError:
        # The settings are being edited; the run has reported it.
        folder = (start or Path.cwd()).resolve()
        files = _settings(folder)
        paths = tuple(str(each / "pyproject.toml") for each in (folder, *folder.parents))
        outputs = []
    there = frozenset(path for path in outputs if times(path) is not None)
    return sight(files, there, paths, earlier)


def _settings(folder: Path) -> tuple[SourceFile, ...]:
    """Return the nearest pyproject.toml upward."""
    for each in (folder, *folder.parents):
        found = times(str(each / "pyproject.toml"))
        if found is not None:
            return (SourceFile("pyproject.toml", *found),)
    return ()
