from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.projects import Shell


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """Give a reader's empty folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    return Shell(tmp_path, capsys)
