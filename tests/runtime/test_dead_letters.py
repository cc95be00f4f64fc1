"""`upnext dead`: filters, one letter at length, replay and purge of many."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
import redis

import upnext
from tests.runtime.running import running
from upnext.broker.claims import DeadLetter
from upnext.broker.job_ids import QueueEntry

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
    assert (code, err) == (0, "")
    rows: list[dict[str, Any]] = json.loads(out)["dead_letters"]
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
        client.hset(f"{PREFIX}dead", "other", "no json")
        client.zadd(f"{PREFIX}dead:index", {"other": 1})
    code, out, _ = command("dead", "list", "--format", "json", url=valkey_url)
    assert code == 0
    assert [row["job_id"] for row in json.loads(out)["dead_letters"]] == [job]
    assert "Something among the dead letters is none of ours; it is left alone" in caplog.text


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
    assert out.splitlines()[-2:] == [f"error      ValueError: {CANARY}", f'payload    {{"card": "{CANARY}"}}']
    code, out, err = command("dead", "show", "nonsense", url=valkey_url)
    assert (code, out, err) == (1, "", "upnext: No dead letter with id nonsense; run `upnext dead list`.\n")


@pytest.mark.parametrize("action", [("replay",), ("purge", "--yes")], ids=["replay", "purge"])
def test_many_are_changed_by_filter_and_the_rest_is_left(
    command: Command, valkey_url: str, action: tuple[str, ...]
) -> None:
    """More than a page of them, mixed with others that died in the same moment."""
    jobs = bury(valkey_url, "shop|order.placed|confirm", "shop|order.placed|charge", times=600)
    code, out, err = command("dead", *action, "--handler", "charge", url=valkey_url)
    done = "will run again" if action == ("replay",) else "deleted"
    assert (code, out, err) == (0, f"600 dead letter(s) {done}.\n", "")
    assert listed(command, valkey_url) == jobs[::2]
    with redis.Redis.from_url(valkey_url) as client:
        assert client.hlen(f"{PREFIX}events") == (1200 if action == ("replay",) else 600)
        assert client.llen(f"{PREFIX}queue:shop|order.placed|charge") == (600 if action == ("replay",) else 0)
    code, out, _ = command("dead", *action, "--all", url=valkey_url)
    assert (code, out) == (0, f"600 dead letter(s) {done}.\n")
    assert listed(command, valkey_url) == []


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
