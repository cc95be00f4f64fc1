"""The report as one JSON object."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from upnext_codegen.findings import Finding, Related
from upnext_codegen.report import Report

if TYPE_CHECKING:
    from upnext_codegen.fixes.fix import Fix


def as_json(report: Report) -> str:
    """Write a report as JSON, in plain ASCII, so that no terminal or pipe can damage it."""
    data = {
        "diagnostics": [_finding(finding, report.fixes.get(finding)) for finding in report.findings],
        **_counts(report),
        "files_scanned": report.files_scanned,
        "files_parsed": report.files_parsed,
        "changed": [*report.changed, *report.removed],
    }
    if report.notes:
        data["notes"] = [*report.notes]
    return json.dumps(data, indent=2) + "\n"


def _counts(report: Report) -> dict[str, int]:
    if report.counts:
        return {f"{noun}s": number for noun, number in report.counts.items()}
    return {"events": len(report.contract.events), "handlers": report.contract.handlers, "sends": report.sends}


def _finding(finding: Finding, fix: Fix | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "code": finding.code,
        "severity": finding.severity,
        "message": finding.message,
        "file": finding.place.file,
        "line": finding.place.line,
        "column": finding.place.column,
        "help": finding.help,
        "related": [_related(related) for related in finding.related],
    }
    if finding.not_listed:
        found["related_not_listed"] = finding.not_listed
    return found if fix is None else {**found, "fixes": [_fix(fix)]}


def _fix(fix: Fix) -> dict[str, Any]:
    return {"description": fix.description, "edits": [edit._asdict() for edit in fix.edits]}


def _related(related: Related) -> dict[str, Any]:
    return {
        "file": related.place.file,
        "line": related.place.line,
        "column": related.place.column,
        "message": related.message,
    }
