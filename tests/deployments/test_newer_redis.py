"""The Redis that the machine brings, where it is newer than the one of the wheel."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deployments.shop import Shop
from tests.runtime.running import running
from tests.servers import Server
from tests.waiting import wait_until_async


def installed_redis() -> Path:
    """Return the server on PATH; skip the test if there is none, or one that is old."""
    found = shutil.which("redis-server")
    if found is None:
        pytest.skip("no redis-server on PATH")
    told = subprocess.run([found, "--version"], capture_output=True, text=True, check=False, timeout=30).stdout
    version = re.search(r"Redis server v=(\d+)", told)
    if version is None or int(version[1]) < 7:
        pytest.skip(f"{found} is not Redis 7 or newer: {told.strip()}")
    return Path(found)


async def test_redis_7_and_newer_deliver_before_and_after_a_restart(tmp_path: Path) -> None:
    """To the same worker, with what was sent while no worker ran."""
    with Server(installed_redis(), tmp_path, appendonly=True, tcp=True) as server:
        shop = Shop(server.url)
        await shop.send(range(10))
        server.restart()
        async with running(shop.worker):
            await shop.send(range(10, 20))
            await wait_until_async(lambda: shop.ran == set(range(20)))
            server.restart()
            receipt = await shop.event.options(delay=0.05).send(n=20)
            assert await receipt.results(timeout=20) == {"handle": None}
        assert shop.ran == set(range(21))
