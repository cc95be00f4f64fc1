"""Runs the five type checkers over the conformance project, and writes what they found into docs/conformance.md.

python -m tests.conformance
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.checkers import CHECKERS
from tests.conformance.projects import PROJECT, generate
from tests.conformance.table import PAGE, column, features, replaced, table
from tests.installed import install


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        installed = install(Path(folder) / "installed")
        target = Path(folder) / "project"
        generate(PROJECT, target, installed)
        known = features(target)
        columns = {name: column(name, known, check(target, installed).errors) for name, check in CHECKERS.items()}
    PAGE.write_text(replaced(PAGE.read_text(encoding="utf-8"), table(columns, known)), encoding="utf-8")


if __name__ == "__main__":
    main()
