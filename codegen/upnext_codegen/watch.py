"""Waiting for a project's files to change."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from upnext_codegen.errors import ConfigurationError
from upnext_codegen.files.discover import SourceFile, discover
from upnext_codegen.project import find_project

_PAUSE = 0.3
_SHARE = 20
"""Looking at the files takes at most one part in so many of the time."""


def changes(start: Path | None) -> Iterator[None]:
    """Yield once, and then each time that a source file or pyproject.toml has changed since the last time.

    Args:
        start: Where to look for the project from, the current folder by default.
    """
    before = _files(start)
    while True:
        yield
        before = _other_files(start, before)


def _other_files(start: Path | None, before: tuple[SourceFile, ...]) -> tuple[SourceFile, ...]:
    while True:
        began = time.monotonic()
        now = _files(start)
        if now != before:
            return now
        time.sleep(max(_PAUSE, _SHARE * (time.monotonic() - began)))


def _files(start: Path | None) -> tuple[SourceFile, ...]:
    try:
        project = find_project(start)
        return (*discover(project).files, *_settings(project.root))
    except ConfigurationError:
        # The settings are being edited; the run has said so.
        return _settings((start or Path.cwd()).resolve())


def _settings(folder: Path) -> tuple[SourceFile, ...]:
    """Return the nearest pyproject.toml upward."""
    for each in (folder, *folder.parents):
        try:
            found = (each / "pyproject.toml").stat()
        except OSError:
            continue
        return (SourceFile("pyproject.toml", found.st_size, found.st_mtime_ns),)
    return ()
