"""What is removed from the user's state directory when a server starts: what former projects left, and nothing else."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.embedded.users import Project, client_of

MONTH = 31 * 24 * 3600


@pytest.fixture(autouse=True)
def _own_state_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def projects(tmp_path: Path) -> Iterator[dict[str, Project]]:
    """Give some projects, each of which has used its server; all but `served` have stopped it."""
    found = {name: Project(tmp_path / name) for name in ("gone", "recent", "there", "served")}
    with ExitStack() as opened:
        for name, project in found.items():
            opened.callback(project.close)
            with client_of(project.user()) as client:
                client.set("project", name)
        for name, project in found.items():
            if name != "served":
                project.close()
        yield found


def age(folder: Path) -> None:
    """Make everything in a folder look as if it was last used more than a month ago."""
    then = time.time() - MONTH
    for path in (*folder.iterdir(), folder):
        os.utime(path, (then, then), follow_symlinks=False)


def test_a_server_whose_project_is_gone_for_a_month_is_removed_and_no_other(
    projects: dict[str, Project], project: Project, tmp_path: Path
) -> None:
    """Neither one that runs, nor one that a moved project may still come for, nor what is not a server's folder."""
    folders = {name: each.folder for name, each in projects.items()}
    servers = folders["gone"].parent
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(folders["gone"], elsewhere, ignore=shutil.ignore_patterns("*.sock"))
    elsewhere.chmod(0o700)
    (servers / "link").symlink_to(elsewhere)
    (servers / "unrecorded").mkdir(mode=0o700)
    for name, folder in folders.items():
        if name != "there":
            shutil.rmtree(projects[name].root)
        if name != "recent":
            age(folder)
    age(elsewhere)
    age(servers / "unrecorded")
    assert project.user().url
    kept = {folders[name].name for name in ("recent", "there", "served")}
    assert {path.name for path in servers.iterdir()} == kept | {"link", "unrecorded", project.folder.name}
    assert (elsewhere / "project").exists()
    with client_of(projects["served"].users[0]) as client:
        assert client.get("project") == "served"
