"""Reads the Celery tasks of a project and their calls, from only those files whose bytes can hold any."""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from upnext_codegen.celery.apps import Apps
from upnext_codegen.celery.calls import Calls
from upnext_codegen.celery.makers import Makers
from upnext_codegen.celery.records import CeleryScan
from upnext_codegen.celery.task_classes import TaskClasses
from upnext_codegen.celery.tasks import Tasks, supposed_names, tasks_in
from upnext_codegen.files.cache import open_cache
from upnext_codegen.files.discover import discover
from upnext_codegen.files.file_index import FileIndex
from upnext_codegen.findings import in_order
from upnext_codegen.garbage import uncollected
from upnext_codegen.names.lookup import Lookup
from upnext_codegen.names.modules import ExternalName, ModuleRef, RecordedModules, map_modules
from upnext_codegen.names.scopes import Assignment, Definition
from upnext_codegen.sources import Sources

if TYPE_CHECKING:
    from collections.abc import Callable

    from upnext_codegen.celery.records import Call, CeleryTask
    from upnext_codegen.findings import Finding
    from upnext_codegen.names.lookup import Source
    from upnext_codegen.names.modules import Modules
    from upnext_codegen.names.scopes import SourceModule, Use
    from upnext_codegen.project import Project
    from upnext_codegen.silence import Comments

_MAKERS = ("shared_task", "task")
"""What makes tasks is called so, unless a file of the project gives it another name."""
_CALLS = re.compile(
    rb"\.\s*(?:delay|delay_on_commit|apply|apply_async|apply_async_on_commit|retry|si?|signature|subtask|send_task)\s*[(,]"
    rb"|\bsignature\s*\(|['\"]schedule['\"]"
)
_OF_APPS = re.compile(rb"\btask_cls\b|\.\s*Task\s*=")
_NAMES = re.compile(rb"\bgen_task_name\b")
_APP = re.compile(rb"\bCelery\s*\(")
_TYPED = re.compile(rb"\bupnext_celery\b")


@dataclass(slots=True)
class _Modules(RecordedModules):
    """Module names of a project, in which its own `celery.py` is never mistaken for `celery`: many projects have one.

    A process may import from other folders than the project says, as after `sys.path.insert(0, "packages")`. What has
    to be in the project to be meant is looked for in all of its folders.
    """

    _around: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def __post_init__(self) -> None:
        for folder in sorted(self.modules.folders):
            parent, _, name = folder.rpartition("/")
            self._around.setdefault(name, []).append(parent)

    def find(self, name: str, importer: str) -> ModuleRef | ExternalName | None:
        """As `Modules.find`."""
        top = name.partition(".")[0]
        if top == "celery":
            return ExternalName(name)
        found = super(_Modules, self).find(name, importer)
        if isinstance(found, ModuleRef) or top in sys.stdlib_module_names:
            return found
        others = [each for parent in self._around.get(top, ()) if (each := self.modules.at(parent, name)) is not None]
        return others[0] if len(others) == 1 else found


class _Lookup(Lookup):
    """Names of a project, including those in modules that are imported by a call."""

    def path(self, use: Use, expr: ast.expr) -> tuple[Source, ...]:
        """As `Lookup.path`."""
        match expr:
            case ast.Call(ast.Name("import_module") | ast.Attribute(_, "import_module"), [ast.Constant(str() as name)]):
                found = self.modules.find(name, use.file)
                return (found,) if found is not None else ()
            case _:
                return super().path(use, expr)

    def attribute(self, owner: Source, attr: str, user: str) -> tuple[Source, ...]:
        """As `Lookup.attribute`."""
        match owner:
            case Definition(binding=Assignment(ast.Call() as value)):
                found = self.path(owner.use, value)
                return super().attribute(found[0], attr, user) if found else ()
            case _:
                return super().attribute(owner, attr, user)


