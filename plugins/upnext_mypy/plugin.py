"""The entry point that mypy calls.

The generated catalog alone types every send, in every checker. The plugin brings it up to date before mypy reads it,
makes mypy notice that it changed, and reports errors in the words of the event.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

from mypy.checker import TypeChecker
from mypy.nodes import TypeInfo
from mypy.options import Options
from mypy.plugin import (
    CheckerPluginInterface,
    FunctionContext,
    MethodContext,
    MethodSigContext,
    Plugin,
    ReportConfigContext,
)
from mypy.types import FunctionLike, Instance, Type

from upnext_mypy.codes import STALE, aside, report
from upnext_mypy.findings import show_findings
from upnext_mypy.projects import Projects, first_catalog
from upnext_mypy.refresh import CATALOG, Outcome, refresh, refresh_others
from upnext_mypy.run import Run, running
from upnext_mypy.sends import explain
from upnext_mypy.version import set_seen

EVENT, WORKER = "upnext.event.Event", "upnext.worker.Worker"
SENDS = frozenset({"send", "send_sync", "__call__"})
UNTYPED = frozenset({f"upnext.event.{name}" for name in ("Sender", "Event", "DynamicEvent", "TypedEvent")})


class UpnextPlugin(Plugin):
    """Brings the catalogs up to date when mypy starts, and explains errors while it checks."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._digests: dict[str, str] = {}
        self._outcome = Outcome()
        self._projects = Projects({})
        if options.config_file is not None:
            self._refresh(Path(options.config_file), options)
        self._owners = tuple(f"{module}." for module in self._projects.modules)

    def _refresh(self, config_file: Path, options: Options) -> None:
        run, is_worker = running(), _is_parallel_worker()
        self._outcome = refresh(config_file, Path.cwd(), run.sources, write=not is_worker)
        known = [] if self._outcome.project is None else [self._outcome.project]
        outcomes = dict.fromkeys(known, self._outcome)
        outcomes |= refresh_others(config_file, run.sources, known, write=not is_worker)
        self._projects = Projects(outcomes)
        everything = [self._outcome, *(each for each in outcomes.values() if each is not self._outcome)]
        for trouble in dict.fromkeys(each.trouble for each in everything if each.trouble and not is_worker):
            sys.stderr.write(f"upnext: the catalog was not brought up to date: {trouble}\n")
        if not is_worker and not any(each.trouble or each.catalogs for each in everything):
            _say_what_is_not_checked(run, self._projects)
        if any(each.changed for each in everything):
            run.forget_folders()
        catalogs = {str(path) for each in everything for path in each.catalogs if path.is_file()}
        set_seen((*self._projects.stale, *sorted(catalogs)))
        _let_mypy_find(run, everything, options)

    def get_method_signature_hook(self, fullname: str) -> Callable[[MethodSigContext], FunctionLike] | None:
        """Explain what is wrong with a send."""
        owner, _, method = fullname.rpartition(".")
        if method not in SENDS:
            return None
        if f"{owner}.".startswith(self._owners):
            hook = explain(method)
            return lambda ctx: ctx.default_signature if self._is_misread(ctx) else hook(ctx)
        return self._untyped_send if owner in UNTYPED and method != "__call__" else None

    def get_method_hook(self, fullname: str) -> Callable[[MethodContext], Type] | None:
        """Report the errors of `upnext gen` where events are declared and handlers are attached."""
        return self._event_or_on if fullname.endswith((".event", ".on")) else None

    def get_function_hook(self, fullname: str) -> Callable[[FunctionContext], Type] | None:
        """Report the same where workers are created, and stale or wrong catalogs."""
        is_worker = fullname == WORKER or fullname in {f"{owner}Worker" for owner in self._owners}
        return self._worker if is_worker or (self._projects.stale and self._is_worker(fullname)) else None

    def report_config_data(self, ctx: ReportConfigContext) -> dict[str, str] | None:
        """Return the hash of a catalog for the catalog; for other modules nothing, unless the catalog is stale.

        mypy's cache takes a file for unchanged by its size and the second of its last change, and those may be of
        before the refresh. With another hash it reads the catalog again, and all that depends on what changed in it.
        """
        if ctx.id in self._projects.modules:
            if ctx.path not in self._digests:
                self._digests[ctx.path] = _digest(Path(ctx.path))
            return {"sha256": self._digests[ctx.path]}
        outcome = self._projects.of(ctx.path) if self._projects.stale else None
        return {"stale": "\n".join(outcome.stale)} if outcome is not None and outcome.stale else None

    def _worker(self, ctx: FunctionContext) -> Type:
        self._show_findings(ctx.api)
        outcome = self._projects.of(ctx.api.path) or self._outcome
        if outcome.stale:
            message, *notes = outcome.stale
            with aside(ctx.api):
                report(ctx.api, message, ctx.context, STALE, notes=notes)
        elif not self._is_misread(ctx):
            self._check_class(ctx)
        return ctx.default_return_type

    def _check_class(self, ctx: FunctionContext) -> None:
        """Report a worker created by `upnext.Worker` although another module has the typed class."""
        outcome = self._projects.of(ctx.api.path)
        made = ctx.default_return_type
        if outcome is None or outcome.module == CATALOG or not outcome.catalogs or not isinstance(made, Instance):
            return
        if made.type.fullname == WORKER:
            message = f"The events of this worker are not typed: the catalog is {outcome.module}"
            with aside(ctx.api):
                report(ctx.api, message, ctx.context, STALE, notes=[f"from {outcome.module} import Worker"])

    def _untyped_send(self, ctx: MethodSigContext) -> FunctionLike:
        self._is_misread(ctx)
        return ctx.default_signature

    def _event_or_on(self, ctx: MethodContext) -> Type:
        if isinstance(ctx.type, Instance) and (ctx.type.type.has_base(EVENT) or ctx.type.type.has_base(WORKER)):
            self._show_findings(ctx.api)
        return ctx.default_return_type

    def _show_findings(self, api: CheckerPluginInterface) -> None:
        outcome = self._projects.of(api.path)
        show_findings(api, CATALOG if outcome is None else outcome.module)

    def _is_misread(self, ctx: FunctionContext | MethodSigContext) -> bool:
        """Whether mypy reads another catalog than that of the file's project; if so, it is reported."""
        if not isinstance(ctx.api, TypeChecker):
            return False
        lines = self._projects.misread(ctx.api.path, ctx.api.modules)
        if lines:
            with aside(ctx.api):
                report(ctx.api, lines[0], ctx.context, STALE, notes=lines[1:])
        return bool(lines)

    def _is_worker(self, fullname: str) -> bool:
        found = self.lookup_fully_qualified(fullname)
        return found is not None and isinstance(found.node, TypeInfo) and found.node.has_base(WORKER)


