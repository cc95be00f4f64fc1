"""Findings that a user suppresses: by comments, by codes in the settings, by paths on the command line."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from upnext_codegen.findings import Finding
from upnext_codegen.reading.ignore_comments import find_ignores
from upnext_codegen.records import Place
from upnext_codegen.rules import former_codes

_ABOUT_OUTPUT = frozenset({"UPN301", "UPN302"})

Comments: TypeAlias = Mapping[str, Mapping[int, frozenset[str] | None]]
"""For each file the lines with a `# upnext: ignore` comment, and their codes; None for all of them."""


def unsilenced(
    findings: Iterable[Finding], root: Path, ignored: Collection[str], comments: Comments
) -> tuple[Finding, ...]:
    """Drop findings suppressed by a setting or a `# upnext: ignore` comment.

    Args:
        findings: All findings.
        root: The project root, which places are relative to.
        ignored: Codes that the project does not want.
        comments: The comments of all files that were parsed.
    """

    def is_silenced(finding: Finding, place: Place) -> bool:
        # The comments of a file that cannot be parsed are only needed if that is the finding.
        lines = _comments_of(root / place.file) if finding.code == "UPN001" else comments.get(place.file, {})
        codes = lines.get(place.line, frozenset())
        return codes is None or not codes.isdisjoint(names[finding.code])

    reported = tuple(findings)
    names = {code: frozenset({code, *former_codes(code)}) for code in {finding.code for finding in reported}}
    return tuple(
        finding
        for finding in reported
        if names[finding.code].isdisjoint(ignored)
        and not any(is_silenced(finding, place) for place in _places(finding))
    )


def within(findings: Iterable[Finding], paths: Collection[str]) -> tuple[Finding, ...]:
    """Keep findings with any place under one of the paths, and those about the generated files themselves.

    Args:
        findings: All findings.
        paths: Relative to the project root with `/`, "." for all of it; none of them for no limit.
    """
    if not paths or "." in paths:
        return tuple(findings)
    return tuple(
        finding
        for finding in findings
        if finding.code in _ABOUT_OUTPUT
        or any(place.file == path or place.file.startswith(f"{path}/") for place in _places(finding) for path in paths)
    )


def _places(finding: Finding) -> list[Place]:
    return [finding.place, *(related.place for related in finding.related)]


def _comments_of(path: Path) -> Mapping[int, frozenset[str] | None]:
    try:
        text = path.read_bytes().decode("latin-1")
    except (OSError, ValueError):
        return {}
    return {line: None if codes is None else frozenset(codes) for line, codes in find_ignores(text)}
