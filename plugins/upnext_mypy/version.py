"""The plugin's version for mypy: when it changes, mypy drops its cache and restarts its daemon."""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from pathlib import Path

_found: list[str] = []


def set_seen(seen: tuple[str, ...]) -> None:
    """Record what is stale, and which catalogs exist.

    With `refresh = false` the first depends on files which mypy does not read. A run that is not the daemon's learns of
    it by `report_config_data`; the daemon asks for nothing but the version. When the first catalog of a project is
    written, it would go on with the default one.
    """
    _found[:] = seen if "mypy.dmypy_server" in sys.modules else ()


def version() -> str:
    """Return the version: a digest of all files of the plugin, whereas mypy itself would look at one."""
    return "; ".join([_digest(), *_found])


@cache
def _digest() -> str:
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