class _Glance(NamedTuple):
    """What a file may contain, judging by its bytes.

    Attributes:
        path: The file.
        tasks: Definitions of tasks.
        calls: Calls of them.
        apps: Apps.
        task_classes: A class that an app is given for all of its tasks.
        task_names: A way in which an app names tasks.
        types: The module that `upnext celery gen` types.
    """

    path: str
    tasks: bool
    calls: bool
    apps: bool
    task_classes: bool
    task_names: bool
    types: bool

    @classmethod
    def at(cls, path: str, data: bytes, makes: re.Pattern[bytes]) -> _Glance:
        """Look at a file."""
        searches = (makes, _CALLS, _APP, _OF_APPS, _NAMES, _TYPED)
        return cls(path, *(bool(each.search(data)) for each in searches))


@uncollected()
def read_celery(project: Project) -> tuple[CeleryScan, tuple[Finding, ...], Comments]:
    """Read the sources of a project.

    Returns:
        What was found, what cannot be read, and the comments that silence findings.
    """
    index, modules = _indexed(project)
    sources = Sources(index)
    loaded: set[str] = set()

    def load(path: str) -> SourceModule | None:
        loaded.add(path)
        return sources.load(path)

    apps = Apps(_Lookup(_Modules(modules), load))
    makers = Makers(apps)
    tasks = Tasks(apps, makers, TaskClasses(apps))
    calls = Calls(tasks)
    made: list[CeleryTask] = []
    supposed: list[str | None] = []
    called: list[Call] = []
    makes = _makes(index, load, makers)
    glances = [_Glance.at(path, index.bytes_of(path) or b"", makes) for path in index.files]
    tasks.are_named_by_celery = not any(each.task_names for each in glances)
    for each in glances:
        module = load(each.path) if each.task_classes else None
        if module is not None:
            tasks.classes.read_apps(module)
    for each in glances:
        module = load(each.path) if each.tasks or each.calls else None
        if module is not None:
            made += tasks_in(module, tasks) if each.tasks else []
            supposed += supposed_names(module, tasks) if each.tasks else []
            called += calls.in_module(module) if each.calls else []
    scan = CeleryScan(
        tuple(sorted(dict.fromkeys(made), key=lambda each: each.place)),
        tuple(sorted(dict.fromkeys(called), key=lambda each: (each.place, each.method))),
        any(each.types for each in glances),
        sum(each.apps for each in glances),
        frozenset(supposed),
        frozenset(loaded),
        len(index.entries),
    )
    return scan, in_order(index.check(loaded)), index.ignores(loaded)


def _indexed(project: Project) -> tuple[FileIndex, Modules]:
    found = discover(project)
    modules = map_modules(
        [file.path for file in found.files], found.aliases, project.roots, project.catalog, project.renamed
    )
    index = FileIndex(
        project.root,
        {file.path: file for file in found.files},
        modules.words(),
        open_cache(project.root, use=False).known,
    )
    index.refresh()
    return index, modules


def _makes(index: FileIndex, load: Callable[[str], SourceModule | None], makers: Makers) -> re.Pattern[bytes]:
    """Return what is found in the bytes of files that make tasks.

    A task is made by what is called `shared_task` or `task`, or after them, or by a class that has a `run`, or a base
    that is called after tasks. A file may give a maker another name, so those that name one are asked by which, until
    none has a new one.
    """
    known, asked, naming = {*_MAKERS}, set[str](), rb"\bshared_task\b|\.\s*task\b|task\s+as\b"
    while True:
        # Read again for each new name, of which there are few: all files at once may exceed the memory.
        rest = [path for path in index.files if path not in asked]
        paths = [path for path in rest if re.search(naming, index.bytes_of(path) or b"")]
        asked.update(paths)
        modules = [module for path in paths if (module := load(path)) is not None]
        found = {name for module in modules for name in makers.names_in(module)} - known
        known |= found
        words = "|".join(sorted(map(re.escape, known))).encode()
        if not found:
            return re.compile(
                rb"@\s*[\w.]*(?:%b)|\b(?:%b)\s*\(|\bdef\s+run\b|\bclass\s+\w+\s*\([^)]*Task\b" % (words, words)
            )
        # Where one of them may be renamed.
        naming = rb"\b(?:%b)\s+as\b|(?:=|\breturn\b)\s*(?:\w+\s*\.\s*)*(?:%b)\b" % (words, words)