def _say_what_is_not_checked(run: Run, projects: Projects) -> None:
    """Report that there is no catalog for files that use upnext outside any known project."""
    for path in run.sources:
        if projects.of(str(path)) is None and _mentions_upnext(path):
            sys.stderr.write(
                f"upnext: the catalog was not brought up to date: nothing says that {path} is in a project that uses "
                "upnext; name upnext in its pyproject.toml, or run `upnext gen` there once\n"
            )
            return


def _mentions_upnext(path: Path) -> bool:
    try:
        return b"upnext" in path.read_bytes()
    except OSError:
        return False


def _let_mypy_find(run: Run, outcomes: list[Outcome], options: Options) -> None:
    """Make mypy find the catalog, if it would not do so by itself.

    It looks into site-packages before the folders of packages that are installed editable: given the name of a module,
    or tests alone, it would find the default catalog there.
    """
    folder = first_catalog(outcomes, run.sources)
    if folder is not None and not run.finds(CATALOG):
        run.look_into(folder, options)


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""  # mypy reports what it cannot read.


def _is_parallel_worker() -> bool:
    """Whether this is a worker of `mypy -n`, which reads no source before its coordinator has constructed a plugin."""
    return "mypy.build_worker.worker" in sys.modules


def plugin(version: str) -> type[Plugin]:
    """Return the plugin: the entry point that mypy looks for.

    Args:
        version: mypy's version.
    """
    del version  # One plugin fits all that are supported.
    return UpnextPlugin
