"""SARIF as its schema (2.1.0) has it: every object holds what it must, and nothing that it must not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.corpus import casefile
from upnext.cli import main
from upnext_codegen.contract import Contract
from upnext_codegen.output.as_sarif import as_sarif
from upnext_codegen.report import Report

_URI = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-F]{2})+")
_LEVELS = {"none", "note", "warning", "error"}
Rule = Callable[[Any], None]


def text(value: Any) -> None:
    assert isinstance(value, str)
    assert value


def position(value: Any) -> None:
    assert type(value) is int
    assert value >= 1


def count(value: Any) -> None:
    assert type(value) is int
    assert value >= 0


def uri(value: Any) -> None:
    assert _URI.fullmatch(value), value
    assert ":" not in value.partition("/")[0], value


def one_of(*allowed: str) -> Rule:
    def rule(value: Any) -> None:
        assert value in allowed

    return rule


def each(inner: Rule) -> Rule:
    def rule(value: Any) -> None:
        assert isinstance(value, list)
        for item in value:
            inner(item)

    return rule


def holds(required: dict[str, Rule], optional: dict[str, Rule] | None = None) -> Rule:
    def rule(value: Any) -> None:
        known = required | (optional or {})
        assert required.keys() <= value.keys() <= known.keys()
        for name, inner in value.items():
            known[name](inner)

    return rule


message = holds({"text": text})
place = holds(
    {
        "artifactLocation": holds({"uri": uri}, {"uriBaseId": text}),
        "region": holds({"startLine": position}, {"startColumn": position}),
    }
)
location = holds({"physicalLocation": place}, {"id": count, "message": message})
described = holds(
    {"id": text},
    {
        "deprecatedIds": each(text),
        "shortDescription": message,
        "fullDescription": message,
        "defaultConfiguration": holds({}, {"level": one_of(*_LEVELS)}),
    },
)
region = holds({"startLine": position}, dict.fromkeys(("startColumn", "endLine", "endColumn"), position))
replacement = holds({"deletedRegion": region}, {"insertedContent": holds({}, {"text": lambda value: None})})
change = holds({"artifactLocation": holds({"uri": uri}, {"uriBaseId": text}), "replacements": each(replacement)})
fix = holds({"artifactChanges": each(change)}, {"description": message})
result = holds(
    {"message": message},
    {
        "fixes": each(fix),
        "ruleId": text,
        "ruleIndex": count,
        "level": one_of(*_LEVELS),
        "locations": each(location),
        "relatedLocations": each(location),
    },
)


def truth(value: Any) -> None:
    assert type(value) is bool


notification = holds({"message": message}, {"level": one_of(*_LEVELS)})
invocation = holds({"executionSuccessful": truth}, {"toolExecutionNotifications": each(notification)})
run = holds(
    {"tool": holds({"driver": holds({"name": text}, {"rules": each(described)})})},
    {
        "columnKind": one_of("utf16CodeUnits", "unicodeCodePoints"),
        "invocations": each(invocation),
        "results": each(result),
    },
)
log = holds({"version": one_of("2.1.0"), "runs": each(run)}, {"$schema": text})


@pytest.mark.parametrize(
    "name",
    [
        "command/check-missing",
        "command/hostile-everything",
        "command/not-findable",
        "command/weird-text",
        "merge/closed-reject-each-other",
        "near/two-edits",
        "types/three-sides",
    ],
)
def test_every_object_holds_what_the_schema_allows(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = casefile.read(name)
    casefile.build(case, tmp_path)
    monkeypatch.chdir(tmp_path)
    main(["gen", "--format", "sarif", *case.run])
    data = json.loads(capsys.readouterr().out)
    log(data)
    log(json.loads(as_sarif(Report((), Contract(), checked=True, files=(), notes=("nothing was compared",)))))
    (only,) = data["runs"]
    rules = [rule["id"] for rule in only["tool"]["driver"]["rules"]]
    assert only["results"]
    for found in only["results"]:
        assert rules[found["ruleIndex"]] == found["ruleId"]
        ids = [related["id"] for related in found["relatedLocations"]]
        assert len(set(ids)) == len(ids)
