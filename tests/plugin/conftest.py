"""An environment in which runs of mypy start with a cache of what upnext builds on, as nearly all runs of users do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.forked import run_forked
from tests.installed import TOOLS, Installed, answer_of, without_own
from tests.plugin.cached import WithCache


class Forking(WithCache):
    """Has mypy and the plugin imported before a run, a third of it: for an environment that nobody changes."""

    def run(self, name: str, *arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        if name != "mypy" or "-n" in arguments:
            return super().run(name, *arguments, cwd=cwd, **variables)
        self.give_cache(cwd)
        script = self.folder / "bin" / name
        return subprocess.CompletedProcess(
            [name, *arguments], *run_forked(*arguments, env=without_own(**variables), cwd=cwd, script=script)
        )


@pytest.fixture(scope="session")
def installed(installed: Installed) -> Installed:
    """Give the environment of all test processes."""
    return Forking(installed.folder)


@pytest.fixture(scope="session")
def own_installed(own_installed: Installed) -> Installed:
    """Give the one of this process."""
    return WithCache(own_installed.folder)


@pytest.fixture(scope="session")
def bare(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Give an environment with upnext alone, for mypy to read: what upnext builds on it then need not read at all."""
    folder = tmp_path_factory.mktemp("bare")
    (wheel,) = (installed.folder.parent / "dist").glob("*.whl")
    into = ("--quiet", "--offline", "--no-deps", "--python", str(folder / "bin" / "python"))
    for command in (
        ("venv", "--quiet", "--python", sys.executable, str(folder)),
        ("pip", "install", *into, str(wheel)),
    ):
        answer = answer_of(str(TOOLS / "uv"), *command, cwd=folder)
        assert answer.returncode == 0, answer.stderr
    return Installed(folder)
