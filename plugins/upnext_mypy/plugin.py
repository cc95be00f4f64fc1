"""What mypy calls.

The generated catalog types every send by itself, in every checker. What is left to do is to have it up to date before
mypy reads it, to make mypy see that it changed, and to say what is wrong in the words of the event.
"""

from __future__ import annotations

import gc
import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

from mypy.fscache import FileSystemCache
from mypy.nodes import TypeInfo
from mypy.options import Options
from mypy.plugin import FunctionContext, MethodContext, MethodSigContext, Plugin, ReportConfigContext
from mypy.types import FunctionLike, Instance, Type

from upnext_mypy.codes import STALE, aside, report
from upnext_mypy.findings import show_findings
from upnext_mypy.refresh import Outcome, refresh
from upnext_mypy.sends import explain
from upnext_mypy.version import set_stale

CATALOG = "upnext_catalog"
EVENT, WORKER = "upnext.event.Event", "upnext.worker.Worker"
SENDS = frozenset({"send", "send_sync", "__call__"})


class UpnextPlugin(Plugin):
    """Brings `upnext_catalog.pyi` up to date when mypy starts, and explains errors while it checks."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._digests: dict[str, str] = {}
        self._outcome = Outcome()
        if options.config_file is None:
            return
        is_worker = _is_parallel_worker()
        self._outcome = refresh(Path(options.config_file), Path.cwd(), write=not is_worker)
        set_stale(self._outcome.stale)
        if self._outcome.trouble and not is_worker:
            sys.stderr.write(f"upnext: the catalog was not brought up to date: {self._outcome.trouble}\n")
        if self._outcome.changed:
            _forget_what_the_folders_held()

    def get_method_signature_hook(self, fullname: str) -> Callable[[MethodSigContext], FunctionLike] | None:
        """Explain what is wrong with a send."""
        owner, _, method = fullname.rpartition(".")
        return explain(method) if method in SENDS and owner.startswith(f"{CATALOG}.") else None

    def get_method_hook(self, fullname: str) -> Callable[[MethodContext], Type] | None:
        """Show what `upnext gen` finds wrong, where events are declared and handlers are attached."""
        return _event_or_on if fullname.endswith((".event", ".on")) else None

    def get_function_hook(self, fullname: str) -> Callable[[FunctionContext], Type] | None:
        """Show the same where workers are made, and with `refresh = false` that the catalog is not up to date."""
        return self._worker if fullname == WORKER or (self._outcome.stale and self._is_worker(fullname)) else None

    def report_config_data(self, ctx: ReportConfigContext) -> dict[str, str] | None:
        """Return the hash of the catalog for the catalog, nothing for other modules unless the catalog is stale.

        mypy's cache takes a file for unchanged by its size and the second of its last change, and those may be of
        before the refresh. With another hash it reads the catalog again, and all that depends on what changed in it.
        """
        if ctx.id == CATALOG:
            if ctx.path not in self._digests:
                self._digests[ctx.path] = _digest(Path(ctx.path))
            return {"sha256": self._digests[ctx.path]}
        root = self._outcome.root
        if not self._outcome.stale or root is None or not Path(ctx.path).resolve().is_relative_to(root):
            return None
        return {"stale": "\n".join(self._outcome.stale)}

    def _worker(self, ctx: FunctionContext) -> Type:
        show_findings(ctx.api)
        if self._outcome.stale:
            message, *notes = self._outcome.stale
            with aside(ctx.api):
                report(ctx.api, message, ctx.context, STALE, notes=notes)
        return ctx.default_return_type

    def _is_worker(self, fullname: str) -> bool:
        found = self.lookup_fully_qualified(fullname)
        return found is not None and isinstance(found.node, TypeInfo) and found.node.has_base(WORKER)


def _event_or_on(ctx: MethodContext) -> Type:
    if isinstance(ctx.type, Instance) and (ctx.type.type.has_base(EVENT) or ctx.type.type.has_base(WORKER)):
        show_findings(ctx.api)
    return ctx.default_return_type


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""  # mypy says what it cannot read.


def _is_parallel_worker() -> bool:
    """Whether this is a worker of `mypy -n`, which reads no source before its coordinator has constructed a plugin."""
    return "mypy.build_worker.worker" in sys.modules


def _forget_what_the_folders_held() -> None:
    """Let mypy look again at the files that it saw while it collected sources, before there was any plugin.

    The daemon would go on with the catalog as it was then, until the next run. Nothing that mypy gives to a plugin
    leads to that cache.
    """
    for each in gc.get_objects():
        if isinstance(each, FileSystemCache):
            each.flush()


def plugin(version: str) -> type[Plugin]:
    """Return the plugin: the entry point that mypy looks for.

    Args:
        version: mypy's version.
    """
    del version  # One plugin fits all that are supported.
    return UpnextPlugin
