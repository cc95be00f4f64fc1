from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.projects import SERVICES, SHOP, Shell


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


@pytest.fixture
def storefront(empty: Shell) -> Shell:
    """The service that sends, beside the one that handles; nothing was pulled."""
    for name in ("orders", "storefront"):
        shutil.copytree(SERVICES / name, empty.root.parent / name, ignore=shutil.ignore_patterns(".upnext"))
    shutil.copytree(empty.root.parent / "storefront", empty.root, dirs_exist_ok=True)
    (empty.root / "upnext.imports.lock").unlink()
    return empty
