"""Fixes: which findings have one, what it changes, and how the changes to a file are put together."""

from __future__ import annotations

import difflib
import re
import stat
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from upnext_codegen.errors import ConfigurationError
from upnext_codegen.files.replacing import beside
from upnext_codegen.fixes.event_names import respelt
from upnext_codegen.fixes.parameters import opened, without_slash
from upnext_codegen.fixes.source import Source
from upnext_codegen.merging.nearness import NearNames

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import libcst as cst

    from upnext_codegen.contract import Contract
    from upnext_codegen.findings import Finding
    from upnext_codegen.records import Place

_WORD = re.compile(r"[\w.:/-]")
_LINE_END = re.compile(r"\r\n|\r|\n")


class Edit(NamedTuple):
    """A text that takes the place of another one; lines and columns from 1, in characters, the end not included."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    text: str


class Fix(NamedTuple):
    """The one right answer to a finding: what it does, and its edits of the files as they are."""

    description: str
    edits: tuple[Edit, ...]


class _Repair(NamedTuple):
    """A change of one file: its kind, and the place of what it changes."""

    kind: str
    place: Place


_DESCRIPTIONS = {
    "open": "add **kwargs: object, so that the handler takes the other handlers' fields",
    "slash": "remove the /, so that the parameters can be passed by keyword",
    "spell": "write the event's name as the handlers' event has it",
}


class Fixer:
    """Finds fixes, and applies them.

    Args:
        root: The project root, which places are relative to.
        contract: All events of the project.
    """

    def __init__(self, root: Path, contract: Contract) -> None:
        self._root = root
        self._handled = NearNames(each.name for each in contract.events if each.receivers)
        self._read: dict[str, tuple[bytes, Source] | None] = {}

    def fixes(self, findings: Iterable[Finding]) -> dict[Finding, Fix]:
        """List the fixes of those findings that have one."""
        found: dict[Finding, Fix] = {}
        for finding in findings:
            repairs = self._repairs(finding)
            if repairs:
                edits = tuple(edit for each in repairs for edit in self._edits(each))
                found[finding] = Fix(_DESCRIPTIONS[repairs[0].kind], edits)
        return found

    def changed(self, findings: Iterable[Finding]) -> dict[str, tuple[bytes, bytes]]:
        """Apply all fixes at once: each file that changes, as it is and as it is then."""
        by_file: defaultdict[str, set[_Repair]] = defaultdict(set)
        for finding in findings:
            for each in self._repairs(finding):
                by_file[each.place.file].add(each)
        found: dict[str, tuple[bytes, bytes]] = {}
        for file, repairs in sorted(by_file.items()):
            before, source = self._source(file) or (b"", None)
            # From the end, so that the places of those before stay what they are.
            for each in sorted(repairs, key=lambda one: (one.place, one.kind), reverse=True):
                module = None if source is None else _repaired(source, each, self._handled)
                source = source if module is None else Source.read(module.bytes)
            if source is not None and source.module.bytes != before:
                found[file] = before, source.module.bytes
        return found

    def _repairs(self, finding: Finding) -> tuple[_Repair, ...]:
        """What a finding's fix changes, nothing where it has none or one of the changes cannot be made."""
        match finding.code:
            case "UPN102" | "UPN108" if not finding.not_listed:
                repairs = tuple(_Repair("open", each.place) for each in finding.related)
            case "UPN103":
                repairs = (_Repair("slash", finding.place),)
            case "UPN003" if finding.severity == "error":
                repairs = (_Repair("spell", finding.place),)
            case _:
                return ()
        return repairs if all(self._module(each) is not None for each in repairs) else ()

    def _module(self, repair: _Repair) -> cst.Module | None:
        read = self._source(repair.place.file)
        return None if read is None else _repaired(read[1], repair, self._handled)

    def _edits(self, repair: _Repair) -> list[Edit]:
        read, module = self._source(repair.place.file), self._module(repair)
        return [] if read is None or module is None else [_edit(repair.place.file, read[1].module.code, module.code)]

    def _source(self, file: str) -> tuple[bytes, Source] | None:
        if file not in self._read:
            try:
                data = (self._root / file).read_bytes()
            except OSError:
                data = None
            source = None if data is None else Source.read(data)
            # What libcst does not give back byte for byte is left alone.
            same = data is not None and source is not None and source.module.bytes == data
            self._read[file] = (data, source) if same and data is not None and source is not None else None
        return self._read[file]


