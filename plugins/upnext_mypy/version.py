"""What mypy takes for the plugin's version: when it changes, mypy drops its cache and its daemon starts again."""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from pathlib import Path

_found: list[str] = []


def set_stale(stale: tuple[str, ...]) -> None:
    """Remember what is stale.

    With `refresh = false` that depends on files which mypy does not read. A run that is not the daemon's learns of it
    by `report_config_data`; the daemon asks for nothing but the version.
    """
    _found[:] = stale if "mypy.dmypy_server" in sys.modules else ()


def version() -> str:
    """Return the version: of all files of the plugin, where mypy by itself would look at one."""
    return "; ".join([_digest(), *_found])


@cache
def _digest() -> str:
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
