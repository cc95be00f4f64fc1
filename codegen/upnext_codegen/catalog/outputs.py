"""Which files a project's contract generates, and how the files on disk compare."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from upnext_codegen.catalog import lock
from upnext_codegen.catalog import render as catalog
from upnext_codegen.catalog.anchors import anchored
from upnext_codegen.catalog.places import Target
from upnext_codegen.catalog.writer import Outcome, Output, current, remove, write
from upnext_codegen.contract import Contract
from upnext_codegen.errors import ConfigurationError
from upnext_codegen.files.generated import MARK
from upnext_codegen.files.git_lfs import POINTER, is_pointer
from upnext_codegen.findings import Finding, in_order
from upnext_codegen.records import Place

_STUB_FORMAT = re.compile(rf"{re.escape(MARK)}, catalog format (\d+)\b")
_DIFF_LINES = 20


def plan(
    contract: Contract,
    root: Path,
    stubs: Iterable[Target],
    importable: Mapping[str, frozenset[str]],
    findings: Iterable[Finding] = (),
    *,
    shared: Mapping[str, str] = catalog.NOTHING_SHARED,
    locked: Contract | None = None,
) -> tuple[Output, ...]:
    """Return the files that a contract generates: the stubs, the modules that they type, and the lock.

    Args:
        contract: All events of the project.
        root: The project root, where the lock is.
        stubs: Where they go.
        importable: By import root the modules that can be imported there; all of them if it is missing.
        findings: What was found in the sources; the stub repeats the errors.
        shared: What modules are imported as that the contract names otherwise.
        locked: What the lock holds, if that is not all of it.
    """
    ordered = in_order(findings)
    written: list[Output] = []
    for stub in sorted(set(stubs)):
        anchors = anchored(ordered, root, stub.path.parent)
        text = catalog.render(contract, importable.get(stub.root), anchors, shared, own=stub.own)
        written.append(Output(stub.path, text))
        if stub.own:
            written.append(Output(stub.path.with_suffix(".py"), catalog.MODULE))
    return (*written, Output(root / lock.FILE_NAME, lock.render(locked or contract)))


def keep(outputs: tuple[Output, ...], root: Path, command: str, left: Iterable[Path] = ()) -> Outcome:
    """Write what changed and remove what is left over, unless someone else's file is in the way."""
    others = tuple(foreign(outputs, root, command))
    changed = () if others else write(outputs, root)
    removed = () if others else remove(left)
    names = tuple(relative(path, root) for path in changed)
    return Outcome(_names(outputs, root), others, names, removed=tuple(relative(path, root) for path in removed))


def compare(outputs: tuple[Output, ...], root: Path, command: str, left: Iterable[Path] = ()) -> Outcome:
    """Return which files differ from what they should be."""
    others = tuple(foreign(outputs, root, command))
    found = () if others else tuple(stale(outputs, root, command))
    about = (*others, *[finding for finding, _ in found], *[misplaced(path, root, command) for path in left])
    return Outcome(_names(outputs, root), about, diffs=tuple(diff for _, diff in found if diff))


def foreign(outputs: Iterable[Output], root: Path, command: str) -> Iterator[Finding]:
    """Report UPN302 for each file that upnext did not write.

    Raises:
        ConfigurationError: If a later upnext wrote one of them.
    """
    for output in outputs:
        text = current(output.path)
        if text is None or text == output.text:
            continue
        name = relative(output.path, root)
        is_lock = output.path.name == lock.FILE_NAME
        if not (lock.is_from_upnext(text) if is_lock else text.startswith(MARK)):
            yield in_the_way(name, text, command)
            continue
        found, known = (lock.format_of(text), lock.FORMAT) if is_lock else (_stub_format(text), catalog.FORMAT)
        if found is not None and found > known:
            raise ConfigurationError(
                f"{name} has format {found}, and this upnext writes format {known}: install the upnext that wrote it."
            )


def in_the_way(name: str, text: str, command: str) -> Finding:
    """Return UPN302 for a file that upnext did not write, or whose origin it cannot determine."""
    pointer = is_pointer(text)
    what = f"is {POINTER}" if pointer else "exists and was not written by upnext"
    way_out = "fetch it with `git lfs pull`" if pointer else "move the file away"
    return Finding.of(
        code="UPN302",
        message=f"{name} {what}, so nothing is written",
        place=Place(name, 1, 1),
        help=f"{way_out}, then run `{command}`",
    )


def stale(outputs: Iterable[Output], root: Path, command: str) -> Iterator[tuple[Finding, str]]:
    """Report UPN301 for each file that is missing or has outdated text, with a short diff."""
    for output in outputs:
        text = current(output.path)
        if text == output.text:
            continue
        name = relative(output.path, root)
        finding = Finding.of(
            code="UPN301",
            message=f"{name} was never generated" if text is None else f"{name} is out of date",
            place=Place(name, 1, 1),
            help=f"run `{command}`",
        )
        yield finding, "" if text is None else _short_diff(name, text, output.text)


def misplaced(path: Path, root: Path, command: str) -> Finding:
    """Report UPN301 for a generated file in the wrong place."""
    name = relative(path, root)
    return Finding.of(
        code="UPN301",
        message=f"{name} is left from an earlier layout; type checkers may read it in place of the catalog",
        place=Place(name, 1, 1),
        help=f"run `{command}`, which removes it",
    )


def relative(path: Path, root: Path) -> str:
    """Return a path in the form of places: relative to the root with `/`, "." for the root itself."""
    return Path(os.path.relpath(path, root)).as_posix()


def _names(outputs: tuple[Output, ...], root: Path) -> tuple[str, ...]:
    return tuple(relative(output.path, root) for output in outputs)


def _stub_format(text: str) -> int | None:
    found = _STUB_FORMAT.match(text)
    return int(found[1]) if found else None


def _short_diff(name: str, old: str, new: str) -> str:
    lines = list(
        difflib.unified_diff(old.splitlines(), new.splitlines(), name, f"{name} as generated", n=1, lineterm="")
    )
    more = len(lines) - _DIFF_LINES
    return "\n".join([*lines[:_DIFF_LINES], *([f"... and {more} more lines"] if more > 0 else [])])
