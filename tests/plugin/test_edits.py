"""However mypy is run, after each edit it says what a cold run says: every error, and every note."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.installed import ROOT, TOOLS, Installed, answer_of, install
from tests.plugin.script import CONFIGURATION, STEPS, Project, expected, said

# A dozen and a half runs of mypy each; what counts is what they say, on a busy machine as well.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def daemon(installed: Installed, tmp_path: Path) -> Iterator[Path]:
    """Give the folder of a daemon's project, and stop the daemon."""
    yield tmp_path
    installed.run("dmypy", "stop", cwd=tmp_path)


def follow_the_script(
    project: Project, installed: Installed, *command: str, cold: bool = False, **variables: str
) -> None:
    project.create()
    wanted = expected()
    assert list(wanted) == [what for what, _ in STEPS]
    for what, apply in STEPS:
        apply(project)
        if cold:
            project.catalog.unlink(missing_ok=True)
        answer = installed.run(*command, cwd=project.root, **variables)
        assert said(answer.stdout) == wanted[what], f"{what}\n{answer.stdout}{answer.stderr}"
        assert answer.stderr == "", what


@pytest.fixture(scope="module")
def oldest(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Give an environment with the oldest mypy that is supported."""
    (least,) = re.findall(r'"mypy>=([\d.]+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    environment = install(tmp_path_factory.mktemp("oldest"))
    answer = answer_of(
        *(str(TOOLS / "uv"), "pip", "install", "--quiet", "--python", str(environment.python), f"mypy=={least}.*"),
        cwd=ROOT,
    )
    assert answer.returncode == 0, answer.stderr
    return environment


@pytest.mark.parametrize("target", [".", pytest.param("src/app/api.py", marks=pytest.mark.modes)])
def test_warm_runs_say_what_cold_runs_say(target: str, installed: Installed, tmp_path: Path) -> None:
    follow_the_script(Project(tmp_path), installed, "mypy", target)


@pytest.mark.modes
def test_parallel_warm_runs_say_what_cold_runs_say(installed: Installed, tmp_path: Path) -> None:
    follow_the_script(Project(tmp_path), installed, "mypy", "-n", "2", ".")


def test_the_daemon_says_in_a_flat_project_what_cold_runs_say(
    installed: Installed, bare: Installed, daemon: Path
) -> None:
    """Also where it has read the default catalog, when the first event is declared."""
    # In place of the faster configuration: the daemon of mypy 2.4 crashes over modules that are skipped.
    configuration = f'{CONFIGURATION}python_executable = "{bare.python}"\n'
    (daemon / "pyproject.toml").write_text(configuration, encoding="utf-8")
    (daemon / "main.py").write_text("import upnext\n", encoding="utf-8")
    assert "Success" in installed.run("dmypy", "run", ".", cwd=daemon).stdout
    assert not (daemon / "upnext_catalog.pyi").exists()
    follow_the_script(Project(daemon, "", configuration=configuration), installed, "dmypy", "run", ".")


@pytest.mark.modes
def test_cold_runs_say_what_is_expected(installed: Installed, tmp_path: Path) -> None:
    # Only alone: mypy's parallel mode must have a cache.
    follow_the_script(Project(tmp_path), installed, "mypy", "--cache-dir", os.devnull, "src", cold=True)


@pytest.mark.modes
@pytest.mark.parametrize(
    "arguments",
    [
        "src",
        "-p app",
        "-m app.api",
        "src/app",
        "--sqlite-cache .",
        "--no-sqlite-cache .",
        "--no-fixed-format-cache .",
        "--no-native-parser .",
        "--python-version 3.13 .",
        "--cache-fine-grained .",
        "-n 2 src",
        "-n 2 -p app",
    ],
)
def test_in_every_mode_a_warm_run_says_what_a_cold_one_says(
    arguments: str, installed: Installed, tmp_path: Path
) -> None:
    environment = {"MYPYPATH": "src"} if " app" in f" {arguments}" else {}
    follow_the_script(Project(tmp_path), installed, "mypy", *arguments.split(), **environment)


@pytest.mark.modes
@pytest.mark.parametrize("target", [".", "src/app/api.py"])
def test_the_oldest_mypy_says_what_the_newest_says(target: str, oldest: Installed, tmp_path: Path) -> None:
    follow_the_script(Project(tmp_path), oldest, "mypy", target)


@pytest.mark.modes
@pytest.mark.parametrize("target", [".", "src", "src/app/api.py"])
def test_the_daemon_says_what_cold_runs_say(target: str, installed: Installed, daemon: Path) -> None:
    follow_the_script(Project(daemon, configuration=CONFIGURATION), installed, "dmypy", "run", target)


@pytest.mark.modes
def test_the_daemon_of_the_oldest_mypy_says_what_cold_runs_say(oldest: Installed, tmp_path: Path) -> None:
    try:
        follow_the_script(Project(tmp_path, configuration=CONFIGURATION), oldest, "dmypy", "run", ".")
    finally:
        oldest.run("dmypy", "stop", cwd=tmp_path)
