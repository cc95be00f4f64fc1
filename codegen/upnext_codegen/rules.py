"""Every code that `upnext gen` and the mypy plugin report, and its rule; the words are in `rules/`, a file a code."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

CODES = (
    "UPN001",
    "UPN002",
    "UPN003",
    "UPN004",
    "UPN005",
    "UPN006",
    "UPN101",
    "UPN102",
    "UPN103",
    "UPN104",
    "UPN105",
    "UPN106",
    "UPN107",
    "UPN108",
    "UPN109",
    "UPN201",
    "UPN301",
    "UPN302",
    "UPN401",
    "UPN402",
)
"""All codes of `upnext gen`; one that is no longer reported stays, so that it never gets another meaning."""

PLUGIN_CODES = ("upnext-missing", "upnext-unknown", "upnext-type", "upnext-conflict", "upnext-stale")
"""All codes of the mypy plugin."""


_WORDS = Path(__file__).with_name("rules")


class Rule(NamedTuple):
    """What a code stands for.

    Attributes:
        code: "UPN101", "upnext-missing" and the like.
        severity: "error" or "warning", where nothing about the finding makes it the other.
        title: One line, without a full stop.
        text: The rule and its reasons.
        example: Sources that break it, each under a comment with its path, indented by four blanks.
        reporter: Who reports it, "`upnext gen`" or "mypy".
        output: What it says of them, indented likewise.
    """

    code: str
    severity: str
    title: str
    text: str
    example: str
    reporter: str
    output: str


@cache
def rule(code: str) -> Rule:
    """Return the rule behind a code.

    Raises:
        KeyError: If there is no such code.
    """
    if code not in (*CODES, *PLUGIN_CODES):
        raise KeyError(code)
    whole = (_WORDS / f"{code}.txt").read_text("utf-8")
    head, _, rest = whole.partition("\n")
    text, _, rest = rest.partition("\nExample:\n")
    reporter = "`upnext gen`" if code in CODES else "mypy"
    example, _, output = rest.partition(f"\n{reporter} says:\n")
    severity, _, title = head.removeprefix(f"{code} ").partition(": ")
    return Rule(code, severity, title, text.strip("\n"), example.strip("\n"), reporter, output.strip("\n"))


def explained(code: str) -> str:
    """Write a rule for people."""
    found = rule(code)
    return (
        f"{found.code} ({found.severity}): {found.title}\n\n{found.text}\n\nExample:\n\n{found.example}\n\n"
        f"{found.reporter} says:\n\n{found.output}\n"
    )
