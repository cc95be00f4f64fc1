"""Every finding that `upnext gen` can report: its code, its severity, and its words' place in one record."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from upnext_codegen.records import Place


class Related(NamedTuple):
    """Another place that a finding is about, and what is there."""

    place: Place
    message: str


class Finding(NamedTuple):
    """One thing to tell the user.

    Attributes:
        code: "UPN101" and the like; codes are never reused.
        severity: "error" or "warning".
        message: One line, without a full stop.
        place: Where.
        help: The way out, one line.
        related: The other places, in order.
        typed: Whether every type checker says the same by itself, by the types of our own functions.
    """

    code: str
    severity: str
    message: str
    place: Place
    help: str
    related: tuple[Related, ...] = ()
    typed: bool = False


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort findings by file, line, column and code; one that was made twice is kept once."""
    return tuple(sorted(dict.fromkeys(findings), key=lambda finding: (finding.place, finding.code, finding.message)))


def is_error(finding: Finding) -> bool:
    """Tell whether a finding makes the command fail."""
    return finding.severity == "error"
