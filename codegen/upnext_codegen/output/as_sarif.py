"""The report as SARIF 2.1.0, which code scanners and editors read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from upnext_codegen.findings import Finding
from upnext_codegen.records import Place
from upnext_codegen.report import Report
from upnext_codegen.rules import CODES, former_codes, rule

if TYPE_CHECKING:
    from upnext_codegen.fixes.fix import Fix

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def as_sarif(report: Report) -> str:
    """Write a report as SARIF, with the rules of all codes, so that rule numbers never depend on what was found."""
    driver = {"name": "upnext", "rules": [_rule(code) for code in CODES]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        **({"invocations": [_invocation(report.notes)]} if report.notes else {}),
        "results": [_result(finding, report.fixes.get(finding)) for finding in report.findings],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _invocation(notes: tuple[str, ...]) -> dict[str, Any]:
    return {
        "executionSuccessful": True,
        "toolExecutionNotifications": [{"level": "note", "message": {"text": note}} for note in notes],
    }


def _rule(code: str) -> dict[str, Any]:
    found = rule(code)
    former = former_codes(code)
    return {
        "id": code,
        **({"deprecatedIds": list(former)} if former else {}),
        "shortDescription": {"text": found.title},
        "fullDescription": {"text": found.text},
        "defaultConfiguration": {"level": found.severity},
    }


def _result(finding: Finding, fix: Fix | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": CODES.index(finding.code),
        "level": finding.severity,
        "message": {"text": f"{finding.message}. Help: {finding.help}"},
        "locations": [_location(finding.place)],
        "relatedLocations": [
            {"id": number, **_location(related.place), "message": {"text": related.message}}
            for number, related in enumerate(finding.related)
        ],
    }
    if finding.not_listed:
        found["properties"] = {"relatedNotListed": finding.not_listed}
    return found if fix is None else {**found, "fixes": [_fix(fix)]}


def _fix(fix: Fix) -> dict[str, Any]:
    return {
        "description": {"text": fix.description},
        "artifactChanges": [
            {
                "artifactLocation": _artifact(edit.file),
                "replacements": [
                    {
                        "deletedRegion": {
                            "startLine": edit.line,
                            "startColumn": edit.column,
                            "endLine": edit.end_line,
                            "endColumn": edit.end_column,
                        },
                        "insertedContent": {"text": edit.text},
                    }
                ],
            }
            for edit in fix.edits
        ],
    }


def _artifact(file: str) -> dict[str, str]:
    return {"uri": quote(file.encode("utf-8", "surrogateescape")), "uriBaseId": "%SRCROOT%"}


def _location(place: Place) -> dict[str, Any]:
    return {
        "physicalLocation": {
            "artifactLocation": _artifact(place.file),
            "region": {"startLine": place.line, "startColumn": place.column},
        }
    }
