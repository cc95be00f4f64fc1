"""Writes docs/conformance.md: what five type checkers find in one project, and what language servers show in another.

python -m tests.conformance
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.checkers import CHECKERS
from tests.conformance import routes
from tests.conformance.projects import PROJECT, generate
from tests.conformance.table import PAGE, column, features, replaced, table
from tests.editors import session
from tests.editors.servers import SERVERS
from tests.installed import install


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        installed = install(Path(folder) / "installed")
        target = Path(folder) / "project"
        generate(PROJECT, target, installed)
        known = features(target)
        columns = {name: column(name, known, check(target, installed).errors) for name, check in CHECKERS.items()}
        shown = {
            name: session.column(name, session.project(Path(folder) / name, installed), installed) for name in SERVERS
        }
        found: dict[str, dict[str, dict[str, str]]] = {name: {} for name in CHECKERS}
        for number, kind in enumerate(routes.KINDS):
            repository = Path(folder).resolve() / f"monorepo{number}"
            routes.build(repository, kind, installed)
            with routes.editable(repository, installed):
                for name in CHECKERS:
                    found[name][kind] = routes.cells(name, repository, installed)
    page = replaced(PAGE.read_text(encoding="utf-8"), "sends", table(columns, known))
    page = replaced(page, "routes", routes.table(found))
    PAGE.write_text(replaced(page, "editors", session.table(shown)), encoding="utf-8")


if __name__ == "__main__":
    main()
