"""The Lua scripts, one a transition, as they lie in `scripts/`.

All of them are read when this module is imported: by then a process has neither a job nor a connection. One that read
them when it first needed each could not end its jobs any more once it has no free file descriptor, or once its
package is gone; and where another release has taken the place of its own, it would speak the Lua of that one.
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
    """Return a script; a line `--@shared NAME` in its file stands for that file."""
    lines = _FILES[name].splitlines()
    source = "\n".join(_FILES[line.split()[1]] if line.startswith("--@shared") else line for line in lines)
    return Script(name, source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())
