"""The report for people: the events, what is wrong with them, which files changed."""

from __future__ import annotations

from collections.abc import Iterator

from upnext_codegen.escaped_text import visible
from upnext_codegen.findings import Finding, is_error
from upnext_codegen.output.paint import Paint
from upnext_codegen.output.table import table
from upnext_codegen.records import Place
from upnext_codegen.report import Report


def as_text(report: Report, paint: Paint) -> str:
    """Write a report for a terminal; everything from sources is escaped."""
    parts = [
        "" if report.checked else table(report.contract, paint),
        "".join(f"{line}\n" for finding in report.findings for line in finding_lines(finding, paint)),
        "".join(f"{visible_lines(diff)}\n" for diff in report.diffs),
        "".join(f"note: {visible(note)}\n" for note in report.notes),
        f"{_files(report)}{_summary(report, paint)}\n",
    ]
    return "\n".join(part for part in parts if part)


def finding_lines(finding: Finding, paint: Paint) -> Iterator[str]:
    """Yield a finding's line, its other places and the advice."""
    kind = paint(finding.severity, f"{finding.severity}[{finding.code}]")
    yield f"{_place(finding.place)}: {kind}: {visible(finding.message)}"
    for related in finding.related:
        yield f"  {_place(related.place)}: {visible(related.message)}"
    if finding.not_listed:
        yield f"  and {finding.not_listed} more places"
    yield f"  {paint('help', 'help:')} {visible(finding.help)}"


def visible_lines(text: str) -> str:
    """Escape what is not printable, line by line."""
    return "\n".join(visible(line) for line in text.split("\n"))


def _place(place: Place) -> str:
    return f"{visible(place.file)}:{place.line}:{place.column}"


def _files(report: Report) -> str:
    if report.changed or report.removed:
        lines = [("wrote", report.changed), ("removed", report.removed)]
        return "".join(f"{verb} {', '.join(map(visible, names))}\n" for verb, names in lines if names)
    if report.stale:
        return "wrote nothing\n"
    return f"up to date: {', '.join(visible(name) for name in report.files)}\n" if report.files else ""


def _summary(report: Report, paint: Paint) -> str:
    counts = report.counts or {"event": len(report.contract.events), "handler": report.contract.handlers}
    summary = ", ".join(counted(number, noun) for noun, number in counts.items())
    errors = sum(is_error(finding) for finding in report.findings)
    warnings = len(report.findings) - errors
    found = [
        *([paint("error", counted(errors, "error"))] if errors else []),
        *([paint("warning", counted(warnings, "warning"))] if warnings else []),
    ]
    return f"{summary} in {counted(report.files_scanned, 'file')}: {', '.join(found) or 'nothing to report'}"


def counted(number: int, noun: str) -> str:
    """Format a number of things: "1 file", "2 files"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
