"""Waiting for a project's files to change."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from upnext_codegen.catalog.lock import FILE_NAME
from upnext_codegen.catalog.places import targets
from upnext_codegen.errors import ConfigurationError
from upnext_codegen.files.discover import SourceFile, discover
from upnext_codegen.project import find_project

_PAUSE = 0.05
"""Seconds between two glances."""
_BETWEEN_WALKS = 2.0
"""Seconds after which all files are listed again, whatever a glance says."""
_LONGEST = 4.0
"""Seconds that no pause is longer than, however slow the machine is."""
_SHARE = 20
"""Looking at the files takes at most one part in so many of the time."""

_State: TypeAlias = tuple[SourceFile, ...]
_Times: TypeAlias = tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class _Sight:
    """What a walk saw.

    Attributes:
        files: What is compared: the source files and pyproject.toml.
        outputs: The generated files that are there.
        paths: What a glance looks at: all these and the folders that they are in.
        times: Of each path, from before the walk, so that a change during it is noticed.
    """

    files: _State
    outputs: frozenset[str]
    paths: tuple[str, ...]
    times: tuple[_Times, ...]


def changes(start: Path | None, out: Path | None = None) -> Iterator[None]:
    """Yield once, and then each time that a source file or pyproject.toml has changed, or a generated file has gone.

    Args:
        start: Where to look for the project from, the current folder by default.
        out: Folder of the stub, instead of the project's setting.
    """
    before = _look(start, out, ())
    while True:
        yield
        before = _next(start, out, before)


def _next(start: Path | None, out: Path | None, before: _Sight) -> _Sight:
    """Wait for files that differ, or are there no more.

    A glance asks for the times of what is known: a saved file shows in its own, a new or moved one in its folder's.
    """
    last, rest, outputs = before, 0.0, before.outputs
    while True:
        # What the looking took is counted in time of the processor: on the clock a busy machine would stop the watch.
        began = time.process_time()
        if rest <= 0 or tuple(map(_times, last.paths)) != last.times:
            last = _look(start, out, last.paths)
            if last.files != before.files or outputs - last.outputs:
                return last
            outputs |= last.outputs
            rest = max(_BETWEEN_WALKS, _pause(began))
        pause = _pause(began)
        rest -= pause
        time.sleep(pause)


def _pause(began: float) -> float:
    return min(max(_PAUSE, _SHARE * (time.process_time() - began)), _LONGEST)


def _look(start: Path | None, out: Path | None, known: tuple[str, ...]) -> _Sight:
    """List the files; the times of what was known before are asked for first."""
    earlier = dict(zip(known, map(_times, known), strict=True))
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
        # The settings are being edited; the run has said so.
        folder = (start or Path.cwd()).resolve()
        files = _settings(folder)
        paths = tuple(str(each / "pyproject.toml") for each in (folder, *folder.parents))
        outputs = []
    there = frozenset(path for path in outputs if _times(path) is not None)
    return _Sight(files, there, paths, tuple(earlier.get(path) or _times(path) for path in paths))


def _times(path: str) -> _Times:
    try:
        status = os.stat(path)  # noqa: PTH116 - a Path for each of ten thousand files takes longer
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _settings(folder: Path) -> _State:
    """Return the nearest pyproject.toml upward."""
    for each in (folder, *folder.parents):
        times = _times(str(each / "pyproject.toml"))
        if times is not None:
            return (SourceFile("pyproject.toml", *times),)
    return ()
