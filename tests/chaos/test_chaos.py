"""Every accepted send is accounted for, whatever is done to the workers and the server."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

import pytest

from tests.chaos.run import run


@pytest.mark.parametrize("server", ["valkey9", "redis6.2"])
def test_nothing_that_was_accepted_is_lost_under_random_faults(server: str, tmp_path: Path) -> None:
    """Done or dead, each handler of each event; a failure names the seed that chose the faults."""
    seed = secrets.randbelow(1_000_000) * 2 + (server == "valkey9")
    reckoning = asyncio.run(run(seed, 15, tmp_path))
    assert reckoning.accepted > 100
    assert sum(reckoning.faults.values()) > 5
    assert (reckoning.lost, reckoning.ghosts) == ([], []), f"python -m tests.chaos --minutes 0.25 --seed {seed}"
