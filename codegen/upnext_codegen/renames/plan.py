"""The plan of a rename: what it changes, and what it leaves to a person."""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from upnext_codegen.errors import ConfigurationError
from upnext_codegen.files.left_out import BY_DEFAULT
from upnext_codegen.layout.probing import is_file
from upnext_codegen.reading.source import SourceError, SourceText, decode
from upnext_codegen.records import Place, Scan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from upnext_codegen.files.discover import Discovery

_MOST_NEAR = 3


class Undecided(NamedTuple):
    """A place that may have to be changed by hand, and why it was left alone."""

    place: Place
    reason: str


class Left(NamedTuple):
    """What a server still has under a former name that is to be removed.

    Attributes:
        what: That, in words.
        way_out: How it is brought to an end.
    """

    what: str
    way_out: str


class Rename(NamedTuple):
    """The changes of a rename.

    Attributes:
        changed: Each file that changes, as it is and as it is then.
        undecided: What has to be looked at.
        blocked: What has to be changed by hand first; renaming without these would leave the sources inconsistent.
        unreadable: Files that cannot be read, or not to their end, and hold the name: what has to be changed may stand
            there. Of one that cannot be read at all it is not known whether it does.
        taken_back: Whether the new name was the latest former one: what was queued under the old one knows no other.
        left: What a server still has under a former name that is to be taken out.
        unsubscribe: The commands that end what is subscribed under that name.
    """

    changed: dict[str, tuple[bytes, bytes]]
    undecided: tuple[Undecided, ...]
    blocked: tuple[Undecided, ...]
    unreadable: tuple[Undecided, ...] = ()
    taken_back: bool = False
    left: tuple[Left, ...] = ()
    unsubscribe: tuple[str, ...] = ()


@dataclass(slots=True)
class ProjectSources:
    """The sources of a project, and what was read from them.

    Attributes:
        root: The project root.
        roots: Import roots relative to it.
        found: The files.
        scan: What was read.
    """

    root: Path
    roots: Sequence[str]
    found: Discovery
    scan: Scan
    _contents: dict[str, bytes] = field(default_factory=dict[str, bytes])
    _not_read: dict[str, str] = field(default_factory=dict[str, str])
    _lines: dict[str, list[str]] = field(default_factory=dict[str, "list[str]"])

    def names_of(self, event: str) -> frozenset[str]:
        """Return the current and former names of an event."""
        declared = [each for each in self.scan.declarations if each.event == event]
        return frozenset([event, *(name for each in declared for name in each.formerly)])

    def files(self) -> list[str]:
        """Return the project's files, and its tests, which a scan leaves out."""
        return sorted({*(each.path for each in self.found.files), *self._tests()})

    def holding(self, *words: str) -> Iterator[tuple[str, bytes]]:
        """Yield the files that contain all of some words, with their contents; `not_read` lists unreadable ones."""
        wanted = [word.encode() for word in words]
        for file, data in self._all().items():
            if all(word in data for word in wanted):
                yield file, data

    def in_stubs(self, name: str) -> Iterator[Undecided]:
        """Yield where hand-written stubs contain a name; a scan does not read them."""
        for folder in self.found.folders:
            for path in sorted((self.root / folder).glob("*.pyi")):
                file = path.relative_to(self.root).as_posix()
                if file not in self.found.generated:
                    yield from _in_stub(path, file, name)

    def not_read(self, name: str) -> tuple[Undecided, ...]:
        """Return the files and folders that cannot be read at all: they may contain the name."""
        self._all()
        return tuple(
            Undecided(Place(path, 1, 1), f"this cannot be read ({reason}), and {name!r} may stand in it")
            for path, reason in sorted(self._not_read.items())
        )

    def _all(self) -> dict[str, bytes]:
        """Read every file once."""
        if not self._contents:
            self._not_read.update(self.found.unreadable)
            for file in self.files():
                try:
                    self._contents[file] = (self.root / file).read_bytes()
                except OSError as error:
                    self._note(error, file)
        return self._contents

    def _note(self, error: OSError, path: str = "") -> None:
        where = path or Path(error.filename).relative_to(self.root).as_posix() + "/"
        self._not_read[where] = error.strerror or str(error)

    def read(self, file: str) -> bytes:
        """Return the contents of a file that has to be changed.

        Raises:
            ConfigurationError: If it cannot be read.
        """
        try:
            return (self.root / file).read_bytes()
        except OSError as error:
            raise ConfigurationError(f"{file} cannot be read: {error.strerror or error}") from error

    def lines(self, file: str) -> list[str]:
        """Return the lines of a file as Python counts them, none if it is unreadable.

        Raises:
            ConfigurationError: If it cannot be opened.
        """
        if file not in self._lines:
            try:
                self._lines[file] = SourceText(decode(self.read(file))).lines
            except SourceError:
                self._lines[file] = []
        return self._lines[file]

    def _tests(self) -> Iterator[str]:
        """The tests of a project: `tests` folders, `test_*.py` and `conftest.py`."""
        for path, reason in self.found.left_out:
            name = path.rstrip("/").rpartition("/")[2]
            if reason != BY_DEFAULT or not name.startswith(("test", "conftest")):
                continue
            if path.endswith("/"):
                for folder, folders, names in os.walk(self.root / path, onerror=self._note):
                    if "pyvenv.cfg" in names:
                        folders.clear()  # A virtual environment contains no code of the project.
                        continue
                    below = (Path(folder, name) for name in names if name.endswith(".py"))
                    # A link would be replaced by a file, and may lead to one outside of the project.
                    own = (each for each in below if is_file(each) and not each.is_symlink())
                    yield from (each.relative_to(self.root).as_posix() for each in own)
            else:
                yield path


def unreadable(file: str, name: str) -> Undecided:
    """Report that a file with the name cannot be read to its end."""
    reason = f"this file cannot be read to its end, and {name!r} stands in it: look through it by hand"
    return Undecided(Place(file, 1, 1), reason)


def near(name: str, known: Iterable[str], otherwise: str) -> str:
    """Return a suggestion for an unknown name."""
    found = difflib.get_close_matches(name, sorted(known), _MOST_NEAR)
    return f"did you mean {' or '.join(map(repr, found))}?" if found else otherwise


def _in_stub(path: Path, file: str, name: str) -> Iterator[Undecided]:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError as error:
        why = error.strerror or error
        yield Undecided(Place(file, 1, 1), f"this stub cannot be opened ({why}): if it has {name!r}, change it by hand")
        return
    word = re.compile(rf"(?<![\w.]){re.escape(name)}(?!\w)")
    reason = f"this stub has {name!r}: if it means the same, change it by hand"
    for number, line in enumerate(lines, 1):
        for found in word.finditer(line):
            yield Undecided(Place(file, number, found.start() + 1), reason)
