"""Notices that a Python file of the project has changed, for `upnext run --reload`."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from upnext.log import log
from upnext_codegen.errors import ConfigurationError
from upnext_codegen.files import watching
from upnext_codegen.files.discover import SourceFile, discover
from upnext_codegen.layout.settings import Settings
from upnext_codegen.project import Project, find_project

if TYPE_CHECKING:
    from upnext_codegen.files.watching import Sight

_PAUSE_AFTER_FAULT = 2.0


class FileWatcher:
    """Watches the files that `upnext gen` would read, and the service's own.

    Virtual environments, `node_modules` and what .gitignore names are not even listed.

    Args:
        service: The service's file.
    """

    def __init__(self, service: Path) -> None:
        self._service = service.resolve()
        self._changed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="upnext-reload", daemon=True)

    def start(self) -> None:
        """Start watching."""
        self._thread.start()

    def changed(self) -> bool:
        """Return whether a file has changed since the last call."""
        changed = self._changed.is_set()
        self._changed.clear()
        return changed

    def _watch(self) -> None:
        first = True
        while True:
            try:
                for _ in watching.changes(self._look):
                    if not first:
                        self._changed.set()
                    first = False
            except Exception as error:  # noqa: BLE001  # whatever happens to a folder must not end the reloading
                log.warning("The files cannot be watched now (%s); retrying", error)
                time.sleep(_PAUSE_AFTER_FAULT)

    def _look(self, known: tuple[str, ...]) -> Sight:
        earlier = {path: watching.times(path) for path in known}
        project = self._project()
        found = discover(project)
        own = watching.times(str(self._service))
        files = (*found.files, *([SourceFile(str(self._service), *own)] if own is not None else []))
        inside = (*[file.path for file in found.files], *found.folders)
        paths = (*[f"{project.root}/{path}" for path in inside], str(self._service))
        return watching.sight(files, frozenset(), paths, earlier)

    def _project(self) -> Project:
        try:
            return find_project(self._service.parent, otherwise=Path.cwd())
        except ConfigurationError:
            # Its pyproject.toml is being edited; `upnext gen` says what is wrong.
            return Project(self._service.parent, ("",), Settings())
