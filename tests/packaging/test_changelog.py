"""The fragments of the changelog are read as they are meant."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAME = re.compile(r"\+[a-z0-9-]+\.(added|changed|deprecated|removed|fixed|security)\.md")


def test_every_fragment_is_in_the_draft_of_the_next_release() -> None:
    """One that is misnamed would be left out of the release without a word."""
    fragments = sorted(
        file for file in (ROOT / "changelog.d").iterdir() if file.name not in {"README.md", ".gitignore"}
    )
    assert [file.name for file in fragments if not NAME.fullmatch(file.name)] == []
    command = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "9.9.9"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    draft = " ".join(done.stdout.split())
    assert "## [9.9.9] - " in draft
    assert [file.name for file in fragments if " ".join(file.read_text().split()) not in draft] == []
