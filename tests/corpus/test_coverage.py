"""No code and no rule is without a case."""

from __future__ import annotations

import pytest

from tests.corpus import casefile
from tests.corpus.rules import KNOWN, NEED_A_CONFLICT
from upnext_codegen.rules import CODES, rule

ALL = {name: casefile.read(name) for name in casefile.names()}


def test_every_code_is_reported_in_a_case() -> None:
    reported = {f"UPN{code}" for case in ALL.values() for code in case.codes}
    elsewhere = {"UPN432"}  # about jobs on a server: tests/cli/test_deployed.py
    elsewhere |= {code for code in CODES if rule(code).reporter != "`upnext gen`"}  # tests/cli/test_celery.py
    assert reported == set(CODES) - elsewhere


@pytest.mark.parametrize("rule", KNOWN)
def test_every_rule_has_a_case(rule: str) -> None:
    cases = [case for case in ALL.values() if rule in case.rules]
    assert cases
    if rule in NEED_A_CONFLICT:
        assert {bool(case.codes) for case in cases} == {True, False}


def test_every_case_names_rules_that_exist_and_says_what_it_shows() -> None:
    assert {rule for case in ALL.values() for rule in case.rules} <= set(KNOWN)
    assert [name for name, case in ALL.items() if not case.rules or not case.sentence or not case.files] == []
    assert [name for name, case in ALL.items() if case.sentence.endswith(".")] == []


def test_no_two_cases_are_the_same_project() -> None:
    projects = [(case.run, tuple(case.files.items())) for case in ALL.values()]
    assert len(set(projects)) == len(projects)


def test_there_are_at_least_120_cases() -> None:
    assert len(ALL) >= 120
