"""Which findings have a fix, what it changes, and how the changes to one file are combined."""

from __future__ import annotations

import difflib
import re
import stat
from bisect import bisect_right
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from upnext_codegen.errors import ConfigurationError
from upnext_codegen.escaped_text import visible
from upnext_codegen.files.replacing import beside
from upnext_codegen.fixes.event_names import corrected_name
from upnext_codegen.fixes.parameters import may_redefine_object, opened, without_slash
from upnext_codegen.fixes.source import Change, Source
from upnext_codegen.merging.nearness import NearNames

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import libcst as cst

    from upnext_codegen.contract import Contract
    from upnext_codegen.findings import Finding
    from upnext_codegen.records import Place

_WORD = re.compile(r"[\w.:/-]")


class Edit(NamedTuple):
    """A replacement of text; lines and columns count from 1, in characters, with an exclusive end."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    text: str


class Fix(NamedTuple):
    """The one right answer to a finding: its effect, and its edits of the current files."""

    description: str
    edits: tuple[Edit, ...]


class _Repair(NamedTuple):
    """A change to one file: its kind, and the place of what it changes."""

    kind: str
    place: Place


class _File(NamedTuple):
    """The current state of a file.

    Attributes:
        data: Its content.
        source: The same, read.
        redefines_object: Whether `object` may be something else in it.
    """

    data: bytes
    source: Source
    redefines_object: bool


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
        self._read: dict[str, _File | None] = {}
        self._worked_out: dict[_Repair, Change | None] = {}

    def fixes(self, findings: Iterable[Finding]) -> dict[Finding, Fix]:
        """List the fixes of those findings that have one."""
        found: dict[Finding, Fix] = {}
        for finding in findings:
            repairs = self._repairs(finding)
            if repairs:
                edits = tuple(edit for each in repairs if (edit := self._edit(each)) is not None)
                found[finding] = Fix(_DESCRIPTIONS[repairs[0].kind], edits)
        return found

    def changed(self, findings: Iterable[Finding]) -> dict[str, tuple[bytes, bytes]]:
        """Apply all fixes at once: each changed file, before and after."""
        by_file: defaultdict[str, set[_Repair]] = defaultdict(set)
        for finding in findings:
            for each in self._repairs(finding):
                by_file[each.place.file].add(each)
        found: dict[str, tuple[bytes, bytes]] = {}
        for name, repairs in sorted(by_file.items()):
            file = self._file(name)
            after = None if file is None else _repaired(file, repairs, self._handled)
            if file is not None and after is not None and after != file.data:
                found[name] = file.data, after
        return found

    def _repairs(self, finding: Finding) -> tuple[_Repair, ...]:
        """The changes of a finding's fix; empty if it has none or one of them is impossible."""
        if not finding.fixable:
            return ()
        repairs = (
            tuple(_Repair("open", each.place) for each in finding.related)
            if finding.code in {"UPN102", "UPN108"}
            else (_Repair("slash" if finding.code == "UPN103" else "spell", finding.place),)
        )
        return repairs if all(self._change(each) is not None for each in repairs) else ()

    def _change(self, repair: _Repair) -> Change | None:
        """The change of a repair in its own file. Many findings may ask for the same one."""
        if repair not in self._worked_out:
            file = self._file(repair.place.file)
            self._worked_out[repair] = None if file is None else _change(file, [repair], self._handled)
        return self._worked_out[repair]

    def _edit(self, repair: _Repair) -> Edit | None:
        file, change = self._file(repair.place.file), self._change(repair)
        return None if file is None or change is None else _edit(repair.place.file, file.source, change)

    def _file(self, name: str) -> _File | None:
        if name not in self._read:
            try:
                data = (self._root / name).read_bytes()
            except OSError:
                data = None
            source = None if data is None else Source.read(data)
            # A file that libcst does not reproduce byte for byte is left alone.
            if data is None or source is None or source.text.encode(source.module.encoding) != data:
                self._read[name] = None
            else:
                self._read[name] = _File(data, source, may_redefine_object(source.text))
        return self._read[name]


def diff_of(changed: Mapping[str, tuple[bytes, bytes]]) -> str:
    """Write what fixes change as a unified diff."""
    lines: list[str] = []
    for file, (before, after) in changed.items():
        name = visible(file)
        lines += difflib.unified_diff(_lines(before), _lines(after), f"a/{name}", f"b/{name}", lineterm="")
    return "".join(f"{line}\n" for line in lines)


def _lines(data: bytes) -> list[str]:
    return data.decode("utf-8", "backslashreplace").splitlines()


def write(root: Path, changed: Mapping[str, tuple[bytes, bytes]]) -> None:
    """Write changes to the sources: all of them, or none.

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
            with suppress(OSError):
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
    """Restore the files that were already written, as far as possible, and list them."""
    failed: dict[str, str] = {}
    for file, before in files.items():
        try:
            _restore(root / file, before)
        except OSError as error:
            failed[file] = f"{file} ({error.strerror or error})"
    restored = [file for file in files if file not in failed]
    parts = [f"Restored: {', '.join(restored)}"] if restored else []
    parts += [f"NOT restored: {', '.join(failed.values())}"] if failed else []
    return f"{'; '.join(parts) or 'Nothing is written'}."


def _restore(path: Path, before: bytes) -> None:
    temporary = beside(path, before)
    try:
        temporary.chmod(path.stat().st_mode)
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise


def _repaired(file: _File, repairs: Iterable[_Repair], handled: NearNames) -> bytes:
    """The file with all possible changes applied."""
    by_target: defaultdict[cst.FunctionDef | _Repair, list[_Repair]] = defaultdict(list)
    # From the end, so that earlier positions stay valid.
    for each in sorted(repairs, key=lambda one: (one.place, one.kind), reverse=True):
        function = None if each.kind == "spell" else file.source.function(each.place)
        by_target[each if function is None else function].append(each)
    changes = [_change(file, together, handled) for together in by_target.values()]
    text = file.source.text
    for change in sorted((each for each in changes if each is not None), reverse=True):
        text = text[: change.start] + change.text + text[change.end :]
    return text.encode(file.source.module.encoding)


def _change(file: _File, repairs: Sequence[_Repair], handled: NearNames) -> Change | None:
    """The combined change of repairs to one function or name; None if none of them is possible."""
    source, place = file.source, repairs[0].place
    if repairs[0].kind == "spell":
        texts = corrected_name(source.calls_at(place), handled)
        return None if texts is None else source.change(place.line, *texts)
    function = source.function(place)
    if function is None:
        return None
    repaired = function
    for each in repairs:
        if each.kind == "slash":
            repaired = without_slash(repaired) or repaired
        elif not file.redefines_object:
            repaired = opened(repaired, source.module) or repaired
    return None if repaired is function else source.change(place.line, function, repaired)


def _edit(file: str, source: Source, change: Change) -> Edit:
    """An edit of whole words that makes a change."""
    text, start, end, new = source.text, change.start, change.end, change.text
    old = text[start:end]
    while _WORD.match(text[max(start - 1, 0) : start]) and (_WORD.match(old) or _WORD.match(new)):
        start -= 1
        old, new = text[start] + old, text[start] + new
    while _WORD.match(text[end : end + 1]) and (_WORD.match(old[-1:]) or _WORD.match(new[-1:])):
        old, new = old + text[end], new + text[end]
        end += 1
    return Edit(file, *_position(source, start), *_position(source, end), new)


def _position(source: Source, offset: int) -> tuple[int, int]:
    """The line and column of a character, from 1."""
    line = bisect_right(source.line_starts, offset)
    return line, offset - source.line_starts[line - 1] + 1
