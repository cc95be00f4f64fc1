"""Which lines of a file can matter: a search over its text, so that most function bodies are never walked."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass

_OURS = (
    r"\.\s*(?:on|event|events)\b|[\"'](?:on|event)[\"']|\bupnext|Worker\b|__all__|\bsuper\(\)\.__init__|\bglobal[ \t]"
)
_DEFINED = re.compile(
    r"^[ \t]*(?:class[ \t]+(?P<cls>\w+)|(?P<var>\w+)[ \t]*(?::[^=\n]*)?=[ \t]*(?P<value>[^\n]*))", re.MULTILINE
)
_ALIASED = re.compile(r"\bas[ \t]+(\w+)")
_IMPORTED = re.compile(r"\bfrom[ \t]+upnext[\w.]*[ \t]+import[ \t]*(\([^)]*\)|[^\n]*)")
_FACTORY = re.compile(r"\.\s*event\s*\(|Worker\s*\(")


@dataclass(frozen=True, slots=True)
class Needles:
    """The lines of a file that mention something of ours, sorted."""

    lines: tuple[int, ...]

    def between(self, first: int, last: int | None) -> bool:
        """Whether one of the lines from `first` to `last` matters."""
        index = bisect_left(self.lines, first)
        return index < len(self.lines) and self.lines[index] <= (last or first)


def find_needles(text: str) -> Needles:
    """Find the lines that mention ours, or a name that the file gives to something of ours."""
    pattern = _OURS
    lines = _lines(text, pattern)
    # A class made from Worker, or `make = worker.event`, is used under its own name further down.
    for _ in range(3):
        names = _given_names(text, lines)
        grown = _OURS + (rf"|\b(?:{'|'.join(sorted(map(re.escape, names)))})\b" if names else "")
        if grown == pattern:
            break
        pattern = grown
        lines = _lines(text, pattern)
    return Needles(tuple(sorted(lines)))


def _given_names(text: str, lines: set[int]) -> set[str]:
    content = text.split("\n")
    names: set[str] = set()
    for line in lines:
        row = content[line - 1] if line <= len(content) else ""
        if "import" in row:
            names.update(_ALIASED.findall(row))
        found = _DEFINED.match(row)
        if found is None:
            continue
        if found["cls"]:
            names.add(found["cls"])
        elif not _FACTORY.search(found["value"]):
            names.add(found["var"])
    for imported in _IMPORTED.findall(text):
        names.update(re.findall(r"\w+", imported))
    return names - {"import", "as", "from", "__all__", "Worker", "self"}


def _lines(text: str, pattern: str) -> set[int]:
    lines: set[int] = set()
    position, line = 0, 1
    for found in re.finditer(pattern, text):
        # A match may start on the line before (`.` at its end): both count.
        line += text.count("\n", position, found.start())
        position = found.start()
        lines.add(line)
        lines.add(line + text.count("\n", found.start(), found.end()))
    return lines
