"""What type checkers see before there is a catalog, and how complete the types of the public API are."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

import upnext
from tests.checkers import CHECKERS, STRICT, USUALLY, marked
from tests.installed import TOOLS, Installed, answer_of


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a project that has generated nothing."""
    target = tmp_path_factory.mktemp("typing") / "project"
    shutil.copytree(Path(__file__).parent / "project", target)
    return target


@pytest.mark.parametrize("checker", USUALLY)
def test_without_a_catalog_handlers_are_typed_by_themselves_and_events_are_not(
    checker: str, project: Path, installed: Installed
) -> None:
    verdict = CHECKERS[checker](project, installed)
    assert sorted(verdict.errors) == sorted(marked(project)), verdict.output


@pytest.mark.parametrize("checker", ["mypy", pytest.param("pyright", marks=pytest.mark.modes)])
def test_strict_settings_find_no_fault_in_using_the_public_api(
    checker: str, project: Path, installed: Installed
) -> None:
    verdict = STRICT[checker](project, installed)
    assert sorted(verdict.errors) == sorted(marked(project)), verdict.output


@pytest.mark.modes  # `make types` says the same of nearly all of them
def test_every_type_of_the_public_api_is_written_down(installed: Installed, tmp_path: Path) -> None:
    # pyright verifies the package that the interpreter on the path has.
    path = os.pathsep.join([str(installed.python.parent), os.environ["PATH"]])
    command = (str(TOOLS / "pyright"), "--verifytypes", "upnext", "--ignoreexternal", "--outputjson")
    answer = answer_of(*command, cwd=tmp_path, PATH=path)
    symbols = json.loads(answer.stdout)["typeCompleteness"]["symbols"]
    public = {f"{getattr(upnext, name).__module__}.{name}" for name in upnext.__all__}
    assert public <= {symbol["name"] for symbol in symbols}, answer.stderr
    incomplete = [symbol["name"] for symbol in symbols if not symbol["isTypeKnown"] or symbol["isTypeAmbiguous"]]
    assert [name for name in incomplete if any(f"{name}.".startswith(f"{each}.") for each in public)] == []
