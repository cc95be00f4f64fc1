"""Reads the Celery tasks of a project and the calls of them: files whose bytes can hold either, and no other."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from upnext_codegen.celery.apps import Apps
from upnext_codegen.celery.calls import Calls
from upnext_codegen.celery.records import CeleryScan
from upnext_codegen.celery.tasks import Tasks, tasks_in
from upnext_codegen.files.cache import open_cache
from upnext_codegen.files.discover import discover
from upnext_codegen.files.file_index import FileIndex
from upnext_codegen.findings import in_order
from upnext_codegen.garbage import uncollected
from upnext_codegen.names.lookup import Lookup
from upnext_codegen.names.modules import ExternalName, RecordedModules, map_modules
from upnext_codegen.sources import Sources

if TYPE_CHECKING:
    from upnext_codegen.celery.records import Call, Task
    from upnext_codegen.findings import Finding
    from upnext_codegen.names.modules import ModuleRef
    from upnext_codegen.names.scopes import SourceModule
    from upnext_codegen.project import Project
    from upnext_codegen.silence import Comments

_MAKES = re.compile(rb"@\s*[\w.]*task|\btask\s*\(")
"""A task is made by something that is called `shared_task` or `task`, or is named after them."""
_CALLS = re.compile(
    rb"\.\s*(?:delay|delay_on_commit|apply|apply_async|apply_async_on_commit|si?|signature|subtask|send_task)\s*\("
    rb"|\bsignature\s*\(|['\"]schedule['\"]"
)
_TYPED = re.compile(rb"\bupnext_celery\b")


class _Modules(RecordedModules):
    """The module names of a project whose own `celery.py` is no other file's `celery`: many projects have one."""

    def find(self, name: str, importer: str) -> ModuleRef | ExternalName | None:
        """As `Modules.find`."""
        return ExternalName(name) if name.partition(".")[0] == "celery" else super().find(name, importer)


@uncollected()
def read_celery(project: Project) -> tuple[CeleryScan, tuple[Finding, ...], Comments]:
    """Read the sources of a project.

    Returns:
        What was found, what cannot be read, and the comments that silence findings.
    """
    found = discover(project)
    modules = map_modules([file.path for file in found.files], found.aliases, project.roots, project.catalog)
    index = FileIndex(
        project.root,
        {file.path: file for file in found.files},
        modules.words(),
        open_cache(project.root, use=False).known,
    )
    index.refresh()
    sources = Sources(index)
    loaded: set[str] = set()

    def load(path: str) -> SourceModule | None:
        loaded.add(path)
        return sources.load(path)

    tasks = Tasks(Apps(Lookup(_Modules(modules), load)))
    calls = Calls(tasks)
    made: list[Task] = []
    called: list[Call] = []
    wants_types = False
    for path in index.files:
        data = index.bytes_of(path) or b""
        wants_types = wants_types or bool(_TYPED.search(data))
        makes, has_calls = _MAKES.search(data), _CALLS.search(data)
        module = load(path) if makes or has_calls else None
        if module is not None:
            made += tasks_in(module, tasks) if makes else []
            called += calls.in_module(module) if has_calls else []
    scan = CeleryScan(
        tuple(sorted(dict.fromkeys(made), key=lambda each: each.place)),
        tuple(sorted(dict.fromkeys(called), key=lambda each: (each.place, each.method))),
        wants_types,
        frozenset(loaded),
        len(found.files),
    )
    return scan, in_order(index.check(loaded)), index.ignores(loaded)
