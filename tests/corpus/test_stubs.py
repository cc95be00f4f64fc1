"""The stub of every case, under every type checker at once: nothing in it is reported."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.checkers import SELDOM_PYRIGHT
from tests.corpus import casefile
from tests.corpus.together import Together
from tests.installed import Installed

pytestmark = pytest.mark.xdist_group("stubs of all cases")  # in one process, they are made once

# A module that stands in the way of `typing_extensions` could not do so from inside a package.
_PLAIN = re.compile(r"(?!typing_extensions\b)(?:[^\W\d]\w*/)*[^\W\d]\w*\.py|pyproject\.toml|\.gitignore")


@pytest.fixture(scope="module")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> Together:
    """Give the projects of all cases whose files are modules with plain names, src layouts and several roots too."""
    together = Together(tmp_path_factory.mktemp("cases"))
    for name in casefile.names():
        case = casefile.read(name)
        if not case.run and case.expected.get("catalog") and all(map(_PLAIN.fullmatch, case.files)):
            together.add(case)
    return together


@pytest.mark.parametrize("checker", SELDOM_PYRIGHT)
def test_no_checker_finds_anything_in_the_stub_of_any_case(checker: str, stubs: Together, installed: Installed) -> None:
    assert len(stubs.stubs) > 200
    folders = {Path(stub).parent.name for stub in stubs.stubs}
    assert {"src", "a", "b", "one", "two"} <= folders
    assert stubs.reported(checker, installed) == []
