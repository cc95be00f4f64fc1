"""Jobs that are unique by sets: equal sets are equal whatever order each process has them in; lists keep theirs."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

from redis import Redis

import upnext
from tests.runtime.running import running
from upnext.broker.keys import Keys

SENDER = """
import asyncio, json, sys
from dataclasses import dataclass, field
from typing import Any
from pydantic import BaseModel, ConfigDict, Field, RootModel
import upnext

worker = upnext.Worker("sets")

class Item(BaseModel):
    model_config = ConfigDict(extra="allow")
    tags: set[str] = Field(alias="Labels", default_factory=set)
    n: int = 0

class Names(RootModel[set[str]]): ...

@dataclass
class Box:
    corners: frozenset[tuple[int, frozenset[str]]]

@worker.task(unique="tags")
async def of_field(tags: set[str]) -> None: ...

@worker.task(unique=True)
async def of_payload(tags: frozenset[str], n: int) -> None: ...

@worker.task(unique="items")
async def of_models(items: list[Item]) -> None: ...

@worker.task(unique="named")
async def of_dicts(named: dict[str, set[str]]) -> None: ...

@worker.task(unique="box")
async def of_dataclass(box: Box) -> None: ...

@worker.task(unique="names")
async def of_root(names: Names) -> None: ...

@worker.task(unique="tags", name="of_list")
async def of_list(tags: list[str]) -> None: ...

words = ["red", "green", "blue", "x", "y", "z"]
box = Box(frozenset((n, frozenset(words)) for n in range(8)))
listed = words if sys.argv[1] == "1" else words[::-1]

async def main():
    jobs = [
        await of_field.submit(set(words)),
        await of_payload.submit(frozenset(words), 2**60 + 1),
        await of_models.submit([Item(Labels=set(words)), Item(n=3), Item(Labels={"a", "b", "c"}, n=1)]),
        await of_dicts.submit({"a": set(words), "b": set()}),
        await of_dataclass.submit(box),
        await of_root.submit(Names(set(words))),
        await of_list.submit(listed),
    ]
    print(json.dumps([job.existing for job in jobs]))
    await worker.event("sets.sent").send(tags=set(words), inside=[{"deep": set(words)}])

asyncio.run(main())
"""


async def test_equal_sets_make_one_job_and_lists_in_another_order_two(valkey_url: str, tmp_path: Path) -> None:
    """Whether the sender knows the handler or not, and wherever the sets are."""
    worker = upnext.Worker("sets", redis_url=valkey_url)

    @worker.event("sets.sent").on(unique=True)
    async def handle(tags: set[str], inside: list[dict[str, set[str]]]) -> None: ...

    async with running(worker):
        pass
    assert await asyncio.to_thread(senders, valkey_url, tmp_path) == [[False] * 7, [True] * 6 + [False], [True] * 7]
    with Redis.from_url(valkey_url) as server:
        assert server.llen(Keys("default").queue("sets|sets.sent|handle")) == 1


def senders(url: str, folder: Path) -> list[list[bool]]:
    """Run three processes, with another order of sets each; returns which of their sends joined a job."""
    file = folder / "sender.py"
    file.write_text(SENDER)
    found: list[list[bool]] = []
    for seed in ("1", "2", "3"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "UPNEXT_REDIS_URL": url}
        done = subprocess.run([sys.executable, str(file), seed], env=environment, capture_output=True, check=True)
        found.append(json.loads(done.stdout))
    return found
