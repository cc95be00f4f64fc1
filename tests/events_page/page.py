"""The events page of the documentation, read as the program that it is.

`page.txt` is the page as it comes out of a browser's clipboard: no blank lines, no indentation, blanks around brackets
and operators. Python minds the indentation only, so that is all that is put back, by one rule: a function's body is
what follows its `):`, up to a `return` or `...`, or up to the next decorator. What the tests run is thus the page.

A line that begins with a capital letter is prose, every other line is code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).parent / "page.txt"
TABLE_HEAD = "Parameter Type Default Description"


@dataclass(frozen=True)
class Snippet:
    """Code of the page, from a line on."""

    section: str
    line: int
    lines: tuple[str, ...]

    @property
    def python(self) -> str:
        """The code with its indentation back."""
        return "\n".join(_indented(self.lines)) + "\n"

    def starting(self, beginning: str) -> Snippet:
        """Return the part from the line that begins so."""
        skipped = next(number for number, line in enumerate(self.lines) if line.startswith(beginning))
        return Snippet(self.section, self.line + skipped, self.lines[skipped:])

    def until(self, beginning: str) -> Snippet:
        """Return the part before the line that begins so."""
        end = next(number for number, line in enumerate(self.lines) if line.startswith(beginning))
        return Snippet(self.section, self.line, self.lines[:end])


@dataclass(frozen=True)
class Option:
    """A row of the table of options."""

    name: str
    type: str
    default: str
    description: str


class Page:
    """The page in its parts."""

    def __init__(self, text: str) -> None:
        self.headings: list[str] = []
        self.sentences: list[str] = []
        self.comments: list[str] = []
        self.options: list[Option] = []
        self.all_snippets: list[Snippet] = []
        begun: list[str] = []
        for number, line in enumerate([*text.splitlines(), "End"], 1):
            code = not line[:1].isupper()
            if begun and not code:
                self.all_snippets.append(Snippet(self._section, number - len(begun), tuple(begun)))
                begun = []
            if code:
                begun.append(line)
                self.comments += [line] if line.startswith("#") else []
            else:
                self._read_prose(line)
        self.headings.pop()

    @property
    def _section(self) -> str:
        return self.headings[-1] if self.headings else ""

    def snippets(self, section: str) -> list[Snippet]:
        """Return the code under a heading; "" for the top of the page."""
        return [snippet for snippet in self.all_snippets if snippet.section == section]

    def _read_prose(self, line: str) -> None:
        if line.startswith(TABLE_HEAD):
            rows = re.findall(r"(retries|retry_\w+?|timeout)(int|float)([\d.]+)(.+?)(?= retry_| timeout|$)", line)
            self.options = [Option(*row) for row in rows]
        elif line[-1] in ".:":
            self.sentences += re.split(r"(?<=\.) ", line)
        else:
            self.headings.append(line)


def _indented(lines: tuple[str, ...]) -> list[str]:
    indented: list[str] = []
    in_body = False
    for line in lines:
        in_body = in_body and not line.startswith("@")
        indented.append(f"    {line}" if in_body else line)
        in_body = line.endswith("):") or (in_body and not line.startswith(("return", "...")))
    return indented


PAGE = Page(FILE.read_text(encoding="utf-8"))
