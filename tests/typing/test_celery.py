"""Calls of Celery tasks, with the file that `upnext celery gen` writes, in the five type checkers."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.checkers import CHECKERS, SELDOM_PYRIGHT, STRICT, marked
from tests.installed import Installed
from upnext.cli import main

DEVELOPMENT = Installed(Path(sys.prefix))
"""Celery is installed there, with its stubs."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a project whose tasks are typed, but for those of one file."""
    target = tmp_path_factory.mktemp("typing") / "project"
    shutil.copytree(Path(__file__).parents[1] / "conformance" / "celery_project", target)
    new = (target / "shop" / "new.py").rename(target / "new.py")
    assert main(["celery", "gen", str(target / "shop")]) == 1  # the wrong calls are findings as well
    new.rename(target / "shop" / "new.py")
    (target / ".mypy_cache").mkdir()  # not the one of the environment of other tests
    (target / ".mypy_cache--strict").mkdir()
    return target


@pytest.mark.parametrize("checker", SELDOM_PYRIGHT)
def test_calls_are_checked_by_the_parameters_of_their_task(checker: str, project: Path) -> None:
    verdict = CHECKERS[checker](project, DEVELOPMENT)
    assert sorted(verdict.errors) == sorted(marked(project)), verdict.output


@pytest.mark.modes
@pytest.mark.parametrize("checker", STRICT)
def test_the_generated_file_is_clean_at_the_strictest_settings(checker: str, project: Path) -> None:
    verdict = STRICT[checker](project, DEVELOPMENT)
    assert [each for each in verdict.errors if each.startswith("upnext_celery")] == [], verdict.output
