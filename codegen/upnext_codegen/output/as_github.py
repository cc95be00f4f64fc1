"""The report as workflow commands, which GitHub shows beside the lines of a pull request."""

from __future__ import annotations

from upnext_codegen.escaped_text import visible
from upnext_codegen.findings import Finding
from upnext_codegen.report import Report


def as_github(report: Report) -> str:
    """Write a command for each finding, and for each note."""
    notes = (f"::notice title=upnext::{_data(visible(note))}" for note in report.notes)
    return "".join(f"{command}\n" for command in (*map(_command, report.findings), *notes))


def _command(finding: Finding) -> str:
    place = finding.place
    lines = [
        finding.message,
        *(f"{item.place.file}:{item.place.line}:{item.place.column}: {item.message}" for item in finding.related),
        *([f"and {finding.not_listed} more places"] if finding.not_listed else []),
        f"help: {finding.help}",
    ]
    text = _data("\n".join(visible(line) for line in lines))
    where = f"file={_property(visible(place.file))},line={place.line},col={place.column}"
    return f"::{finding.severity} {where},title={finding.code}::{text}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
