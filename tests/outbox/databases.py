"""Databases for the tests: SQLite in a file, and PostgreSQL where the machine has it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import free_port


def postgres_programs() -> Path | None:
    """Return the folder with PostgreSQL's programs, of PATH or of Debian's packages; None if there are none."""
    on_path = shutil.which("initdb")
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    candidates = [*folders, *([Path(on_path).resolve().parent] if on_path else [])]
    return next((folder for folder in candidates if (folder / "initdb").exists()), None)


@contextmanager
def postgres(programs: Path) -> Iterator[str]:
    """Run a PostgreSQL server of its own, without durability, and give SQLAlchemy's URL of it."""
    with tempfile.TemporaryDirectory(prefix="upnext-postgres-") as name:
        folder, port = Path(name), free_port()
        # It does not run as root.
        prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        if prefix:
            shutil.chown(folder, "postgres", "postgres")
        data = folder / "data"
        subprocess.run(
            [*prefix, programs / "initdb", "-D", data, "-U", "tests", "-A", "trust", "--no-sync"],
            check=True,
            capture_output=True,
            cwd=folder,
        )
        options = f"-c listen_addresses=127.0.0.1 -p {port} -k {folder} -F -c max_connections=50"
        control = [*prefix, programs / "pg_ctl", "-D", data, "-l", folder / "log", "-w"]
        subprocess.run([*control, "-o", options, "start"], check=True, capture_output=True, cwd=folder)
        try:
            yield f"postgresql+psycopg://tests@127.0.0.1:{port}/postgres"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], check=True, capture_output=True, cwd=folder)
