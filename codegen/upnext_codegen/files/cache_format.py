"""What is kept of a scan for the next one, and its file format."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

if TYPE_CHECKING:
    from upnext_codegen.files.discover import SourceFile

Fault: TypeAlias = "Sequence[Any]"

_Kept = TypeVar("_Kept")


class Entry(NamedTuple):
    """What is kept of a file; a fault is a line, a column and a reason.

    Attributes:
        size: When it was read, with the times below.
        modified: In nanoseconds.
        changed: In nanoseconds; -1 where the file was too fresh for its times to be believed.
        mentions: Whether it can name upnext.
        digest: Of its bytes, "" if it was not needed.
        imports: Its imports that the project may contain, as `imports_of` lists them, None if they were not needed.
        others: The first words of its other imports, which mean the project once that has a file of such a name.
        misencoded: What is wrong with its encoding.
        unreadable: What keeps its definitions from being read, None if they were not needed.
        uncompiled: What Python's compiler says about it, None if that was not needed.
        ignores: Lines with ignore comments and their codes, where it was parsed.
    """

    size: int
    modified: int
    changed: int
    mentions: bool
    digest: str = ""
    imports: Sequence[str] | None = None
    others: str = ""
    misencoded: Fault = ()
    unreadable: Fault | None = None
    uncompiled: Fault | None = None
    ignores: Sequence[tuple[int, Sequence[str] | None]] = ()

    def is_of(self, file: SourceFile) -> bool:
        """Whether the file is still the one that was read, by its size and times."""
        return self.modified == file.modified and self.size == file.size and self.changed == file.changed


class Snapshot(NamedTuple):
    """The results of earlier scans.

    Attributes:
        entries: What is kept of each file, by path.
        parts: For each file that can matter, what it declares, attaches and sends, as JSON.
        modules: A digest of the project's module names.
        imported: For each file that imports something from files with exports, what.
        words: A digest of the names of the project's files and folders, by which imports of the project are told.
        unread: What was reported of modules that are not read, as JSON after a digest of what was left out; "" where
            that can change although no file that is read does.
        frame: A digest of what imports mean beside the names of the files: import roots, links, the catalog's module.
        models: For each file that defines classes which fields reach, what payloads carry of them, as JSON.
        unreached: Files with a part of which nothing is told.
    """

    entries: dict[str, Entry]
    parts: dict[str, str]
    modules: str = ""
    imported: Mapping[str, Sequence[str]] = {}
    words: str = ""
    unread: str = ""
    frame: str = ""
    models: Mapping[str, str] = {}
    unreached: Sequence[str] = ()


class Delta(NamedTuple):
    """The difference between two snapshots.

    Attributes:
        known: What is new or other than it was; all but entries and parts as they are now.
        lost: Paths without an entry any more.
        dropped: Paths without a part any more.
    """

    known: Snapshot
    lost: Sequence[str] = ()
    dropped: Sequence[str] = ()

    def applied(self, base: Snapshot) -> Snapshot:
        """Return the later state, given the earlier one."""
        entries = base.entries | self.known.entries
        parts = base.parts | self.known.parts
        for path in self.lost:
            entries.pop(path, None)  # It may never have been in the base.
        for path in self.dropped:
            parts.pop(path, None)
        return Snapshot(entries, parts, *self.known[2:])

    def followed(self, before: Snapshot, now: Snapshot) -> Delta:
        """Return the difference after another change.

        Args:
            before: The state that this one leads to.
            now: The state after the change.
        """
        entries, lost = _followed(self.known.entries, self.lost, before.entries, now.entries)
        parts, dropped = _followed(self.known.parts, self.dropped, before.parts, now.parts)
        return Delta(Snapshot(entries, parts, *now[2:]), lost, dropped)


NO_DELTA = Delta(Snapshot({}, {}))


def _followed(
    other: dict[str, _Kept], gone: Collection[str], before: dict[str, _Kept], now: dict[str, _Kept]
) -> tuple[dict[str, _Kept], list[str]]:
    changed = [path for path, kept in now.items() if path not in before or before[path] != kept]
    left = sorted({*gone, *(before.keys() - now.keys())} - now.keys())
    return {path: now[path] for path in [*other, *changed] if path in now}, left


def written(delta: Delta) -> bytes:
    """Write an index as JSON on one line, then texts that are already JSON, one per line."""
    known = delta.known
    usual = Entry(0, 0, 0, False)
    # Most entries end in nothing but defaults.
    entries = {
        path: entry[:4] if entry[4:] == usual[4:] else entry[:7] if entry[7:] == usual[7:] else entry
        for path, entry in known.entries.items()
    }
    index = json.dumps((entries, [*known.parts], *known[2:], *delta[1:]), separators=(",", ":"))
    return "\n".join((index, *known.parts.values())).encode()


def read(body: bytes) -> Delta:
    """Read what `written` wrote; for anything else, any error may be raised."""
    index, *texts = body.decode().split("\n")
    listed, parts, *others, lost, dropped = json.loads(index)
    entries = {path: Entry(*each) for path, each in listed.items()}
    return Delta(Snapshot(entries, dict(zip(parts, texts, strict=True)), *others), lost, dropped)
