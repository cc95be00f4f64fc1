"""However mypy is run, after each edit it reports what a cold run reports."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.installed import Installed
from tests.plugin.script import CONFIGURATION, STEPS, Project

ERROR = re.compile(r"^(?:src/)?app/api\.py:(\d+): error: .*\[([\w-]+)\]$", re.MULTILINE)


@pytest.fixture
def daemon(installed: Installed, tmp_path: Path) -> Iterator[Path]:
    """Give the folder of a daemon's project, and stop the daemon."""
    yield tmp_path
    installed.run("dmypy", "stop", cwd=tmp_path)


def errors(output: str) -> tuple[str, ...]:
    """Return each line of api.py that has errors, with their codes."""
    found = {(int(line), code) for line, code in ERROR.findall(output)}
    assert len(ERROR.findall(output)) == output.count(": error:"), output
    return tuple(f"{line} {code}" for line, code in sorted(found, key=lambda each: (each[0], each[1] != "call-arg")))


def follow_the_script(project: Project, installed: Installed, *command: str, cold: bool = False) -> None:
    project.create()
    for step in STEPS:
        step.apply(project)
        if cold:
            project.catalog.unlink(missing_ok=True)
        answer = installed.run(*command, cwd=project.root)
        assert errors(answer.stdout) == step.errors, f"{step.what}\n{answer.stdout}{answer.stderr}"
        assert answer.stderr == "", step.what


def test_cold_runs_report_the_errors_of_each_edit(installed: Installed, tmp_path: Path) -> None:
    follow_the_script(Project(tmp_path), installed, "mypy", "--no-incremental", "src", cold=True)


@pytest.mark.parametrize("target", [".", "src", "src/app/api.py"])
def test_warm_runs_report_what_cold_runs_report(target: str, installed: Installed, tmp_path: Path) -> None:
    follow_the_script(Project(tmp_path), installed, "mypy", target)


def test_parallel_warm_runs_report_what_cold_runs_report(installed: Installed, tmp_path: Path) -> None:
    follow_the_script(Project(tmp_path), installed, "mypy", "-n", "2", ".")


def test_the_daemon_reports_in_a_flat_project_what_cold_runs_report(installed: Installed, daemon: Path) -> None:
    # Not the faster configuration: the daemon of mypy 2.4 crashes over modules that are skipped.
    follow_the_script(Project(daemon, "", configuration=CONFIGURATION), installed, "dmypy", "run", ".")
