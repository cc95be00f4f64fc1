"""What mypy calls.

The generated catalog types every send by itself, in every checker. All that is left to do is to have it up to date
before mypy reads it, and to make mypy see that it changed.
"""

from __future__ import annotations

import gc
import hashlib
import sys
from pathlib import Path

from mypy.fscache import FileSystemCache
from mypy.options import Options
from mypy.plugin import Plugin, ReportConfigContext

from upnext_mypy.refresh import refresh

CATALOG = "upnext_catalog"


class UpnextPlugin(Plugin):
    """Brings `upnext_catalog.pyi` up to date when mypy starts."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._digests: dict[str, str] = {}
        if options.config_file is None or _is_parallel_worker():
            return
        outcome = refresh(Path(options.config_file), Path.cwd())
        if outcome.trouble:
            sys.stderr.write(f"upnext: the catalog was not brought up to date: {outcome.trouble}\n")
        if outcome.changed:
            _forget_what_the_folders_held()

    def report_config_data(self, ctx: ReportConfigContext) -> dict[str, str] | None:
        """Return the hash of the catalog for the catalog, nothing for all other modules.

        mypy's cache takes a file for unchanged by its size and the second of its last change, and those may be of
        before the refresh. With another hash it reads the catalog again, and all that depends on what changed in it.
        """
        if ctx.id != CATALOG:
            return None
        if ctx.path not in self._digests:
            self._digests[ctx.path] = _digest(Path(ctx.path))
        return {"sha256": self._digests[ctx.path]}


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
