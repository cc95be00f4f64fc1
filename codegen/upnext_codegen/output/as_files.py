"""Which files were read, and why others were not: `upnext gen --files`."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from upnext_codegen.escaped_text import visible
from upnext_codegen.files.discover import Discovery
from upnext_codegen.findings import Finding
from upnext_codegen.records import Scan

_NOTHING = "nothing in it leads to upnext"


class FileStatus(NamedTuple):
    """What was done with a file, or with a folder, whose path ends with a `/`.

    Attributes:
        path: Relative to the project root.
        status: "read", "skipped" or "left out".
        reason: Why it was not read; "" where it was.
    """

    path: str
    status: str
    reason: str = ""


def file_statuses(
    found: Discovery, scanned: Scan, findings: Iterable[Finding], paths: Collection[str] = ()
) -> tuple[FileStatus, ...]:
    """Return for each Python file of a project whether it was read, or why it was left out.

    Args:
        found: The files, and what was left out.
        scanned: What was read from them.
        findings: What reading them reported.
        paths: What the list is narrowed to, relative to the project root; "." or nothing for all.
    """
    faults = {each.place.file: each.message for each in findings if each.code == "UPN001"}

    def statuses() -> Iterator[FileStatus]:
        for path in (file.path for file in found.files):
            if path in faults:
                yield FileStatus(path, "skipped", faults[path])
            else:
                yield FileStatus(path, "read") if path in scanned.read else FileStatus(path, "skipped", _NOTHING)
        yield from (FileStatus(path, "left out", reason) for path, reason in found.left_out)
        yield from (FileStatus(path or ".", "left out", reason) for path, reason in found.unreadable)

    wanted = [each.rstrip("/") for each in paths if each != "."]
    narrowed = wanted and "." not in paths
    return tuple(
        each
        for each in sorted(statuses())
        if not narrowed or any(each.path.rstrip("/") == one or each.path.startswith(f"{one}/") for one in wanted)
    )


def files_as_text(statuses: Iterable[FileStatus]) -> str:
    """Write one line per file."""
    return "".join(
        f"{each.status:8}  {visible(each.path)}{f'  ({visible(each.reason)})' if each.reason else ''}\n"
        for each in statuses
    )


def files_as_json(statuses: Iterable[FileStatus]) -> str:
    """Write one JSON object."""
    return json.dumps({"files": [each._asdict() for each in statuses]}, indent=2) + "\n"
