"""Reads and replaces generated files on disk."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from symtable import symtable
from typing import NamedTuple

from upnext_codegen.errors import ConfigurationError
from upnext_codegen.files.replacing import beside
from upnext_codegen.findings import Finding

_CLASSES = re.compile(r"\n(?=class )")
"""Where a stub falls into classes; nothing else in it starts a line so, as texts in it hold no line ends."""


class Output(NamedTuple):
    """A file to generate.

    Attributes:
        path: Where, absolute.
        text: What it is to hold, with Unix line ends.
    """

    path: Path
    text: str


class Outcome(NamedTuple):
    """The result of updating files, or of comparing them.

    Attributes:
        files: What was to be generated, relative to the project root.
        findings: What is wrong with what is there.
        changed: The files that were written.
        removed: Those that were left from an earlier layout, and are gone.
        diffs: How stale ones differ.
    """

    files: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
    changed: tuple[str, ...] = ()
    diffs: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


def current(path: Path) -> str | None:
    """Return the current contents of a file, with Unix line ends, or None if there is no file.

    Raises:
        ConfigurationError: If there is something that is not a readable file.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ConfigurationError(f"{path} is not a file, so it cannot be replaced: move it away.")
        text = path.read_bytes().decode("utf-8", "replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def write(outputs: Iterable[Output], root: Path) -> tuple[Path, ...]:
    """Replace the files whose text has changed, all of them or none.

    Each is written beside its place and renamed, so that a reader sees the old text or the new one, and a process that
    is killed leaves the old one.

    Args:
        outputs: What to write.
        root: The project root. No link may lead out of it, nor out of a folder elsewhere that was asked for.

    Returns:
        The files that were replaced.

    Raises:
        ConfigurationError: If a file cannot be written; none has been replaced then.
        ValueError: If a stub is not Python; a name came through that should have been refused.
    """
    changed: list[Output] = []
    for output in outputs:
        before = current(output.path)
        if before != output.text:
            _check(output, before or "")
            changed.append(output)
    prepared: list[tuple[Path, Path]] = []
    try:
        for output in changed:
            outside = not output.path.is_relative_to(root)
            target = inside(output.path, output.path.parent if outside else root)
            prepared.append((_prepare(target, output.text), target))
        for temporary, target in prepared:
            temporary.replace(target)
    except OSError as error:
        place = error.filename or root
        raise ConfigurationError(f"{place} cannot be written: {error.strerror}.") from error
    finally:
        for temporary, _ in prepared:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
    return tuple(output.path for output in changed)


def remove(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Remove generated files that are left over, and return them.

    Raises:
        ConfigurationError: If one cannot be removed.
    """
    removed: list[Path] = []
    for path in paths:
        try:
            path.unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be removed: {error.strerror}.") from error
        removed.append(path)
    return tuple(removed)


def _check(output: Output, before: str) -> None:
    """Ensure that nothing unparsable is written, whatever names a project has.

    Parsing a large stub takes longer than rendering it, so only the classes are looked at that the file did not hold.
    """
    if output.path.suffix != ".pyi":
        return
    known = frozenset(_CLASSES.split(before))
    fresh = [part for part in _CLASSES.split(output.text) if part not in known]
    try:
        # More than parsing: only the compiler's later passes find a duplicate parameter.
        symtable("\n".join(fresh), output.path.name, "exec")
    except SyntaxError as error:
        line = (error.text or "").strip()
        raise ValueError(f"{output.path.name} would not be Python: {error.msg}: {line}") from error


def inside(path: Path, root: Path) -> Path:
    """Return the real path of a file, with links followed.

    Raises:
        ConfigurationError: If that is not under the root.
    """
    try:
        real = path.resolve()
    except (OSError, RuntimeError) as error:
        raise ConfigurationError(f"{path} leads nowhere: {error}.") from error
    if not real.is_relative_to(root.resolve()):
        raise ConfigurationError(f"{path} leads out of {root}: nothing is written there.")
    return real


def _prepare(target: Path, text: str) -> Path:
    """Write the text to a new file beside its place, with the same mode."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = beside(target, text.encode("utf-8"))
    try:
        with suppress(FileNotFoundError):
            _follow(temporary, target.stat())
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    return temporary


def _follow(temporary: Path, replaced: os.stat_result) -> None:
    """Give a new file the mode of the one that it replaces, and a later modification time.

    mypy takes a file of the same size for unchanged if it was written in the same second.
    """
    temporary.chmod(stat.S_IMODE(replaced.st_mode))
    later = int(replaced.st_mtime) + 1
    if temporary.stat().st_mtime < later:
        os.utime(temporary, (later, later))