def diff_of(changed: Mapping[str, tuple[bytes, bytes]]) -> str:
    """Write what fixes change as a unified diff."""
    lines: list[str] = []
    for file, (before, after) in changed.items():
        lines += difflib.unified_diff(_lines(before), _lines(after), f"a/{file}", f"b/{file}", lineterm="")
    return "".join(f"{line}\n" for line in lines)


def _lines(data: bytes) -> list[str]:
    return data.decode("utf-8", "backslashreplace").splitlines()


def write(root: Path, changed: Mapping[str, tuple[bytes, bytes]]) -> None:
    """Write changes of the sources: all of them, or none.

    Raises:
        ConfigurationError: If a file cannot be written, or has changed since it was read.
    """
    ready: dict[str, Path] = {}
    done: list[str] = []
    file = ""
    try:
        for file, (before, after) in changed.items():
            ready[file] = _prepared(root / file, file, before, after)
        for file, temporary in ready.items():
            temporary.replace(root / file)
            done.append(file)
    except OSError as error:
        restored = _restored(root, {each: changed[each][0] for each in done})
        raise ConfigurationError(f"{file} cannot be written: {error.strerror or error}. {restored}") from error
    finally:
        for temporary in ready.values():
            temporary.unlink(missing_ok=True)


def _prepared(path: Path, file: str, before: bytes, after: bytes) -> Path:
    """Write the new text of a file beside it."""
    if path.read_bytes() != before:
        raise ConfigurationError(f"{file} changed while it was being changed here; run it again. Nothing is written.")
    mode = path.stat().st_mode
    if not mode & stat.S_IWUSR:
        raise ConfigurationError(f"{file} is read-only. Nothing is written.")
    temporary = beside(path, after)
    temporary.chmod(mode)
    return temporary


def _restored(root: Path, files: Mapping[str, bytes]) -> str:
    """Put files back that are written already, and say what stands there now."""
    for file, before in files.items():
        temporary = beside(root / file, before)
        temporary.chmod((root / file).stat().st_mode)
        temporary.replace(root / file)
    return f"What was written is put back: {', '.join(files)}." if files else "Nothing is written."


def _repaired(source: Source, repair: _Repair, handled: NearNames) -> cst.Module | None:
    """The file with one change, None where it cannot be made."""
    if repair.kind == "spell":
        texts = respelt(source.calls_at(repair.place), handled)
        return None if texts is None else source.replaced(*texts)
    function = source.function(repair.place)
    if function is None:
        return None
    changed = opened(function, source.module) if repair.kind == "open" else without_slash(function)
    return None if changed is None else source.replaced(function, changed)


def _edit(file: str, before: str, after: str) -> Edit:
    """The smallest edit of whole words that makes one text of the other."""
    start = _shared(before, after)
    end = len(before) - _shared(before[start:][::-1], after[start:][::-1])
    head, old, rest = before[:start], before[start:end], before[end:]
    new = after[start : len(after) - len(rest)]
    while _WORD.match(head[-1:]) and (_WORD.match(old) or _WORD.match(new)):
        head, old, new = head[:-1], head[-1] + old, head[-1] + new
    while _WORD.match(rest) and (_WORD.match(old[-1:]) or _WORD.match(new[-1:])):
        old, new, rest = old + rest[0], new + rest[0], rest[1:]
    return Edit(file, *_position(head), *_position(head + old), new)


def _shared(first: str, second: str) -> int:
    """How many characters two texts begin with alike."""
    length = min(len(first), len(second))
    return next((number for number in range(length) if first[number] != second[number]), length)


def _position(before: str) -> tuple[int, int]:
    """The line and column behind a text."""
    lines = _LINE_END.split(before)
    return len(lines), len(lines[-1]) + 1
