"""The findings of `upnext gen`: the code of a rule, a place, and a message."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from upnext_codegen.rules import rule

if TYPE_CHECKING:
    from upnext_codegen.records import Place


MOST_RELATED = 50
"""How many other places a finding lists; many findings of an event with many handlers would fill the disk."""


class Related(NamedTuple):
    """Another place that a finding is about, with a text."""

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
        not_listed: How many more places there are than `related` lists.
        fixable: Whether it may have a fix: without any such finding there is no need to load libcst, which is slow.
    """

    code: str
    severity: str
    message: str
    place: Place
    help: str
    related: tuple[Related, ...] = ()
    typed: bool = False
    not_listed: int = 0
    fixable: bool = False

    @classmethod
    def of(
        cls,
        code: str,
        message: str,
        place: Place,
        help: str,  # noqa: A002 - the name that reports have for it
        related: tuple[Related, ...] = (),
        *,
        severity: str | None = None,
        typed: bool = False,
        not_listed: int = 0,
        fixable: bool = False,
    ) -> Finding:
        """Make a finding of a rule.

        Args:
            code: The rule's code.
            message: See `message`.
            place: See `place`.
            help: See `help`.
            related: See `related`.
            severity: Which of the rule's severities it has, where that is not the first one.
            typed: See `typed`.
            not_listed: See `not_listed`.
            fixable: See `fixable`.

        Raises:
            ValueError: The rule has no such severity.
        """
        allowed = rule(code).severities
        chosen = allowed[0] if severity is None else severity
        if chosen not in allowed:
            raise ValueError(f"{code} is {' or '.join(allowed)}, not {chosen}: rules/{code}.txt says so")
        return cls(code, chosen, message, place, help, related, typed, not_listed, fixable)


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort findings by file, line, column and code, without duplicates."""
    return tuple(sorted(dict.fromkeys(findings), key=lambda finding: (finding.place, finding.code, finding.message)))


def is_error(finding: Finding) -> bool:
    """Return whether a finding makes the command fail."""
    return finding.severity == "error"
