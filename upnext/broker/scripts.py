"""The Lua scripts in `scripts/`, one per transition.

All of them are read when this module is imported, before the process has a job or a connection. If each were read on
first use, a process that has run out of file descriptors, or whose package was removed, could not end its jobs; and
if another release was installed in its place, the process would use that release's Lua.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final


@dataclass(frozen=True, slots=True)
class Script:
    """One script.

    Attributes:
        name: Its file's name.
        source: Its text, with the shared parts that it names in its first lines.
        sha: What the server calls it.
    """

    name: str
    source: str
    sha: str


def _read() -> dict[str, str]:
    return {file.stem: file.read_text(encoding="utf-8") for file in (Path(__file__).parent / "scripts").glob("*.lua")}


_FILES: Final = _read()


@cache
def script(name: str) -> Script:
    """Return a script; a line `--@shared NAME` in its file includes that file."""
    lines = _FILES[name].splitlines()
    source = "\n".join(_FILES[line.split()[1]] if line.startswith("--@shared") else line for line in lines)
    return Script(name, source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())
