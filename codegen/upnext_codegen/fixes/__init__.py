"""Findings that have one right answer, and the change to the sources that gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from upnext_codegen.findings import Finding


def may_have_fix(finding: Finding) -> bool:
    """Say whether a finding may have a fix; who has no such does without libcst, which takes long to import."""
    match finding.code:
        case "UPN003":
            return finding.severity == "error"
        case "UPN102" | "UPN108":
            return bool(finding.related) and not finding.not_listed
        case "UPN103":
            return not finding.message.partition('"')[2].startswith("*")  # no fix makes `*args` useful
        case _:
            return False
