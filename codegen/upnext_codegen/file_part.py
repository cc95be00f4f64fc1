"""A range of lines of a file, encoded as a string that no event can have as its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from upnext_codegen.records import Place

LAST_LINE = 10**9
"""Behind the end of any file."""


class FilePart(NamedTuple):
    """Some lines of a file.

    Attributes:
        file: Path relative to the project root.
        first: The first line, from 1.
        last: The last one.
    """

    file: str
    first: int
    last: int

    def __str__(self) -> str:
        """Write it in the form used among names of events: no name begins with a space."""
        return f" {self.first} {self.last} {self.file}"

    @classmethod
    def parse(cls, text: str) -> FilePart | None:
        """Parse it again, None for the name of an event."""
        if not text.startswith(" "):
            return None
        first, last, file = text[1:].split(" ", 2)
        return cls(file, int(first), int(last))

    def holds(self, place: Place) -> bool:
        """Return whether it contains a place."""
        return place.file == self.file and self.first <= place.line <= self.last
