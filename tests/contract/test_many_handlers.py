"""Events with many handlers: the work grows as they do, and reports are bounded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.codegen.reading import HEAD, read
from tests.contract.counting import lines_run
from tests.contract.writing import MODELS, handlers, merged, said
from upnext_codegen.contract import Contract
from upnext_codegen.fixes.fix import Fixer
from upnext_codegen.merging.merge import merge
from upnext_codegen.output.as_github import as_github
from upnext_codegen.output.as_json import as_json
from upnext_codegen.output.as_sarif import as_sarif
from upnext_codegen.report import Report


def own_field_each(count: int, others: str) -> str:
    return "\n".join(f"h{n}(f{n}: int{others})" for n in range(count))


@pytest.mark.parametrize("others", [", **k: object", ", **k: int"])
def test_handlers_with_a_field_of_their_own_each_are_merged_in_steps_that_grow_as_they_do(others: str) -> None:
    few, many = (handlers(own_field_each(count, others)) for count in (50, 100))
    merge("e", few, MODELS, open_to_extras=True)  # What is worked out only once is not to count.
    steps = lines_run(lambda: merge("e", few, MODELS, open_to_extras=True))
    assert lines_run(lambda: merge("e", many, MODELS, open_to_extras=True)) < 2.5 * steps


def test_a_finding_of_many_handlers_lists_some_and_tells_how_many_more() -> None:
    finding, *_ = merged(own_field_each(62, "")).findings
    assert (finding.code, len(finding.related), finding.not_listed) == ("UPN102", 50, 11)
    assert finding.message.endswith('"h9", "h10" and 51 more')
    assert said((finding,)).splitlines()[-2].strip() == "and 11 more places"
    report = Report(
        (finding,), Contract(), checked=False, files=(), changed=(), removed=(), stale=False, diffs=(), files_scanned=1
    )
    assert "%0Aand 11 more places%0A" in as_github(report)
    assert json.loads(as_json(report))["diagnostics"][0]["related_not_listed"] == 11
    assert json.loads(as_sarif(report))["runs"][0]["results"][0]["properties"] == {"relatedNotListed": 11}


def test_handlers_that_disagree_in_many_places_are_not_all_listed() -> None:
    text = "\n".join(f"h{n}(f: {'str' if n else 'int'})" for n in range(60))
    (finding,) = merged(text).findings
    assert (finding.code, len(finding.related), finding.not_listed) == ("UPN101", 50, 9)


def test_a_finding_that_does_not_list_all_places_has_no_fix(tmp_path: Path) -> None:
    app = "\n".join(f"@placed.on\ndef h{n}(f{n}: int): ..." for n in range(60))
    source = f"{HEAD}{app}\n"
    scanned, _ = read(tmp_path, {"app.py": source})
    result = merge("order.placed", scanned.handlers, MODELS, open_to_extras=True)
    assert {finding.not_listed for finding in result.findings} == {9}
    assert Fixer(tmp_path, Contract((result.contract,))).changed(result.findings) == {}
