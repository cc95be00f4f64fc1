"""What users see of the plugin in a run of mypy."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from mypy.options import Options
from mypy.plugin import ReportConfigContext

from tests.installed import Installed
from tests.plugin.script import CONFIGURATION, FAST, MANY, Project
from upnext_mypy import plugin

# Several runs of mypy each.
pytestmark = pytest.mark.timeout(600)

WRONG_SETTING = "\n[tool.upnext]\ncolour = 1\n"
TOLD = (
    "upnext: the catalog was not brought up to date: Unknown key 'colour' in [tool.upnext]; "
    "the keys are src, exclude, include, out, catalog, extra, ignore, refresh, closed, run, owner.\n"
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


NOT_REFRESHED = "\n[tool.upnext]\nrefresh = false\n"
STALE = """\
src/app/events.py:3: error: src/upnext_catalog.pyi is out of date  [upnext-stale]
src/app/events.py:3: note: upnext.lock is out of date
src/app/events.py:3: note: run `upnext gen`
"""
MISSING = """\
src/app/events.py:3: error: src/upnext_catalog.pyi was never generated  [upnext-stale]
src/app/events.py:3: note: upnext.lock was never generated
src/app/events.py:3: note: run `upnext gen`
"""


@pytest.mark.parametrize("flags", [(), pytest.param(("-n", "2"), marks=pytest.mark.modes)])
def test_with_refresh_turned_off_a_catalog_that_is_not_up_to_date_is_an_error(
    flags: tuple[str, ...], installed: Installed, tmp_path: Path
) -> None:
    project = Project(tmp_path, configuration=CONFIGURATION + FAST + NOT_REFRESHED)
    project.create()
    project.write("api", "import app.email\n")

    def run() -> str:
        return installed.run("mypy", *flags, "src", cwd=project.root).stdout

    assert run().startswith(MISSING)
    assert not project.catalog.exists()
    installed.run("upnext", "gen", cwd=project.root)
    assert run().startswith("Success")
    before = project.catalog.read_bytes()
    project.replace("email", "user_id: str", "user: str")
    assert run().startswith(STALE)
    assert run().startswith(STALE)
    assert project.catalog.read_bytes() == before
    project.replace("events", 'Worker("app")', 'Worker("app")  # type: ignore[upnext-stale]')
    assert run().startswith("Success")
    project.replace("events", "  # type: ignore[upnext-stale]", "")
    installed.run("upnext", "gen", cwd=project.root)
    assert run().startswith("Success")


@pytest.mark.modes
def test_with_refresh_turned_off_the_daemon_sees_when_the_catalog_gets_stale(
    installed: Installed, tmp_path: Path
) -> None:
    project = Project(tmp_path, configuration=CONFIGURATION + NOT_REFRESHED)
    project.create()
    project.write("api", "import app.email\n")
    try:
        assert MISSING in installed.run("dmypy", "run", "src", cwd=project.root).stdout
        installed.run("upnext", "gen", cwd=project.root)
        assert "Success" in installed.run("dmypy", "run", "src", cwd=project.root).stdout
        project.replace("email", "user_id: str", "user: str")
        assert STALE in installed.run("dmypy", "run", "src", cwd=project.root).stdout
    finally:
        installed.run("dmypy", "stop", cwd=project.root)


def test_a_catalog_of_workers_with_classes_types_sends_also_while_it_is_stale(
    installed: Installed, tmp_path: Path
) -> None:
    project = Project(tmp_path, configuration=CONFIGURATION + FAST + NOT_REFRESHED)
    project.create()
    project.write("many", MANY)
    installed.run("upnext", "gen", cwd=project.root)
    assert "class AppWorker(" in project.catalog.read_text(encoding="utf-8")
    project.replace("email", "user_id: str", "user: str")
    answer = installed.run("mypy", "src", cwd=project.root)
    assert STALE in answer.stdout
    assert 'api.py:7: error: Event "order.placed" needs "user_id" (str)  [upnext-missing]' in answer.stdout
