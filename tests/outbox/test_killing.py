"""The outbox under kill -9 at every step; `python -m tests.outbox.killing` does as many runs as one likes."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("seed", ["1", "2"])
def test_nothing_is_lost_nor_sent_that_was_rolled_back_and_the_order_is_kept(
    seed: str, database_url: str, valkey_url: str
) -> None:
    command = [sys.executable, "-m", "tests.outbox.killing", database_url, valkey_url, "--runs", "1", "--seed", seed]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
    assert (done.stdout, done.stderr) == ("1 runs, 0 wrong\n", "")
