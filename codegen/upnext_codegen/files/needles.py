"""Which lines of a file can matter: a search over its text, so that most function bodies are never walked."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass

# Each begins with plain characters, which the search then leaps to; one expression with all of them would be tried at
# every place of the text, and takes thirty times as long.
_OURS = tuple(
    map(
        re.compile,
        (r"\.\s*(?:on|event|events)\b", "upnext", r"Worker\b", "__all__", r"super\(\)\.__init__", r"global[ \t]"),
    )
)
_ASKED = re.compile(r"[\"'](?:on|event)[\"']")
_DEFINED = re.compile(
    r"^[ \t]*(?:class[ \t]+(?P<cls>\w+)|(?P<var>\w+)[ \t]*(?::[^=\n]*)?=[ \t]*(?P<value>[^\n]*))", re.MULTILINE
)
_ALIASED = re.compile(r"\bas[ \t]+(\w+)")
_IMPORTED = re.compile(r"\bfrom[ \t]+upnext[\w.]*[ \t]+import[ \t]*(\([^)]*\)|[^\n]*)")
_FACTORY = re.compile(r"\.\s*event\s*\(|Worker\s*\(")


_PLAIN = re.compile(r"\bWorker[ \t]*(?=[,)\n]|$)")
_HANDED = re.compile(r"\bWorker\b(?!\s*\()")


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
    patterns = [*_OURS, *([_ASKED] if "getattr" in text else [])]
    lines = _lines(
        text, sorted({place for each in patterns for match in each.finditer(text) for place in match.span()})
    )
    # A class made from Worker, or `make = worker.event`, is used under its own name further down.
    names: set[str] = set()
    content = text.split("\n")
    for _ in range(3):
        fresh = _given_names(text, content, lines) - names
        if not fresh:
            break
        names |= fresh
        lines |= _lines(text, sorted(place for name in fresh for place in _places(text, name)))
    return Needles(tuple(sorted(lines)))


def hands_workers(text: str) -> bool:
    """Whether the word `Worker` stands anywhere but in calls, and in imports from upnext that give it no other name."""
    return "Worker" in text and _HANDED.search(_IMPORTED.sub(lambda found: _PLAIN.sub("", found[0]), text)) is not None


def _given_names(text: str, content: list[str], lines: set[int]) -> set[str]:
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
    for imported in _IMPORTED.findall(text) if "upnext" in text else ():
        names.update(re.findall(r"\w+", imported))
    return names - {"import", "as", "from", "__all__", "Worker", "self"}


def _places(text: str, name: str) -> list[int]:
    """Where a name stands as a word."""
    # A word boundary in front would hide the plain characters that the search leaps to.
    found = [each.start() for each in re.finditer(rf"{re.escape(name)}\b", text)]
    return [place for place in found if not place or not f"_{text[place - 1]}".isidentifier()]


def _lines(text: str, places: list[int]) -> set[int]:
    """The lines of places in a text; a match may start on the line before (`.` at its end), and both count."""
    lines: set[int] = set()
    position, line = 0, 1
    for place in places:
        line += text.count("\n", position, place)
        position = place
        lines.add(line)
    return lines
