"""Renaming an event: every declaration of it in the project, and the places that somebody has to look at."""

from __future__ import annotations

import difflib
import io
import tokenize
from ast import literal_eval
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from upnext_codegen.errors import ConfigurationError
from upnext_codegen.files.left_out import BY_DEFAULT
from upnext_codegen.fixes.source import Source
from upnext_codegen.handlers.declare import is_name
from upnext_codegen.records import Place
from upnext_codegen.renames.declared_name import renamed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upnext_codegen.files.discover import Discovery
    from upnext_codegen.records import Declaration, Scan

_MOST_NEAR = 3


class Undecided(NamedTuple):
    """A place that may have to be changed by hand, and why it was left alone."""

    place: Place
    reason: str


class Rename(NamedTuple):
    """What a rename changes.

    Attributes:
        changed: Each file that changes, as it is and as it is then.
        undecided: What has to be looked at.
        blocked: Declarations that cannot be changed; without them the event would be torn in two.
    """

    changed: dict[str, tuple[bytes, bytes]]
    undecided: tuple[Undecided, ...]
    blocked: tuple[Undecided, ...]


def rename_event(root: Path, found: Discovery, scan: Scan, old: str, new: str) -> Rename:
    """Work out what renaming an event changes; nothing is written.

    Every declaration gets the new name. Those on workers with handlers of the event keep the old one in `formerly`, so
    that jobs and senders of an earlier release go on; if the new name is a former one, it is taken back instead.

    Args:
        root: The project root.
        found: The project's files.
        scan: What was read from them.
        old: The name that the event has.
        new: The name that it is to have.

    Raises:
        ConfigurationError: If there is no such event, the new name cannot be used or is taken, or a file that has to
            be changed cannot be read.
    """
    _check(scan, old, new)
    handling = {each.worker for each in scan.handlers if each.event == old}
    by_file: defaultdict[str, list[Declaration]] = defaultdict(list)
    for each in scan.declarations:
        if each.event == old:
            by_file[each.place.file].append(each)
    changed: dict[str, tuple[bytes, bytes]] = {}
    blocked: list[Undecided] = []
    for file, declarations in sorted(by_file.items()):
        before, source = _read(root, file)
        # From the end, so that the places of those before stay what they are.
        for each in sorted(declarations, key=lambda one: one.place, reverse=True):
            bridged = each.worker in handling or not each.worker
            calls = renamed(source.calls_at(each.place), old, new, bridged=bridged)
            if calls is None:
                reason = "this declares the event, and its name is not written out here: change it by hand"
                blocked.append(Undecided(each.place, reason))
                continue
            source = Source.read(source.replaced(*calls).bytes) or source
        if source.module.bytes != before:
            changed[file] = before, source.module.bytes
    return Rename(changed, tuple(_mentions(root, found, old, changed)), tuple(sorted(blocked)))


def _check(scan: Scan, old: str, new: str) -> None:
    declared = {each.event for each in scan.declarations}
    known = declared | {each.event for each in scan.handlers}
    if old not in declared:
        near = difflib.get_close_matches(old, sorted(declared), _MOST_NEAR)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "`upnext graph` lists all events."
        raise ConfigurationError(f"No event is called {old!r}; {hint}")
    if not is_name(new):
        raise ConfigurationError(
            f"{new!r} cannot name an event: start it with a letter or an underscore, go on with letters, digits, "
            "underscores and . : / -, at most 200 characters."
        )
    if new == old:
        raise ConfigurationError(f"The event is called {old!r} already.")
    own = {name for each in scan.declarations if each.event == old for name in each.formerly}
    if new in known or (new in scan.former_names and new not in own):
        raise ConfigurationError(f"There is an event {new!r} already: choose another name, or merge the two by hand.")


def _read(root: Path, file: str) -> tuple[bytes, Source]:
    try:
        data = (root / file).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror or error}") from error
    source = Source.read(data)
    # What libcst does not give back byte for byte is left alone.
    if source is None or source.module.bytes != data:
        raise ConfigurationError(f"{file} declares the event and cannot be changed: libcst cannot read its syntax.")
    return data, source


def _mentions(root: Path, found: Discovery, old: str, changed: dict[str, tuple[bytes, bytes]]) -> Iterator[Undecided]:
    """Yield where else a text is the old name: in the project, and in its tests, which a scan leaves out."""
    for file in sorted({*(each.path for each in found.files), *_left_out(root, found)}):
        try:
            data = changed[file][1] if file in changed else (root / file).read_bytes()
        except OSError:
            continue  # It is no part of the change, and a scan reports what it cannot read.
        if old.encode() in data:
            places, is_whole = _texts(data, old)
            reason = f"this text is {old!r}: if it means the event, change it by hand"
            yield from (Undecided(Place(file, line, column), reason) for line, column in places)
            if not is_whole:
                reason = f"this file cannot be read to its end, and {old!r} stands in it: look through it by hand"
                yield Undecided(Place(file, 1, 1), reason)


def _left_out(root: Path, found: Discovery) -> Iterator[str]:
    """The tests of a project: `tests` folders, `test_*.py` and `conftest.py`."""
    for path, reason in found.left_out:
        name = path.rstrip("/").rpartition("/")[2]
        if reason != BY_DEFAULT or not name.startswith(("test", "conftest")):
            continue
        if path.endswith("/"):
            yield from (each.relative_to(root).as_posix() for each in (root / path).rglob("*.py") if each.is_file())
        else:
            yield path


def _texts(data: bytes, text: str) -> tuple[list[tuple[int, int]], bool]:
    """Where string literals with this value start, but for those in `formerly=(...)`, and whether these are all."""
    places: list[tuple[int, int]] = []
    before: list[str] = []
    try:
        for token in tokenize.tokenize(io.BytesIO(data).readline):
            if token.type == tokenize.STRING and not _is_former(before):
                with suppress(ValueError, SyntaxError):
                    if literal_eval(token.string) == text:
                        places.append((token.start[0], token.start[1] + 1))
            before.append(token.string)
    except (tokenize.TokenError, SyntaxError, UnicodeDecodeError):
        return places, False  # not Python throughout: a template, or half of a merge
    return places, True


def _is_former(tokens: list[str]) -> bool:
    """Whether what follows stands in the tuple of `formerly=(...)`."""
    place = len(tokens) - 1
    while place >= 0 and (tokens[place] == "," or tokens[place][-1:] in {'"', "'"}):
        place -= 1
    return tokens[place - 2 : place + 1] == ["formerly", "=", "("]
