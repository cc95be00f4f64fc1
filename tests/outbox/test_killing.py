"""The outbox under kill -9 at every step; `python -m tests.outbox.killing` does as many runs as one likes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("database", ["sqlite", "postgresql", "django"])
def test_nothing_is_lost_nor_sent_that_was_rolled_back_and_the_order_is_kept(
    database: str, request: pytest.FixtureRequest, tmp_path: Path, valkey_url: str
) -> None:
    url = request.getfixturevalue("postgres_url") if database == "postgresql" else f"{database}:///{tmp_path / 'db'}"
    command = [sys.executable, "-m", "tests.outbox.killing", url, valkey_url, "--runs", "1", "--orders", "12"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
    assert (done.stdout, done.stderr) == ("1 runs, 0 wrong\n", "")
