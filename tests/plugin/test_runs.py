"""What users see of the plugin in a run of mypy."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from mypy.options import Options
from mypy.plugin import ReportConfigContext

from tests.installed import Installed
from tests.plugin.script import CONFIGURATION, FAST, Project
from upnext_mypy import plugin

WRONG_SETTING = "\n[tool.upnext]\ncolour = 1\n"
TOLD = (
    "upnext: the catalog was not brought up to date: Unknown key 'colour' in [tool.upnext]; "
    "the keys are src, exclude, out, extra, ignore, refresh.\n"
)


def test_mypy_started_in_a_subfolder_sees_the_catalog(installed: Installed, tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.create()
    answer = installed.run("mypy", "api.py", cwd=project.root / "src" / "app")
    assert 'Event "order.placed" needs "user_id" (str)  [upnext-missing]' in answer.stdout
    assert project.catalog.is_file()


def test_mypy_with_a_configuration_elsewhere_sees_the_catalog(installed: Installed, tmp_path: Path) -> None:
    project = Project(tmp_path / "code", configuration='[project]\nname = "app"\ndependencies = ["upnext"]\n')
    project.create()
    (tmp_path / "shared.toml").write_text(CONFIGURATION + FAST, encoding="utf-8")
    answer = installed.run("mypy", "--config-file", "../shared.toml", "src", cwd=project.root)
    assert 'Event "order.placed" needs "user_id" (str)  [upnext-missing]' in answer.stdout
    assert answer.stderr == ""


@pytest.mark.parametrize("parallel", [(), ("-n", "2")])
def test_a_fault_is_one_line_on_stderr_and_mypy_goes_on(
    parallel: tuple[str, ...], installed: Installed, tmp_path: Path
) -> None:
    (tmp_path / "pyproject.toml").write_text(CONFIGURATION + WRONG_SETTING, encoding="utf-8")
    (tmp_path / "app.py").write_text("number: int = 1\n", encoding="utf-8")
    answer = installed.run("mypy", *parallel, "app.py", cwd=tmp_path)
    assert (answer.returncode, answer.stdout) == (0, "Success: no issues found in 1 source file\n")
    # Of the processes of a parallel run, one refreshes.
    assert answer.stderr == TOLD


def test_the_catalog_has_its_own_hash_in_the_cache_and_no_other_module_has_any(tmp_path: Path) -> None:
    stub = tmp_path / "upnext_catalog.pyi"
    stub.write_text("class Catalog: ...\n", encoding="utf-8")
    made = plugin("2.4.1")(Options())
    answer = made.report_config_data(ReportConfigContext("upnext_catalog", str(stub), is_check=True))
    assert answer == {"sha256": hashlib.sha256(stub.read_bytes()).hexdigest()}
    assert made.report_config_data(ReportConfigContext("app.events", str(stub), is_check=True)) is None
