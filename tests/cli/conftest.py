from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.projects import SHOP, Shell


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """Give an empty project that is the current folder."""
    root = tmp_path / "project"
    root.mkdir()
    (root / "pyproject.toml").touch()
    monkeypatch.chdir(root)
    return Shell(root, capsys)


@pytest.fixture
def shop(empty: Shell) -> Shell:
    """Give a project without a fault."""
    empty.write(SHOP)
    return empty
