"""Events with many handlers: the work grows as they do, and reports are bounded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.codegen.reading import HEAD, read
from tests.contract.counting import lines_run
from tests.contract.writing import MODELS, handlers, merged, said, written
from upnext_codegen.contract import Contract
from upnext_codegen.fixes.fix import Fixer
from upnext_codegen.merging.meet import meet
from upnext_codegen.merging.merge import merge
from upnext_codegen.output.as_github import as_github
from upnext_codegen.output.as_json import as_json
from upnext_codegen.output.as_sarif import as_sarif
from upnext_codegen.report import Report
from upnext_codegen.types import Type, UnionType
from upnext_codegen.types.traversal import parts


def own_field_each(count: int, others: str) -> str:
    return "\n".join(f"h{n}(f{n}: int{others})" for n in range(count))


@pytest.mark.parametrize("others", [", **k: object", ", **k: int"])
def test_handlers_with_a_field_of_their_own_each_are_merged_in_steps_that_grow_as_they_do(others: str) -> None:
    few, many = (handlers(own_field_each(count, others)) for count in (50, 100))
    merge("e", few, MODELS, open_to_extras=True)  # What is worked out only once is not to count.
    steps = lines_run(lambda: merge("e", few, MODELS, open_to_extras=True))
    assert lines_run(lambda: merge("e", many, MODELS, open_to_extras=True)) < 2.5 * steps


UNIONS = {
    "classes": ["M{0}"] * 4,
    "containers": ["list[M{0}]", "list[M{0}]", "Sequence[M{0}]", "Collection[M{0}]"],
    "containers of alternatives": ["Sequence[M{0} | N{0}]", "Sequence[M{0}]", "list[M{0}]", "Iterable[M{0}]"],
    "tuples": ["tuple[M{0}, int]", "tuple[M{0}, float]", "tuple[M{0}, bool]", "Sequence[M{0} | int]"],
    "mappings": ["dict[M{0}, int]", "dict[M{0}, int]", "Mapping[M{0}, float]", "Mapping[M{0}, int]"],
    "literals": ["Literal[{0}]"] * 4,
    "literals in containers": ["list[Literal[{0}]]"] * 4,
    "classes below two others": ["M{0} | A", "M{0} | B", "M{0} | Both", "M{0} | Both"],
}


@pytest.mark.parametrize("kind", UNIONS)
def test_unions_of_many_alternatives_are_met_in_steps_that_grow_as_they_do(kind: str) -> None:
    def sides(count: int) -> list[Type]:
        numbers = [[(number * 7 + start) % count for number in range(count)] for start in range(4)]
        return [
            UnionType(tuple(part for number in order for part in parts(written(form.format(number)))))
            for form, order in zip(UNIONS[kind], numbers, strict=True)
        ]

    few, many = sides(40), sides(80)
    found = meet(few, MODELS)
    assert found is not None
    assert len(parts(found)) in {1, 40, 41}
    meet(many, MODELS)  # What is worked out only once is not to count.
    assert lines_run(lambda: meet(many, MODELS)) < 2.5 * lines_run(lambda: meet(few, MODELS))


def test_fixes_of_handlers_that_shut_out_one_another_take_steps_that_grow_as_they_do(tmp_path: Path) -> None:
    """Each handler is in the findings of all others."""

    def steps(count: int) -> int:
        app = "\n".join(f"@placed.on\ndef h{n}(f{n}: int): ..." for n in range(count))
        root = tmp_path / str(count)
        scanned, _ = read(root, {"app.py": f"{HEAD}{app}\n"})
        result = merge("order.placed", scanned.handlers, MODELS, open_to_extras=True)
        fixer = Fixer(root, Contract((result.contract,)))
        source = fixer.changed(result.findings)["app.py"][1]
        assert source.count(b"**kwargs: object") == count
        return lines_run(lambda: Fixer(root, Contract((result.contract,))).fixes(result.findings[:2]))

    steps(2)
    assert steps(40) < 2.5 * steps(20)


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
