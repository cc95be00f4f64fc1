"""`make demo`, the smoke test of the product, in surroundings that are not kind to it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[2] / "examples" / "demo.py"


def demo(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the demo without a terminal, with a folder as the current one and as the one for temporary files."""
    settings = os.environ | {"TMPDIR": str(folder), "NO_COLOR": "1"} | variables
    return subprocess.run(
        [
            sys.executable,
            "-E",
            str(DEMO),
        ],  # what is wrong with the variables of Python is wrong with its commands alone
        cwd=folder,
        env=settings,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@pytest.mark.long
def test_the_demo_shows_every_step_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        settings = {"SHOP_PORT": str(taken.getsockname()[1]), "UPNEXT_REDIS_URL": "redis://nowhere.invalid"}
        done = demo(tmp_path, **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "Every step did what it should." in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_demo_says_what_did_not_happen(tmp_path: Path) -> None:
    done = demo(tmp_path, PYTHONHOME=str(tmp_path / "nowhere"))
    assert done.returncode == 1
    assert "demo: failed: `upnext` ended with exit code 1, not 0" in done.stderr
    assert list(tmp_path.iterdir()) == []
