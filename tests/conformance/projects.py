"""The projects that the checkers read, each with its catalog."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.installed import ROOT, Installed

PROJECT = Path(__file__).parent / "project"
SHOP = ROOT / "examples" / "shop"


def generate(source: Path, target: Path, installed: Installed) -> str:
    """Copy a project, write its catalog and return what `upnext gen` reported."""
    # Tests need pytest, which those who only use upnext may not have.
    left_out = shutil.ignore_patterns("upnext_catalog.pyi", "upnext.lock", ".*", "__pycache__", "tests")
    shutil.copytree(source, target, ignore=left_out, dirs_exist_ok=True)
    answer = installed.run("upnext", "gen", cwd=target)
    assert answer.returncode in {0, 1}, answer.stdout + answer.stderr
    return answer.stdout
