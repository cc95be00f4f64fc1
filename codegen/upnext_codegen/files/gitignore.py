"""Patterns of .gitignore files and of `exclude` and `include`, each list compiled to a few regular expressions.

There is one expression per list, not per pattern: matching thirty patterns for ten thousand files would take longer
than reading the files. Importing pathspec, which does the same, takes 76 ms, a third of a run without changes.

The expressions never backtrack into a part that has matched (`(?>...)`): between two stars the leftmost match is as
good as any other, so the time is linear in the length of the path, whatever the pattern is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

_LONGEST = 4096
"""Characters; a pattern longer than the longest path of any system matches nothing."""


class Rule(NamedTuple):
    """One pattern.

    Attributes:
        segments: What stands between its slashes; `**` stands for any number of folders.
        negated: Whether it takes back what an earlier one has named.
        folders_only: Whether it names folders alone.
    """

    segments: tuple[str, ...]
    negated: bool
    folders_only: bool

    @property
    def names_only(self) -> bool:
        """Whether it only examines the last part of a path."""
        return len(self.segments) == 2 and self.segments[0] == "**" and self.segments[1] != "**"


class Run(NamedTuple):
    """Consecutive patterns that all exclude paths, or all include them again.

    Attributes:
        negated: Whether they take back.
        files: What they say of files.
        folders: What they say of folders.
    """

    negated: bool
    files: Matcher
    folders: Matcher


class Matcher(NamedTuple):
    """Several patterns; one of these expressions matches a path that any of them names.

    Attributes:
        names: For the last part of a path.
        paths: For all of it.
    """

    names: re.Pattern[str] | None
    paths: re.Pattern[str] | None

    def matches(self, path: str) -> bool:
        """Whether one of the patterns names a path, relative to their folder."""
        if self.names is not None and self.names.fullmatch(path, path.rfind("/") + 1):
            return True
        return self.paths is not None and self.paths.fullmatch(path) is not None


@dataclass(frozen=True, slots=True)
class Patterns:
    """The patterns of one list; the last one that matches a path decides.

    Attributes:
        folder: The folder that they hold for, relative to the project root with a `/` at its end, or "".
        runs: The patterns in order.
        prefix: What stands in front of every path, for a list that stands above the project root.
        source: Where they stand, for people.
    """

    folder: str
    runs: tuple[Run, ...]
    prefix: str = ""
    source: str = ".gitignore"

    def verdict(self, path: str, *, is_folder: bool) -> bool | None:
        """Whether the patterns name a path (relative to the project root); None if none of them applies."""
        if not path.startswith(self.folder):
            return None
        inside = self.prefix + path[len(self.folder) :]
        for run in reversed(self.runs):
            if (run.folders if is_folder else run.files).matches(inside):
                return not run.negated
        return None


def parse_patterns(lines: list[str], folder: str, *, prefix: str = "", source: str = ".gitignore") -> Patterns:
    """Parse the lines of a .gitignore in `folder` (relative with `/` at its end, or "")."""
    runs: list[list[Rule]] = []
    for rule in rules_in(lines):
        if not runs or runs[-1][0].negated != rule.negated:
            runs.append([])
        runs[-1].append(rule)
    return Patterns(folder, tuple(map(_compiled, runs)), prefix, source)


def rules_in(lines: list[str]) -> list[Rule]:
    """Return the patterns among lines, without comments and patterns that match nothing."""
    return [rule for rule in map(_rule, lines) if rule is not None]


def leads_to(rule: Rule, folder: str) -> bool:
    """Whether a pattern names something below a folder by its path, not just by a name anywhere."""
    parts = folder.split("/")
    for depth, (part, segment) in enumerate(zip(parts, rule.segments, strict=False)):
        if segment == "**":
            return depth > 0
        if not re.fullmatch(_segment(segment), part):
            return False
    return len(parts) < len(rule.segments)


def _compiled(rules: list[Rule]) -> Run:
    files = _matcher([rule for rule in rules if not rule.folders_only])
    return Run(rules[0].negated, files, _matcher(rules))


def _matcher(rules: list[Rule]) -> Matcher:
    names = [_segment(rule.segments[1]) for rule in rules if rule.names_only]
    paths = [_path(rule.segments) for rule in rules if not rule.names_only]
    return Matcher(_any_of(names), _any_of(paths))


def _any_of(expressions: list[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(expressions), re.DOTALL) if expressions else None


def _rule(line: str) -> Rule | None:
    text = re.sub(r"(?<!\\)[ \t]+\Z", "", line.rstrip("\r\n")) if len(line) <= _LONGEST else ""
    if not text or text.startswith("#"):
        return None
    negated = text.startswith("!")
    text = text[1:] if negated else text
    folders_only = text.endswith("/")
    text = text.rstrip("/")
    if not text:
        return None
    # A slash anywhere but at the end anchors the pattern to its folder; `**/` removes the anchor again.
    segments = ([] if "/" in text else ["**"]) + text.lstrip("/").split("/")
    merged = tuple(each for n, each in enumerate(segments) if each != "**" or segments[n - 1 : n] != ["**"])
    try:
        re.compile(_path(merged))
    except re.error:
        return None
    return Rule(merged, negated, folders_only)


def _path(segments: tuple[str, ...]) -> str:
    """Translate a pattern for a whole path."""
    *others, last = _chunks(segments)
    expression = ""
    for loose, chunk in others:
        body = "/".join(map(_segment, chunk))
        expression += f"(?>(?:[^/]+/)*?{body}/)" if loose else f"{body}/"
    loose, chunk = last
    if not chunk:
        return f"{expression}.+"
    return expression + ("(?:[^/]+/)*" if loose else "") + "/".join(map(_segment, chunk))


def _chunks(segments: tuple[str, ...]) -> list[tuple[bool, list[str]]]:
    """Split a pattern at each `**`: whether one precedes a part, and the part, which is empty after the last."""
    chunks: list[tuple[bool, list[str]]] = []
    for segment in segments:
        if segment == "**":
            chunks.append((True, []))
        elif chunks:
            chunks[-1][1].append(segment)
        else:
            chunks.append((False, [segment]))
    return chunks


def _segment(text: str) -> str:
    """Translate the part between two slashes."""
    parts = [""]
    position = 0
    while position < len(text):
        if text[position] == "*":
            parts.append("")
            while text[position : position + 1] == "*":
                position += 1
            continue
        piece, position = _piece(text, position)
        parts[-1] += piece
    first, *others = parts
    if not others:
        return first
    return first + "".join(f"(?>[^/]*?{part})" for part in others[:-1]) + f"[^/]*{others[-1]}"


def _piece(text: str, position: int) -> tuple[str, int]:
    character = text[position]
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
        raise re.error("a bracket is not closed")  # git matches no name with it
    inside = text[position + 1 : end].replace("\\", "\\\\").replace("[", "\\[")
    if inside.startswith(("!", "^")):
        inside = "^" + inside[1:]
    return f"(?!/)[{inside}]", end + 1
