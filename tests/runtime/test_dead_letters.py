"""`upnext dead`: filters, one letter at length, replay and purge of many."""

from __future__ import annotations

import asyncio
import io
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import redis

import upnext
from tests.runtime.running import running
from tests.servers import Server, valkey_binary
from tests.waiting import wait_until_async
from upnext.broker.claims import DeadLetter
from upnext.broker.job_ids import QueueEntry
from upnext.broker.namespace import Namespace
from upnext.cli import dead, main
from upnext.cli.dead_list import Selection
from upnext.connect import reach
from upnext.settings import load

Command: TypeAlias = "Callable[..., tuple[int, str, str]]"

PREFIX = "upnext:{default:0}:"
CANARY = "4711-canary"


def bury(url: str, *handlers: str, times: int = 1) -> list[str]:
    """Put dead letters of these identities on the server, in this order, and return their jobs."""
    jobs = []
    with redis.Redis.from_url(url) as client:
        for n, handler in enumerate(handlers * times):
            job = f"{n:012x}{n:016x}.0"
            letter = DeadLetter.of(handler, QueueEntry(job, 1, 1), "failed", f"ValueError: {CANARY}")
            client.hset(f"{PREFIX}events", letter.event_id, f'1\n{{"card": "{CANARY}"}}')
            client.hset(f"{PREFIX}dead", job, letter.to_json())
            client.zadd(f"{PREFIX}dead:index", {job: 1000 + n // 3})
            jobs.append(job)
    return jobs


def listed(command: Command, url: str, *filters: str) -> list[str]:
    """Return the jobs that `upnext dead list` shows."""
    code, out, err = command("dead", "list", "--format", "json", *filters, url=url)
    rows: list[dict[str, Any]] = json.loads(out)["dead_letters"]
    assert (code, err if rows else "") == (0, "")  # of an empty list it may say that there is no such handler
    return [row["job_id"] for row in rows]


def test_lists_are_filtered_by_event_and_handler(command: Command, valkey_url: str) -> None:
    """A handler goes by its name, or by its whole identity; none is an empty list."""
    one, two, three = bury(
        valkey_url, "shop|order.placed|confirm", "shop|order.placed|charge", "mail|user.left|confirm"
    )
    assert listed(command, valkey_url) == [one, two, three]
    assert listed(command, valkey_url, "--event", "order.placed") == [one, two]
    assert listed(command, valkey_url, "--handler", "confirm") == [one, three]
    assert listed(command, valkey_url, "--handler", "mail|user.left|confirm") == [three]
    assert listed(command, valkey_url, "--event", "order.placed", "--handler", "confirm") == [one]
    assert listed(command, valkey_url, "--event", "nothing") == []


def test_what_is_no_dead_letter_of_ours_is_left_alone(
    command: Command, valkey_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The others are listed; one line says so."""
    (job,) = bury(valkey_url, "shop|order.placed|confirm")
    with redis.Redis.from_url(valkey_url) as client:
        letter = json.loads(DeadLetter.of("a|b|c", QueueEntry("x.0"), "failed", "").to_json())
        junk = [
            "no json",
            "[]",
            "{}",
            *(json.dumps({**letter, **wrong}) for wrong in ({"error": 1}, {"attempts": "x"})),
        ]
        for n, text in enumerate(junk):
            client.hset(f"{PREFIX}dead", f"other{n}", text)
            client.zadd(f"{PREFIX}dead:index", {f"other{n}": 1})
    code, out, _ = command("dead", "list", "--format", "json", url=valkey_url)
    assert code == 0
    assert [row["job_id"] for row in json.loads(out)["dead_letters"]] == [job]
    assert "Ignoring an entry among the dead letters that upnext has not written" in caplog.text


def test_one_is_shown_with_its_error_and_with_its_payload_only_when_asked(command: Command, valkey_url: str) -> None:
    """What was raised is there for whoever looks at that one letter."""
    (job,) = bury(valkey_url, "shop|order.placed|confirm")
    code, out, err = command("dead", "show", job, "--format", "json", url=valkey_url)
    assert (code, err) == (0, "")
    shown = json.loads(out)["dead_letter"]
    assert (json.loads(out)["server"], json.loads(out)["namespace"]) == (valkey_url, "default")
    assert shown == {
        "job_id": job,
        "event_id": job[:-2],
        "event": "order.placed",
        "handler": "confirm",
        "attempts": 1,
        "reason": "failed",
        "worker": "shop",
        "died_at": "1970-01-01T00:00:01.000+00:00",
        "error": f"ValueError: {CANARY}",
        "where": "",
        "traceback": "",
    }
    code, out, err = command("dead", "show", job, "--payload", "--format", "json", url=valkey_url)
    assert json.loads(out)["dead_letter"] == {**shown, "payload": {"card": CANARY}}
    code, out, err = command("dead", "show", job, "--payload", url=valkey_url)
    assert out.splitlines()[-2:] == [f"error       ValueError: {CANARY}", f'payload     {{"card": "{CANARY}"}}']
    code, out, err = command("dead", "show", "nonsense", url=valkey_url)
    assert (code, out, err) == (1, "", "upnext: No dead letter with id nonsense; run `upnext dead list`.\n")


def bury_at(url: str, *letters: tuple[str, float, str, str]) -> None:
    """Put dead letters on the server: handler, how many hours ago, reason, error."""
    with redis.Redis.from_url(url) as client:
        for n, (name, hours, reason, error) in enumerate(letters):
            job = f"{n:012x}{n:016x}.0"
            letter = DeadLetter.of(f"shop|order.placed|{name}", QueueEntry(job, 2), reason, error, where=f"{n}.py:1")
            client.hset(f"{PREFIX}dead", job, letter.to_json())
            client.zadd(f"{PREFIX}dead:index", {job: (time.time() - 3600 * hours) * 1000})


def rows(command: Command, url: str, *filters: str) -> list[int]:
    """Return which of them `upnext dead list` shows."""
    return [int(job_id[:12], 16) for job_id in listed(command, url, *filters)]


def test_lists_are_filtered_by_reason_and_time_and_cut_to_the_latest(command: Command, valkey_url: str) -> None:
    """An age or a moment; what cannot be read is refused."""
    errors = [
        ("a", 50.0, "failed", "E: 1"),
        ("a", 3.0, "crashed", ""),
        ("b", 2.0, "failed", "E: 2"),
        ("b", 0.1, "timeout", ""),
    ]
    bury_at(valkey_url, *errors)
    assert rows(command, valkey_url) == [0, 1, 2, 3]
    assert rows(command, valkey_url, "--reason", "failed") == [0, 2]
    assert rows(command, valkey_url, "--since", "150m") == [2, 3]
    assert rows(command, valkey_url, "--since", "1d") == [1, 2, 3]
    moment = datetime.now(UTC) - timedelta(hours=2.5)
    assert rows(command, valkey_url, "--since", moment.isoformat()) == [2, 3]
    assert rows(command, valkey_url, "--since", moment.replace(tzinfo=None).isoformat(timespec="seconds")) == [2, 3]
    assert rows(command, valkey_url, "--limit", "2") == [2, 3]
    assert rows(command, valkey_url, "--limit", "1", "--reason", "failed") == [2]
    assert rows(command, valkey_url, "--since", "3h", "--handler", "b", "--limit", "9") == [2, 3]
    for arguments in (("--since", "yesterday"), ("--since", ""), ("--limit", "0"), ("--limit", "x"), ("--limit", "-1")):
        code, out, err = command("dead", "list", *arguments, url=valkey_url)
        assert (code, out) == (2, "")
        assert repr(arguments[1]) in err
    assert command("dead", "replay", "--reason", "crashed", url=valkey_url)[0] == 0
    assert command("dead", "purge", "--since", "1h", "--yes", url=valkey_url)[:2] == (0, "1 dead letter deleted.\n")
    assert rows(command, valkey_url) == [0, 1, 2]  # without a payload nothing can run again


def test_a_list_says_when_and_of_what_each_died_and_counts_the_errors(command: Command, valkey_url: str) -> None:
    """In text the first line of each error; the most frequent error first."""
    errors = [("a", 1.0, "failed", "ValueError: no\nsecond line"), ("b", 1.0, "crashed", "3 workers died under it")]
    bury_at(valkey_url, *errors, *[("a", 1.0, "failed", "KeyError: 'x'")] * 3)
    code, out, _ = command("dead", "list", url=valkey_url)
    lines = out.splitlines()
    assert (code, lines[0].split()) == (0, ["died", "job", "event", "handler", "attempts", "reason", "error"])
    assert lines[1].endswith("  failed   ValueError: no")
    assert datetime.fromisoformat(lines[1].split()[0])
    assert [line.split() for line in lines[lines.index("Errors of 5 dead letters") + 1 :]] == [
        ["count", "error", "handler"],
        ["3", "KeyError", "a"],
        ["1", "ValueError", "a"],
        ["1", "crashed", "b"],
    ]
    answer = json.loads(command("dead", "list", "--format", "json", url=valkey_url)[1])
    first = answer["dead_letters"][0]
    assert (first["error"], first["where"]) == ("ValueError: no\nsecond line", "0.py:1")
    assert datetime.fromisoformat(first["died_at"]).tzinfo is not None
    assert "payload" not in first
    assert answer["errors"][0] == {"error": "KeyError", "handler": "a", "count": 3}


def test_a_table_shows_the_hundred_that_died_last_and_counts_all(command: Command, valkey_url: str) -> None:
    bury(valkey_url, "shop|order.placed|confirm", times=250)
    code, out, err = command("dead", "list", url=valkey_url)
    lines = out.splitlines()
    jobs = [int(line.split()[1][:12], 16) for line in lines[1:101]]
    assert (code, err, jobs) == (0, "", [*range(150, 250)])
    assert lines[101] == "These 100 died last; see --limit, --since, --event, --handler and --reason."
    assert lines[103] == "Errors of 250 dead letters"
    more = command("dead", "list", "--limit", "250", url=valkey_url)[1].splitlines()
    assert (len(more), more[252]) == (255, "Errors of 250 dead letters")


class KillingStream(io.StringIO):
    """Takes what is written, and kills a server as soon as something is."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server: Server | None = server

    def write(self, text: str) -> int:
        if self._server is not None and "job_id" in text:
            self._server.kill()
            self._server = None
        return super().write(text)


def test_json_is_whole_when_the_server_goes_away_in_the_middle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has what was read before, and says why there is no more, as does the exit code."""
    binary = valkey_binary()
    assert binary is not None
    with Server(binary, tmp_path) as server:
        bury(server.url, "one", times=600)
        out = KillingStream(server)
        monkeypatch.setattr(sys, "stdout", out)
        assert main(["dead", "list", "--format", "json", "--redis-url", server.url]) == 3
    report = json.loads(out.getvalue())
    assert len(report["dead_letters"]) == 500
    assert [one["partition"] for one in report["unreachable"]] == [0]
    assert "Partial result: no response from partition 0 (" in capsys.readouterr().err


@pytest.mark.parametrize("action", [("replay",), ("purge", "--yes")], ids=["replay", "purge"])
def test_many_are_changed_by_filter_and_the_rest_is_left(
    command: Command, valkey_url: str, action: tuple[str, ...]
) -> None:
    """More than a page of them, mixed with others that died in the same moment."""
    jobs = bury(valkey_url, "shop|order.placed|confirm", "shop|order.placed|charge", times=600)
    code, out, err = command("dead", *action, "--handler", "charge", url=valkey_url)
    done = "will run again" if action == ("replay",) else "deleted"
    assert (code, out, err) == (0, f"600 dead letters {done}.\n", "")
    assert listed(command, valkey_url) == jobs[::2]
    with redis.Redis.from_url(valkey_url) as client:
        assert client.hlen(f"{PREFIX}events") == (1200 if action == ("replay",) else 600)
        assert client.llen(f"{PREFIX}queue:shop|order.placed|charge") == (600 if action == ("replay",) else 0)
    code, out, _ = command("dead", *action, "--all", url=valkey_url)
    assert (code, out) == (0, f"600 dead letters {done}.\n")
    assert listed(command, valkey_url) == []


async def test_each_is_replayed_once_although_it_fails_again_before_the_next_page_is_read(redis_url: str) -> None:
    """A job that is dead again stands behind all others, where nothing is read from that was dead before."""
    worker, attempts = upnext.Worker("shop", redis_url=redis_url, concurrency=100), Counter[str]()

    @worker.event("order.placed").on
    async def confirm(card: str) -> None:
        attempts[upnext.get_current_context().job_id] += 1
        raise ValueError(card)

    jobs = bury(redis_url, "shop|order.placed|confirm", times=1300)
    namespace = await reach(load(redis_url=redis_url))

    async def replay_and_fail(namespace: Namespace, ids: Sequence[str]) -> list[bool]:
        replayed = await dead.replayed(namespace, ids)

        async def all_dead() -> bool:
            return {letter.job_id for letter in await namespace.dead_letters.dead()} >= {*ids}

        await wait_until_async(all_dead, timeout=60)
        return replayed

    async with running(worker):
        counts = [count async for count in dead.change_selected(namespace, replay_and_fail, Selection())]
    assert (sum(counts), attempts) == (1300, Counter(jobs))


def test_unknown_ids_are_named_and_the_others_purged(command: Command, valkey_url: str) -> None:
    """Twice the same id is one."""
    one, two = bury(valkey_url, "shop|order.placed|confirm", "shop|order.placed|charge")
    code, out, err = command("dead", "purge", one, "nonsense", one, "--yes", url=valkey_url)
    assert (code, out) == (1, f"{one} deleted.\n")
    assert err == "upnext: No dead letter with id nonsense; run `upnext dead list`.\n"
    assert listed(command, valkey_url) == [two]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("purge", "--all"), "What is purged cannot be replayed any more: add --yes to do it."),
        (("purge", "x"), "What is purged cannot be replayed any more: add --yes to do it."),
        (("purge", "--yes"), "Pass job ids, or one of --event, --handler, --reason, --since, --all."),
        (("replay",), "Pass job ids, or one of --event, --handler, --reason, --since, --all."),
        (("replay", "x", "--event", "e"), "Pass job ids, or one of --event, --handler, --reason, --since, --all."),
    ],
)
def test_nothing_is_changed_by_a_command_that_is_not_clear(
    command: Command, arguments: tuple[str, ...], words: str
) -> None:
    """It is refused before any server is asked."""
    assert command("dead", *arguments) == (2, "", f"upnext: {words}\n")


async def test_an_event_is_kept_for_its_other_jobs_when_one_is_purged(command: Command, redis_url: str) -> None:
    """The payload goes with the last of them."""
    worker = upnext.Worker("shop", redis_url=redis_url)

    @worker.event("order.placed").on
    async def confirm(card: str) -> None:
        raise ValueError

    @worker.event("order.placed").on
    async def charge(card: str) -> None:
        raise ValueError

    async with running(worker):
        receipt = await worker.event("order.placed").send(card="x")
        with pytest.raises(upnext.JobFailedError):
            await receipt.results(timeout=10)
    with redis.Redis.from_url(redis_url) as client:
        for job, events, open_ in zip(receipt.jobs, (1, 0), (1, 0), strict=True):
            done = await asyncio.to_thread(command, "dead", "purge", job.id, "--yes", url=redis_url)
            assert done == (0, f"{job.id} deleted.\n", "")
            assert (client.hlen(f"{PREFIX}events"), client.hlen(f"{PREFIX}open")) == (events, open_)
        assert not [key for key in client.keys("*") if client.ttl(key) == -1 and b"dead" in key]
