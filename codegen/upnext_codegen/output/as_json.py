"""The report as one JSON object."""

from __future__ import annotations

import json
from typing import Any

from upnext_codegen.findings import Finding, Related
from upnext_codegen.report import Report


def as_json(report: Report) -> str:
    """Write a report as JSON; plain ASCII, so that no terminal and no pipe can spoil it."""
    data = {
        "diagnostics": [_finding(finding) for finding in report.findings],
        "events": len(report.contract.events),
        "handlers": report.contract.handlers,
        "sends": report.sends,
        "files_scanned": report.files_scanned,
        "files_parsed": report.files_parsed,
        "changed": [*report.changed, *report.removed],
    }
    return json.dumps(data, indent=2) + "\n"


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "severity": finding.severity,
        "message": finding.message,
        "file": finding.place.file,
        "line": finding.place.line,
        "column": finding.place.column,
        "help": finding.help,
        "related": [_related(related) for related in finding.related],
    }


def _related(related: Related) -> dict[str, Any]:
    return {
        "file": related.place.file,
        "line": related.place.line,
        "column": related.place.column,
        "message": related.message,
    }
