"""Writes expected.txt: `python -m tests.plugin.record`. Read the difference before you commit it."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.installed import TOOLS, answer_of
from tests.plugin.script import EXPECTED, STEPS, Project, said

if __name__ == "__main__":
    parts = ["What mypy says after each edit of script.py, written by record.py.\n\n"]
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder))
        project.create()
        for what, apply in STEPS:
            apply(project)
            answer = answer_of(str(TOOLS / "mypy"), "--no-incremental", "src", cwd=project.root)
            sys.stderr.write(answer.stderr)
            parts.append(f"=== {what}\n{said(answer.stdout)}")
    EXPECTED.write_text("".join(parts), encoding="utf-8")
