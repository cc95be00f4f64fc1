"""What was generated last, so that a run after which nothing has changed need not merge and render it all again."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from upnext_codegen.files.cache import TOOL, is_trusted, tool_digest
from upnext_codegen.findings import Finding
from upnext_codegen.project import Project
from upnext_codegen.records import Scan

_NAME = "generated.json"


def stamp(project: Project, scan: Scan, findings: Iterable[Finding]) -> str | None:
    """A digest of everything that the generated files are made from, None where the scan cannot vouch for that."""
    if not scan.state:
        return None
    parts = (tool_digest(TOOL), scan.state, repr(project), *map(repr, findings))
    return hashlib.blake2b("\n".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def standing(root: Path, made_from: str | None) -> tuple[str, ...]:
    """The files that were generated from this, if all of them stand there as they were written."""
    folder = root / ".upnext"
    if made_from is None or not is_trusted(folder):
        return ()
    try:
        known, files = json.loads((folder / _NAME).read_bytes())
        same = known == made_from and all(_digest(root / name) == held for name, held in files.items())
        return tuple(files) if same else ()
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return ()


def remember(root: Path, made_from: str | None, files: Iterable[str]) -> None:
    """Note what the files hold now, if that is possible; a note that is torn is as good as none."""
    folder = root / ".upnext"
    if made_from is None or not is_trusted(folder):
        return
    with contextlib.suppress(OSError):
        note = json.dumps([made_from, {name: _digest(root / name) for name in files}])
        (folder / _NAME).write_text(note, encoding="utf-8")


def _digest(path: Path) -> str:
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
