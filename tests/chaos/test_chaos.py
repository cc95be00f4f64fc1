"""Every accepted send is accounted for, whatever is done to the workers, the sender and the server."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

import pytest

from tests.chaos.ledger import LIMIT
from tests.chaos.run import by_themselves, run

SECONDS = 6  # `make chaos` goes on for as long as it is told, and does each night


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("server", "partitions", "renames"),
    [
        pytest.param("valkey9", 1, False, marks=pytest.mark.xdist_group("chaos-valkey")),
        pytest.param("redis6.2", 3, True, marks=pytest.mark.xdist_group("chaos-redis")),
    ],
)
def test_nothing_that_was_accepted_is_lost_under_random_faults(
    server: str, partitions: int, renames: bool, tmp_path: Path
) -> None:
    """Done or dead, each handler of each event; a failure names the seed that chose the faults.

    With renames two releases run side by side that know the event and a field by other names: no payload is refused.
    """
    seed = secrets.randbelow(1_000_000) * 2 + (server == "valkey9")
    done = asyncio.run(run(seed, SECONDS, tmp_path, partitions=partitions, renames=renames))
    assert done.injected.total() > 0
    assert done.reckoning.accepted > 0
    assert by_themselves(done.ends) == {}, "workers ended that nobody had told to"
    options = f"--seed {seed} --partitions {partitions}{' --renames' if renames else ''}"
    assert done.reckoning.faults == {}, f"python -m tests.chaos --minutes {SECONDS / 60} {options}"
    if partitions == 1:
        # Events come in threes, so that a limit which was not reached was not asked for.
        assert done.reckoning.most == {"limited": LIMIT, "divided": LIMIT}
