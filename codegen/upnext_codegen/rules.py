"""The rules behind the codes that `upnext gen` and the mypy plugin report.

Each rule is declared once, as a file of `rules/` with the name of its code: its severities, its title, its text, an
example, and what is reported of it. Findings, `upnext explain`, the settings, SARIF and the docs all read it there.
A code that is no longer reported moves to `rules/retired/`, so that it never gets another meaning.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

_RULES = Path(__file__).with_name("rules")
_SAYS = re.compile(r"\n(?P<reporter>`upnext [a-z ]+`|mypy) says:\n")
_HEAD = re.compile(r"(?P<severities>error|warning|warning, error|error, warning|retired): (?P<title>.+)")


class Rule(NamedTuple):
    """The rule behind a code.

    Attributes:
        code: "UPN101", "upnext-missing" and the like.
        severities: "error", "warning", or both; the first one is that of findings that say nothing else. Empty for a
            retired code, which is not reported any more and never gets another meaning.
        title: One line, without a full stop.
        text: The rule and its reasons.
        example: Sources that break it, each under a comment with its path, indented by four blanks.
        reporter: Who reports it: "`upnext gen`", "`upnext celery check`" or "mypy".
        output: What it says of them, indented likewise.
        successors: For a retired code, the codes that are reported instead.
    """

    code: str
    severities: tuple[str, ...]
    title: str
    text: str
    example: str
    reporter: str
    output: str
    successors: tuple[str, ...] = ()

    @property
    def severity(self) -> str:
        """The severity by default; "retired" for a retired code."""
        return self.severities[0] if self.severities else "retired"


@cache
def rule(code: str) -> Rule:
    """Return the rule behind a code.

    Raises:
        KeyError: If there is no such code.
    """
    head, _, rest = _FILES[code].read_text("utf-8").partition("\n")
    found = _HEAD.fullmatch(head.removeprefix(f"{code} "))
    if found is None:
        raise ValueError(f"{_FILES[code]} must begin with {code}, its severity, a colon and its title: {head!r}")
    text, _, rest = rest.partition("\nExample:\n")
    example, reporter, output = (*_SAYS.split(rest), "", "")[:3]
    text, _, successors = text.partition("\nReported now as: ")
    return Rule(
        code,
        () if found["severities"] == "retired" else tuple(found["severities"].split(", ")),
        found["title"],
        text.strip("\n"),
        example.strip("\n"),
        reporter,
        output.strip("\n"),
        tuple(successors.split()),
    )


@cache
def former_codes(code: str) -> tuple[str, ...]:
    """Return the retired codes that this one replaces: ignoring one of them ignores this one as well."""
    return tuple(each for each in RETIRED_CODES if code in rule(each).successors)


def explained(code: str) -> str:
    """Write a rule for people."""
    found = rule(code)
    head = f"{found.code} ({' or '.join(found.severities) or 'retired'}): {found.title}\n\n{found.text}\n"
    if found.successors:
        return f"{head}\nReported now as:\n\n" + "".join(
            f"    {each} ({' or '.join(rule(each).severities)}): {rule(each).title}\n" for each in found.successors
        )
    return f"{head}\nExample:\n\n{found.example}\n\n{found.reporter} says:\n\n{found.output}\n"


_FILES = {path.stem: path for path in sorted(_RULES.rglob("*.txt"))}

RETIRED_CODES = tuple(code for code, path in _FILES.items() if path.parent != _RULES)
"""Codes that are no longer reported; ignoring one ignores the code that replaces it."""

CODES = tuple(code for code in _FILES if code.startswith("UPN") and code not in RETIRED_CODES)
"""All codes of `upnext gen` and `upnext celery check`."""

PLUGIN_CODES = tuple(code for code in _FILES if not code.startswith("UPN"))
"""All codes of the mypy plugin."""
