"""Measures how deeply a text nests, without recursion: libcst crashes the process on text that is too deep."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_BRACKETS = 200
"""Open brackets at one place that every Python takes."""
_IN_TEXTS = 1_000
"""The same where those in texts and comments count, because f-strings can stand in each other."""
_CHAIN = 2_000
"""Operators in a row, or `elif` in a function; Python's own limit is near, and libcst's time grows with the square."""

_TOKEN = re.compile(
    r"\"{3}|'{3}|[\"'#\n,;()\[\]{}]|\\(?:.|\n)|[-+*/%@&|^~<>=.:]"
    r"|\b(?:not|lambda|and|or|if|else|elif|await|def)\b"
)


@dataclass(slots=True)
class _Depth:
    """Counts nesting, token by token.

    Attributes:
        inside: The quotes of the text, or `#`, that this is in.
        chains: The operators in a row so far, of what each bracket holds.
        anywhere: Open brackets, those in texts too.
        arms: `elif` since the last function began.
    """

    inside: str = ""
    chains: list[int] = field(default_factory=lambda: [0])
    anywhere: int = 0
    arms: int = 0

    def take(self, mark: str) -> None:
        if mark in "([{":
            self.anywhere += 1
        elif mark in ")]}":
            self.anywhere = max(self.anywhere - 1, 0)
        if (self.inside == "#" and mark[-1] == "\n") or (mark == "\n" and len(self.inside) == 1):
            self.inside = ""  # The end of a line ends comments and single-line strings.
            self._code("\n")
        elif self.inside:
            self.inside = "" if mark.startswith(self.inside) else self.inside
        elif mark[0] in "\"'#":
            self.inside = mark
        else:
            self._code(mark)

    def _code(self, mark: str) -> None:
        if mark in "([{":
            self.chains.append(0)
        elif mark in ",;" or (mark == "\n" and len(self.chains) == 1):
            self.chains[-1] = 0
        elif mark == "def":
            self.arms = 0
        elif mark == "elif":
            self.arms += 1
        elif mark[0] not in "\\\n":
            if mark in ")]}" and len(self.chains) > 1:
                self.chains.pop()
            self.chains[-1] += 1

    def is_over(self) -> bool:
        return (
            len(self.chains) - 1 > _BRACKETS
            or self.anywhere > _IN_TEXTS
            or self.chains[-1] > _CHAIN
            or self.arms > _CHAIN
        )


def is_too_deep(text: str) -> bool:
    """Whether a text nests too deeply for some Python versions."""
    depth = _Depth()
    for found in _TOKEN.finditer(text):
        depth.take(found[0])
        if depth.is_over():
            return True
    return False
