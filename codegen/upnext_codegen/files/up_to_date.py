"""What was generated last, so that a run without changes need not merge and render again."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from upnext_codegen.files.cache import is_trusted, read_own, running_tool
from upnext_codegen.files.replacing import replace
from upnext_codegen.findings import Finding
from upnext_codegen.project import IMPORTS_LOCK, Project
from upnext_codegen.records import Scan

_NAME = "generated.json"


def stamp(project: Project, scan: Scan, findings: Iterable[Finding]) -> str | None:
    """A digest of everything that the generated files depend on, None if the scan cannot guarantee that."""
    if not scan.state:
        return None
    try:
        pulled = _digest((project.root / IMPORTS_LOCK).read_bytes())
    except OSError:
        pulled = ""
    parts = (running_tool(), scan.state, repr(project), pulled, *map(repr, findings))
    return hashlib.blake2b("\n".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def standing(root: Path, made_from: str | None) -> tuple[str, ...]:
    """The files generated from this digest, if all of them are still as they were written."""
    folder = root / ".upnext"
    if made_from is None or not is_trusted(folder):
        return ()
    try:
        known, files = json.loads(read_own(folder / _NAME))
        same = known == made_from and all(_digest((root / name).read_bytes()) == held for name, held in files.items())
        return tuple(files) if same else ()
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return ()


def remember(root: Path, made_from: str | None, texts: Mapping[str, str]) -> None:
    """Record the current contents of the files, if possible.

    Args:
        root: The project root.
        made_from: What `stamp` gave.
        texts: What was written, by path relative to the root. The files are not read for it: another process, which
            read other sources, may have written them since.
    """
    folder = root / ".upnext"
    if made_from is None or not is_trusted(folder):
        return
    note = json.dumps([made_from, {name: _digest(text.encode()) for name, text in texts.items()}])
    with contextlib.suppress(OSError):
        replace(folder / _NAME, note.encode())


def _digest(data: bytes) -> str:
    """A digest of a file's text; a checkout may have other line ends."""
    return hashlib.blake2b(data.replace(b"\r\n", b"\n").replace(b"\r", b"\n"), digest_size=16).hexdigest()
