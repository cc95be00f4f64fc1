"""`upnext jobs`: list, show and cancel in every state, in several partitions, beside workers, among very many jobs."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
import redis

import upnext
from tests.runtime.running import running
from tests.servers import Server
from tests.waiting import wait_until_async
from upnext.broker.broker import Broker
from upnext.broker.job_ids import new_event_id
from upnext.broker.jobs import JobView
from upnext.broker.keys import Keys

Command: TypeAlias = "Callable[..., tuple[int, str, str]]"
PREFIX = "upnext:{default:0}:"
CANARY = "4711-canary"


async def told(command: Command, *arguments: str, url: str) -> tuple[int, str, str]:
    """Run a command beside the workers of the test."""
    return await asyncio.to_thread(command, *arguments, url=url)


async def jobs(command: Command, url: str, *filters: str) -> list[dict[str, Any]]:
    """Return what `upnext jobs list` shows."""
    code, out, err = await told(command, "jobs", "list", "--format", "json", *filters, url=url)
    assert (code, err) == (0, "")
    found: list[dict[str, Any]] = json.loads(out)["jobs"]
    return found


class Shop:
    """A worker whose handlers run, fail and wait as a test needs it."""

    def __init__(self, url: str, partitions: int = 1) -> None:
        self.worker = upnext.Worker("shop", redis_url=url, concurrency=1, partitions=partitions)
        self.placed, self.paid = self.worker.event("order.placed"), self.worker.event("order.paid")
        self.gate, self.ran = asyncio.Event(), list[str]()

        @self.placed.on
        async def hold(card: str) -> str:
            self.ran.append(card)
            await self.gate.wait()
            return card

        @self.paid.on(retries=3, retry_delay=1000)
        async def fail(card: str) -> None:
            raise ValueError("no such card\nand a second line")


@pytest.mark.parametrize("partitions", [1, 3])
async def test_jobs_are_listed_in_every_state(command: Command, redis_url: str, partitions: int) -> None:
    """With what is known of each, and never the payload."""
    shop = Shop(redis_url, partitions)
    async with running(shop.worker):
        retrying = (await shop.paid.send(card=CANARY)).jobs[0].id
        await wait_until_async(lambda: _told_state(command, redis_url, "retrying"), timeout=30)
        held = (await shop.placed.send(card=CANARY)).jobs[0].id
        await wait_until_async(lambda: shop.ran == [CANARY])
        waiting = [(await shop.placed.send(card=CANARY)).jobs[0].id for _ in range(3)]
        delayed = (await shop.placed.options(delay=500).send(card=CANARY)).jobs[0].id
        rows = await jobs(command, redis_url)
        states = {row["job_id"]: row["state"] for row in rows}
        assert {id_: states[id_] for id_ in (held, retrying, delayed)} == {
            held: "running",
            retrying: "retrying",
            delayed: "delayed",
        }
        # One process claims a job for each partition, which then waits for its slot.
        assert {states[id_] for id_ in waiting} <= {"waiting", "running"}
        row = next(row for row in rows if row["job_id"] == retrying)
        assert (row["event"], row["handler"], row["attempts"], row["failures"]) == ("order.paid", "fail", 1, 1)
        assert row["error"].startswith("ValueError: no such card")
        assert row["where"].startswith("ValueError at ")
        assert row["due_at"] > row["sent_at"]
        assert next(row for row in rows if row["job_id"] == held)["process"].startswith("shop (")
        assert [row["job_id"] for row in await jobs(command, redis_url, "--state", "delayed")] == [delayed]
        assert [row["job_id"] for row in await jobs(command, redis_url, "--handler", "fail")] == [retrying]
        assert [row["job_id"] for row in await jobs(command, redis_url, "--event", "order.paid")] == [retrying]
        assert len(await jobs(command, redis_url, "--limit", "2")) == 2
        code, text, _ = await told(command, "jobs", "list", url=redis_url)
        assert (code, CANARY in text + json.dumps(rows)) == (0, False)
        assert text.splitlines()[0].split()[:3] == ["job", "event", "handler"]
        assert "ValueError: no such card" in text
        shop.gate.set()
        await wait_until_async(lambda: len(shop.ran) == 4)
        await wait_until_async(lambda: _told_state(command, redis_url, "done"), timeout=30)
        done = await jobs(command, redis_url, "--state", "done")
        ended = next(row for row in done if row["job_id"] == held)
        assert (ended["attempts"], ended["failures"]) == (None, None), "nobody keeps them"
        _, out, _ = await told(command, "jobs", "show", held, "--format", "json", url=redis_url)
        shown = json.loads(out)["job"]
        assert (shown["state"], shown["attempts"], shown["failures"]) == ("done", None, None)
        placed = next(row for row in rows if row["job_id"] == held)
        assert [shown[name] for name in ("worker", "event", "handler")] == [
            placed[name] for name in ("worker", "event", "handler")
        ]
        _, text, _ = await told(command, "jobs", "show", held, url=redis_url)
        assert not {"attempts", "failures"} & {line.split()[0] for line in text.splitlines()}


async def _told_state(command: Command, url: str, state: str) -> bool:
    return bool(await jobs(command, url, "--state", state))


async def test_one_is_shown_with_its_error_traceback_and_payload_only_when_asked(
    command: Command, redis_url: str
) -> None:
    """Also while it waits for its retry; a dead one as well; an unknown one is exit code 1."""
    shop = Shop(redis_url)
    async with running(shop.worker):
        retrying = (await shop.paid.send(card=CANARY)).jobs[0].id
        await wait_until_async(lambda: _told_state(command, redis_url, "retrying"), timeout=30)
        code, out, err = await told(command, "jobs", "show", retrying, "--format", "json", url=redis_url)
        assert (code, err) == (0, "")
        shown = json.loads(out)["job"]
        assert (shown["state"], shown["handler"]) == ("retrying", "fail")
        assert "in fail" in shown["traceback"]
        assert CANARY not in out
        _, out, _ = await told(command, "jobs", "show", retrying, "--payload", url=redis_url)
        assert f'payload     {{"card": "{CANARY}"}}' in out.splitlines()
        assert "error       ValueError: no such card" in out.splitlines()
        for unknown in ("nonsense", new_event_id() + ".0", "\x1b[2J"):
            code, out, err = await told(command, "jobs", "show", unknown, url=redis_url)
            assert (code, out, "\x1b" in err) == (1, "", False)
            assert err.startswith("upnext: No job with id ")
        assert (await told(command, "jobs", "cancel", retrying, url=redis_url))[0] == 0
        _, out, _ = await told(command, "jobs", "show", retrying, "--format", "json", url=redis_url)
        assert (json.loads(out)["job"]["state"], json.loads(out)["job"]["reason"]) == ("dead", "cancelled")


@pytest.mark.parametrize("partitions", [1, 3])
async def test_jobs_that_wait_are_cancelled_and_their_waiters_hear_of_it(
    command: Command, redis_url: str, partitions: int
) -> None:
    """Waiting, delayed and to be retried; none of them runs. One that runs is refused, and runs on."""
    shop = Shop(redis_url, partitions)
    async with running(shop.worker):
        retrying = await shop.paid.send(card="r")
        await wait_until_async(lambda: _told_state(command, redis_url, "retrying"), timeout=30)
        held = await shop.placed.send(card="held")
        await wait_until_async(lambda: shop.ran == ["held"])
        delayed = await shop.placed.options(delay=500).send(card="d")
        waiting = [await shop.placed.send(card=f"w{n}") for n in range(6)]
        rows = {row["job_id"]: row["state"] for row in await jobs(command, redis_url)}
        chosen = [one for one in (delayed, retrying, *waiting) if rows[one.jobs[0].id] != "running"]
        ids = [receipt.jobs[0].id for receipt in chosen]
        code, out, err = await told(command, "jobs", "cancel", *ids, held.jobs[0].id, "nonsense", url=redis_url)
        assert (code, sorted(out.splitlines())) == (1, sorted(f"{job} is cancelled." for job in ids))
        assert err.splitlines() == [
            f"upnext: {held.jobs[0].id} runs already and cannot be cancelled.",
            "upnext: No job with id nonsense here; it may have ended. See `upnext jobs list`.",
        ]
        for receipt in chosen:
            with pytest.raises(upnext.JobFailedError) as caught:
                await receipt.jobs[0].result(timeout=10)
            assert (caught.value.reason, caught.value.job_id) == ("cancelled", receipt.jobs[0].id)
        shop.gate.set()
        assert await held.jobs[0].result(timeout=10) == "held"
        left = [receipt for receipt in waiting if receipt not in chosen]
        await asyncio.gather(*(receipt.jobs[0].result(timeout=10) for receipt in left))
        assert sorted(shop.ran) == sorted(["held", *(f"w{waiting.index(receipt)}" for receipt in left)])
        code, out, err = await told(command, "jobs", "cancel", ids[0], held.jobs[0].id, url=redis_url)
        assert (code, out) == (1, "")
        assert err.splitlines()[0] == f"upnext: {ids[0]} is a dead letter already."
    code, out, _ = await told(command, "dead", "list", "--reason", "cancelled", "--format", "json", url=redis_url)
    assert {row["job_id"] for row in json.loads(out)["dead_letters"]} == set(ids)


async def test_a_cancelled_job_can_be_replayed(command: Command, valkey_url: str) -> None:
    """Its payload is kept with its dead letter."""
    shop = Shop(valkey_url)
    async with running(shop.worker):
        pass
    shop.gate.set()
    receipt = await shop.placed.send(card="again")
    job = receipt.jobs[0].id
    assert (await told(command, "jobs", "cancel", job, url=valkey_url))[:2] == (0, f"{job} is cancelled.\n")
    assert (await told(command, "dead", "replay", job, url=valkey_url))[0] == 0
    async with running(shop.worker):
        assert await receipt.jobs[0].result(timeout=10) == "again"


async def test_cancelling_beside_workers_loses_and_doubles_nothing(command: Command, redis_url: str) -> None:
    """Every job either ran once or is a dead letter, never both and never neither."""
    worker, ran = upnext.Worker("shop", redis_url=redis_url, concurrency=20), list[int]()

    @worker.event("order.placed").on
    async def note(n: int) -> None:
        ran.append(n)
        await asyncio.sleep(0.05)

    async with running(worker):
        receipts = [await worker.event("order.placed").send(n=n) for n in range(50)]
    receipts += await asyncio.gather(*(worker.event("order.placed").send(n=n) for n in range(50, 1500)))
    ids = {receipt.jobs[0].id: n for n, receipt in enumerate(receipts)}
    chosen = list(ids)[60:1500:7]
    cancelling = asyncio.create_task(told(command, "jobs", "cancel", *chosen, url=redis_url))
    async with running(worker):
        _, out, _ = await cancelling
        await wait_until_async(lambda: _nothing_left(redis_url), timeout=60)
    cancelled = {ids[line.split()[0]] for line in out.splitlines()}
    assert cancelled
    assert sorted([*ran, *cancelled]) == list(range(1500))


async def _nothing_left(url: str) -> bool:
    client = redis.Redis.from_url(url)
    with client:
        return not client.llen(f"{PREFIX}queue:shop|order.placed|note")


async def test_a_right_that_is_missing_cancels_nothing_by_half(command: Command, server: Server) -> None:
    """The job stays where it is, once, and there is no dead letter."""
    worker = upnext.Worker("shop", redis_url=server.url)

    @worker.event("order.placed").on
    async def confirm(n: int) -> None: ...

    async with running(worker):
        pass
    job = (await worker.event("order.placed").send(n=1)).jobs[0].id
    try:
        assert server.command("ACL SETUSER night on >pw ~* +@all -lset") == b"+OK\r\n"
        url = f"{server.url}?username=night&password=pw"
        code, out, err = await told(command, "jobs", "cancel", job, url=url)
        assert (code, out) == (3, "")
        assert "rejects this client" in err
        assert "lset" in err.lower()
    finally:
        server.command("ACL DELUSER night")
    with redis.Redis.from_url(server.url) as client:
        assert client.lrange(f"{PREFIX}queue:shop|order.placed|confirm", 0, -1) == [job.encode()]
        assert client.hlen(f"{PREFIX}dead") == 0


@pytest.mark.parametrize("delay", [None, 1000])
async def test_no_job_is_passed_over_while_workers_take_others(valkey_url: str, delay: float | None) -> None:
    """What they take out in front shifts all that stands behind it."""
    worker = upnext.Worker("shop", redis_url=valkey_url)
    keys, handler = Keys("default"), "shop|order.placed|hold"
    broker = Broker(valkey_url, keys)
    await broker.publisher.subscribe("order.placed", [handler])
    event = worker.event("order.placed")
    sends = [event if delay is None else event.options(delay=delay + n) for n in range(1200)]
    ids = [receipt.jobs[0].id for receipt in await asyncio.gather(*(send.send(card=CANARY) for send in sends))]
    seen: list[JobView] = []
    read = broker.jobs.waiting if delay is None else broker.jobs.scheduled
    async for page in read(lambda _: True, from_end=True):
        seen += page
        if delay is None:
            await broker.link.command("LTRIM", keys.queue(handler), 100, -1)
        else:
            await broker.link.command("ZREMRANGEBYRANK", keys.scheduled, 0, 99)
    found = {view.entry.job_id: view for view in seen}
    assert found.keys() >= set(ids[200:])
    looked_for = await broker.jobs.find(ids[500:])
    assert set(looked_for) == set(ids[500:])
    assert await broker.jobs.cancel(looked_for[ids[-1]])
    await broker.close()


@pytest.mark.long
def test_half_a_million_jobs_are_listed_found_and_cancelled_without_blocking_the_server(
    command: Command, valkey_url: str
) -> None:
    """No command of it takes the server longer than some milliseconds, and none reads a whole key."""
    handler = "shop|order.placed|confirm"
    with redis.Redis.from_url(valkey_url) as client:
        client.sadd(f"{PREFIX}queues", handler)
        first = new_event_id()
        ids = [f"{first[:12]}{n:016x}.0" for n in range(500_000)]
        for start in range(0, len(ids), 50_000):
            client.rpush(f"{PREFIX}queue:{handler}", *ids[start : start + 50_000])
        client.config_resetstat()
        code, out, _ = command("jobs", "list", "--format", "json", url=valkey_url)
        assert (code, len(json.loads(out)["jobs"]), json.loads(out)["more"]) == (0, 100, True)
        assert client.info("commandstats")["cmdstat_lrange"]["calls"] <= 2
        due = int(first[:12], 16) + 10_000_000
        for start in range(0, 30_000, 10_000):
            later = ((due + n, f"{handler} {first[:12]}{n:016x}.1") for n in range(start, start + 10_000))
            client.execute_command("ZADD", f"{PREFIX}later", *(word for pair in later for word in pair))
        retrying = f"{first[:12]}{0:016x}.2"
        client.execute_command("ZADD", f"{PREFIX}later", due + 30_000, f"{handler} {retrying}:1:1:0")
        client.config_resetstat()
        code, out, _ = command("jobs", "list", "--handler", "confirm", "--limit", "10", url=valkey_url)
        assert (code, out.splitlines()[-1]) == (0, "There are more; see --limit, --state, --event and --handler.")
        assert client.info("commandstats")["cmdstat_zrange"]["calls"] <= 25
        code, out, _ = command("jobs", "list", "--state", "retrying", url=valkey_url)
        assert (code, out.split().count(retrying)) == (0, 1)
        client.delete(f"{PREFIX}later")
        client.config_resetstat()
        chosen = [ids[0], ids[250_000], ids[-1]]
        started = time.monotonic()
        code, out, _ = command("jobs", "cancel", *chosen, url=valkey_url)
        assert (code, len(out.splitlines())) == (0, 3), time.monotonic() - started
        calls = {name: stats for name, stats in client.info("commandstats").items() if stats["calls"]}
        assert not {"cmdstat_lrem", "cmdstat_lpos", "cmdstat_keys", "cmdstat_scan", "cmdstat_smembers_all"} & set(calls)
        assert max(stats["usec_per_call"] for stats in calls.values()) < 20_000
        assert client.llen(f"{PREFIX}queue:{handler}") == 499_997
        assert client.hlen(f"{PREFIX}dead") == 3
        left = set(client.lrange(f"{PREFIX}queue:{handler}", 0, -1))
        assert len(left) == 499_997
        assert not {job.encode() for job in chosen} & left


def test_what_other_programs_put_in_the_way_is_left_alone(command: Command, valkey_url: str) -> None:
    """The jobs beside it are listed; nothing raw reaches the terminal."""
    handler, job = "shop|order.placed|confirm", f"{new_event_id()}.0"
    with redis.Redis.from_url(valkey_url) as client:
        client.sadd(f"{PREFIX}queues", handler, "\x1b[2J", "a|b", "x|\x1b[2J|y")
        client.rpush(f"{PREFIX}queue:{handler}", "junk", "\x1b[2J:1:1:1", b"\xff", f"{job}:1:2:0", "x" * 10_000)
        client.set(f"{PREFIX}failure:{job}", "junk")
        client.zadd(f"{PREFIX}later", {"junk": 1, f"x|\x1b[2J|y {new_event_id()}.0": 2, b"\xff": 3})
        client.hset(f"{PREFIX}claims:aa.1000", mapping={"junk": "junk", f"a|b|c {new_event_id()}.0": "1:0:0:1"})
        client.zadd(f"{PREFIX}leases", {"aa.1000": 1, "\x1b[2J.1000": 2})
        client.hset(f"{PREFIX}workers", "aa.1000", '{"worker": "\\u001b[2J"}')
    code, out, err = command("jobs", "list", url=valkey_url)
    assert (code, err, "\x1b" in out) == (0, "", False)
    assert sorted(line.split()[3] for line in out.splitlines()[1:]) == ["delayed", "running", "waiting"]
    code, out, err = command("jobs", "list", "--format", "json", url=valkey_url)
    assert (code, err, len(json.loads(out)["jobs"])) == (0, "", 3)
    with redis.Redis.from_url(valkey_url) as client:
        client.hset(f"{PREFIX}events", job.partition(".")[0], b"1\n{\xff")
    for words in (["jobs", "show"], ["jobs", "cancel"], ["dead", "show"]):
        options = ["--payload", "--format", "json"] if "show" in words else []
        code, out, err = command(*words, job, *options, url=valkey_url)
        assert code == 0, err
        assert not options or '"payload": "{\\ufffd"' in out


def test_done_jobs_cannot_be_listed_by_what_is_not_kept_of_them(command: Command, valkey_url: str) -> None:
    """An empty list would say that there are none."""
    for option in ("--handler", "--event"):
        code, out, err = command("jobs", "list", "--state", "done", option, "x", url=valkey_url)
        assert (code, out) == (2, "")
        assert "Of jobs that are done no event and no handler is kept: list them without these filters." in err
