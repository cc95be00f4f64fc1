"""Patterns of .gitignore files and of the `exclude` setting, each list of them as one regular expression.

One expression a list, not one a pattern: ten thousand files times thirty patterns would take longer than reading them.
Importing pathspec, which does the same, takes 76 ms here, a third of what a run takes that finds nothing changed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple


class Rule(NamedTuple):
    """One pattern, as regular expressions for a path relative to the folder that it holds for."""

    pattern: str
    negated: bool
    folders_only: bool


@dataclass(frozen=True, slots=True)
class Patterns:
    """The patterns of one list; the last one that matches a path decides.

    Attributes:
        folder: The folder that they hold for, relative to the project root with a `/` at its end, or "".
        runs: The patterns in order, consecutive ones of one sort as one expression: (negated, for files, for folders).
    """

    folder: str
    runs: tuple[tuple[bool, re.Pattern[str] | None, re.Pattern[str]], ...]

    def verdict(self, path: str, *, is_folder: bool) -> bool | None:
        """Whether a path (relative to the project root) is left out, None where no pattern says so."""
        if not path.startswith(self.folder):
            return None
        inside = path[len(self.folder) :]
        for negated, files, folders in reversed(self.runs):
            pattern = folders if is_folder else files
            if pattern is not None and pattern.fullmatch(inside):
                return not negated
        return None


def parse_patterns(lines: list[str], folder: str) -> Patterns:
    """Read the lines of a .gitignore that stands in `folder` (relative with `/` at its end, or "")."""
    runs: list[tuple[bool, list[Rule]]] = []
    for line in lines:
        rule = _rule(line)
        if rule is None:
            continue
        if not runs or runs[-1][0] != rule.negated:
            runs.append((rule.negated, []))
        runs[-1][1].append(rule)
    return Patterns(folder, tuple((negated, *_compiled(rules)) for negated, rules in runs))


def _compiled(rules: list[Rule]) -> tuple[re.Pattern[str] | None, re.Pattern[str]]:
    files = [rule.pattern for rule in rules if not rule.folders_only]
    folders = [rule.pattern for rule in rules]
    return (re.compile("|".join(files), re.DOTALL) if files else None, re.compile("|".join(folders), re.DOTALL))


def _rule(line: str) -> Rule | None:
    text = re.sub(r"(?<!\\)[ \t]+$", "", line.rstrip("\r\n"))
    if not text or text.startswith("#"):
        return None
    negated = text.startswith("!")
    text = text[1:] if negated else text
    folders_only = text.endswith("/")
    text = text.rstrip("/")
    if not text:
        return None
    # A slash anywhere but at the end ties the pattern to its own folder; `**/` unties it again.
    anchored = "/" in text
    text = text.lstrip("/")
    try:
        pattern = ("" if anchored else "(?:.*/)?") + _translated(text)
        re.compile(pattern)
    except re.error:
        return None
    return Rule(f"(?:{pattern})", negated, folders_only)


def _translated(text: str) -> str:
    parts: list[str] = []
    position = 0
    while position < len(text):
        piece, position = _piece(text, position)
        parts.append(piece)
    return "".join(parts)


def _piece(text: str, position: int) -> tuple[str, int]:
    if text.startswith("**/", position) and (position == 0 or text[position - 1] == "/"):
        return "(?:.*/)?", position + 3
    if text[position:] == "**" and position and text[position - 1] == "/":
        return ".+", position + 2
    character = text[position]
    if character == "*":
        end = position
        while end < len(text) and text[end] == "*":
            end += 1
        return "[^/]*", end
    if character == "?":
        return "[^/]", position + 1
    if character == "[":
        return _bracket(text, position)
    if character == "\\" and position + 1 < len(text):
        return re.escape(text[position + 1]), position + 2
    return re.escape(character), position + 1


def _bracket(text: str, position: int) -> tuple[str, int]:
    end = text.find("]", position + 2 if text[position + 1 : position + 2] not in {"!", "^"} else position + 3)
    if end < 0:
        return r"\[", position + 1
    inside = text[position + 1 : end].replace("\\", "\\\\").replace("[", "\\[")
    if inside.startswith(("!", "^")):
        inside = "^/" + inside[1:]
    return f"[{inside}]", end + 1
