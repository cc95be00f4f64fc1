"""The Lua scripts, one a transition, as they lie in `scripts/`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


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


@cache
def script(name: str) -> Script:
    """Load a script; a line `--@shared NAME` in it is replaced by that file."""
    lines = _read(name).splitlines()
    source = "\n".join(_read(line.split()[1]) if line.startswith("--@shared") else line for line in lines)
    return Script(name, source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


def _read(name: str) -> str:
    return (files("upnext.broker") / "scripts" / f"{name}.lua").read_text(encoding="utf-8")
