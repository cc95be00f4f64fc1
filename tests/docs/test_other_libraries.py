"""Their side of the pages about other libraries: it runs as it is shown, and prints what ours prints.

The libraries are in an environment of their own, as they would hold ours to older dependencies: `make compare` makes it
and runs this. Elsewhere these tests are skipped, and say so.
"""

from __future__ import annotations

import ast
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.story import ROOT, blocks
from tests.servers import Server, valkey_binary
from tests.waiting import wait_until

PROGRAMS = Path(os.environ.get("COMPARE_PROGRAMS", ROOT / ".venv" / "compare" / "bin"))
WORKERS = {
    "celery": ("celery", "-A", "shop", "worker", "--concurrency", "1"),
    "dramatiq": ("dramatiq", "shop", "--processes", "1", "--threads", "1"),
    "taskiq": ("taskiq", "worker", "shop:broker", "--workers", "1"),
    "faststream": ("faststream", "run", "shop:app"),
    "arq": ("arq", "shop.WorkerSettings"),
}
"""The command that runs the workers of each, from its own documentation."""

pytestmark = pytest.mark.skipif(
    not PROGRAMS.is_dir(), reason="the other libraries are not installed: `make compare` does"
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Give a server that is reached over TCP, as all of these libraries can."""
    binary = valkey_binary()
    assert binary is not None
    with Server(binary, tmp_path / "server", tcp=True) as server:
        yield server


@pytest.mark.parametrize("name", WORKERS)
def test_their_program_prints_what_ours_prints(name: str, server: Server, tmp_path: Path) -> None:
    page = blocks(f"docs/compare/{name}.md")
    (theirs,) = [block.text for block in page if block.language == "python" and not block.file]
    (shown,) = [shown for block in page for command, shown in block.commands if command == "python use.py"]
    port = server.url.rpartition(":")[2].partition("/")[0]
    source = theirs.replace("localhost:6379", f"127.0.0.1:{port}").replace("Settings()", f"Settings(port={port})")
    (tmp_path / "shop.py").write_text(source, encoding="utf-8")
    program, *arguments = WORKERS[name]
    log = tmp_path / "worker.log"
    with log.open("w") as output:
        worker = subprocess.Popen(
            [PROGRAMS / program, *arguments],
            cwd=tmp_path,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def has_printed_it() -> bool:
        """Whether the program, or the worker for one that waits for nothing, has printed all that ours prints."""
        assert worker.poll() is None, log.read_text()
        done = subprocess.run(
            [PROGRAMS / "python", "shop.py"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        return all(each in done.stdout + log.read_text() for each in texts(shown))

    try:
        wait_until(has_printed_it, timeout=60, what=f"{texts(shown)} of {name}")
    finally:
        os.killpg(worker.pid, signal.SIGKILL)  # how they stop is not looked at
        worker.wait(30)


def texts(shown: str) -> list[str]:
    """Return what is to be looked for in another program's output: the lines, or the values of a dict."""
    found: list[str] = []
    for line in shown.splitlines():
        found += ast.literal_eval(line).values() if line.startswith("{") else [line]
    return found
