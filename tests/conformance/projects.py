"""The projects that the checkers read, each with its catalog."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.installed import ROOT, Installed
from upnext_codegen.catalog.render import MOST_EVENTS

PROJECT = Path(__file__).parent / "project"
SHOP = ROOT / "examples" / "shop"


FEWER = """
import sys
from upnext.cli import main
from upnext_codegen.catalog import render
render.MOST_EVENTS = int(sys.argv[1])
sys.exit(main(["gen"]))
"""


def generate(source: Path, target: Path, installed: Installed, *, most_events: int = MOST_EVENTS) -> str:
    """Copy a project, write its catalog and return what `upnext gen` reported.

    Args:
        source: The project.
        target: Where to copy it.
        installed: Whose `upnext gen` it is.
        most_events: Above so many the catalog has the form of one of many events; only tests have another number.
    """
    # Tests need pytest, which those who only use upnext may not have.
    left_out = shutil.ignore_patterns("upnext_catalog.pyi", "upnext.lock", ".*", "__pycache__", "tests")
    shutil.copytree(source, target, ignore=left_out, dirs_exist_ok=True)
    command = ("upnext", "gen") if most_events == MOST_EVENTS else ("python", "-c", FEWER, str(most_events))
    answer = installed.run(*command, cwd=target)
    assert answer.returncode in {0, 1}, answer.stdout + answer.stderr
    return answer.stdout
