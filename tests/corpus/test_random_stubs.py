"""The stub of a random project is Python, and no type checker finds anything in it."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings

from tests.corpus.casefile import Case
from tests.corpus.random_projects import projects
from tests.corpus.together import Together
from tests.installed import Installed

# In one process, they are made once. What `make test` reads are the stubs of all cases, and those of random contracts.
pytestmark = [pytest.mark.xdist_group("stubs of random projects"), pytest.mark.modes]

PROJECTS = int(os.environ.get("UPNEXT_RANDOM_PROJECTS", "60"))
"""How many, always the same ones; a larger number finds more, and takes longer."""


@pytest.fixture(scope="module")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> Together:
    """Give the projects, all in one folder."""
    together = Together(tmp_path_factory.mktemp("random"))

    @settings(max_examples=PROJECTS, derandomize=True, database=None, phases=[Phase.generate])
    @given(projects())
    def build(case: Case) -> None:
        stub = together.add(case) / "upnext_catalog.pyi"
        ast.parse(Path(stub).read_text(encoding="utf-8"))

    build()
    return together


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_no_checker_finds_anything_in_the_stub_of_a_random_project(
    checker: str, stubs: Together, installed: Installed
) -> None:
    assert len(stubs.stubs) > PROJECTS // 2
    assert stubs.reported(checker, installed) == []
