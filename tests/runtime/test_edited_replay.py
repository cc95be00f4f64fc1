"""`upnext dead replay --edit FILE`: a dead letter runs again with a payload that its handler can take."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
import redis

import upnext
from tests.runtime.running import running
from tests.waiting import wait_until_async
from upnext.broker.job_ids import pack

Command: TypeAlias = "Callable[..., tuple[int, str, str]]"
PREFIX = "upnext:{default:0}:"


class Shop:
    """A worker whose handlers need a whole number; what they got."""

    def __init__(self, url: str, *names: str) -> None:
        self.got: list[tuple[str, int]] = []
        self.sent: list[upnext.Receipt] = []
        self.worker = upnext.Worker("shop", redis_url=url)
        self.placed = self.worker.event("order.placed")
        for name in names:
            self.attach(name)

    def attach(self, name: str, *, unique: bool = False) -> None:
        @self.placed.on(name=name, unique=unique)
        async def handler(n: int) -> int:
            self.got.append((name, n))
            return n

    async def bury(self, url: str, *, sends: int = 1) -> upnext.Receipt:
        """Let a bad payload, as an older sender would store it, make dead letters of its jobs."""
        async with running(self.worker):
            pass
        self.sent = [await self.placed.send(n=1) for _ in range(sends)]
        receipt = self.sent[0]
        with redis.Redis.from_url(url) as client:
            for sent in self.sent:
                client.hset(f"{PREFIX}events", sent.event_id, pack(b'{"n": "many"}'))
        async with running(self.worker):
            with pytest.raises(upnext.JobFailedError):
                await receipt.results(timeout=15)
        return receipt


async def told(command: Command, *arguments: str, url: str) -> tuple[int, str, str]:
    """Run a command beside the workers of the test."""
    return await asyncio.to_thread(command, *arguments, url=url)


def write(path: Path, text: str) -> None:
    """Write a file."""
    path.write_text(text)


@pytest.fixture
def edited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the file of a payload that can be taken, in a folder without a lock."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "payload.json").write_text('{"n": 7}')
    return tmp_path / "payload.json"


async def test_the_only_job_of_an_event_keeps_its_id_and_its_waiter_gets_the_result(
    command: Command, redis_url: str, edited: Path
) -> None:
    """As with any replay."""
    shop = Shop(redis_url, "confirm")
    receipt = await shop.bury(redis_url)
    job = receipt.jobs[0]
    code, out, err = await told(command, "dead", "replay", job.id, "--edit", str(edited), url=redis_url)
    assert (code, out) == (0, f"{job.id} will run again with the edited payload.\n")
    assert err == "The payload is not checked: no upnext.lock here has its event, and no --service its handler.\n"
    async with running(shop.worker):
        assert await job.result(timeout=15) == 7


async def test_a_payload_that_several_jobs_share_stays_theirs(command: Command, redis_url: str, edited: Path) -> None:
    """The edited one runs as a job of its own, and the other dead letter can still be looked into."""
    shop = Shop(redis_url, "confirm", "charge")
    receipt = await shop.bury(redis_url)
    one, other = receipt.jobs
    code, out, _ = await told(command, "dead", "replay", one.id, "--edit", str(edited), url=redis_url)
    assert code == 0
    assert out.startswith(f"{one.id} will run again as ")
    new = out.split()[5]
    open_now = await one.state()
    async with running(shop.worker):
        await wait_until_async(lambda: shop.got == [(one.handler, 7)])
        # Whoever has the old id gets what became of the job: the server has lost nothing.
        assert await upnext.Job.of(one.id, worker=shop.worker).result(timeout=15) == 7
        assert (open_now, await one.state()) == ("open", "done")
    with pytest.raises(upnext.JobFailedError) as caught:
        await upnext.Receipt.of(receipt.event_id, worker=shop.worker).results(timeout=15)
    assert caught.value.job_id == other.id, "of both, the one that is dead still"
    code, out, _ = await told(command, "jobs", "show", one.id, "--format", "json", url=redis_url)
    assert code == 0
    shown = json.loads(out)["job"]
    assert (shown["job_id"], shown["stands_for"], shown["state"]) == (new, one.id, "done")
    _, out, _ = await told(command, "dead", "show", other.id, "--payload", "--format", "json", url=redis_url)
    assert json.loads(out)["dead_letter"]["payload"] == {"n": "many"}
    code, _, _ = await told(command, "dead", "show", one.id, url=redis_url)
    assert (code, new != one.id) == (1, True)
    assert (await told(command, "dead", "purge", other.id, "--yes", url=redis_url))[0] == 0
    with redis.Redis.from_url(redis_url) as client:
        assert (client.hlen(f"{PREFIX}events"), client.hlen(f"{PREFIX}open")) == (0, 0)


async def test_the_old_id_can_be_cancelled_and_shown_however_often_it_was_replayed(
    command: Command, redis_url: str, edited: Path
) -> None:
    """Also one that stands for a job of a `unique` handler, and is replayed under yet another id."""
    shop = Shop(redis_url, "other")
    shop.attach("confirm", unique=True)
    first = await shop.bury(redis_url, sends=2)
    old = next(job.id for job in first.jobs if job.handler == "confirm")
    standing_for = old.replace(first.event_id, shop.sent[1].event_id)
    code, out, _ = await told(command, "dead", "replay", old, "--edit", str(edited), url=redis_url)
    assert code == 0
    new = out.split()[5]
    for name in (old, standing_for):
        _, out, _ = await told(command, "jobs", "show", name, "--format", "json", url=redis_url)
        shown = json.loads(out)["job"]
        assert (shown["job_id"], shown["stands_for"], shown["state"]) == (new, name, "waiting")
    code, out, err = await told(command, "jobs", "cancel", old, standing_for, new, url=redis_url)
    assert (code, err) == (0, "")
    assert out == (f"{old} (now {new}) is cancelled.\n{standing_for} (now {new}) is cancelled.\n{new} is cancelled.\n")
    code, _, err = await told(command, "jobs", "cancel", old, url=redis_url)
    assert (code, err) == (1, f"upnext: {old} (now {new}) is a dead letter already.\n")
    code, out, _ = await told(command, "dead", "show", old, "--format", "json", url=redis_url)
    assert code == 0
    letter = json.loads(out)["dead_letter"]
    assert (letter["job_id"], letter["stands_for"], letter["reason"]) == (new, old, "cancelled")
    for change in (("replay", old), ("replay", old, "--edit", str(edited)), ("purge", old, "--yes")):
        code, _, err = await told(command, "dead", *change, url=redis_url)
        assert (code, err) == (1, f"upnext: No dead letter with id {old}: it runs as {new} now, or ended as that.\n")


async def test_the_handler_in_a_service_file_checks_it(command: Command, valkey_url: str, edited: Path) -> None:
    """What it would refuse is not replayed."""
    receipt = await Shop(valkey_url, "confirm").bury(valkey_url)
    job, service = receipt.jobs[0].id, edited.parent / "edited_service.py"
    write(
        service,
        f"import upnext\nworker = upnext.Worker('shop', redis_url={valkey_url!r})\n"
        "@worker.event('order.placed').on\nasync def confirm(n: int) -> None: ...\n",
    )
    write(edited, '{"n": "more"}')
    arguments = ("dead", "replay", job, "--edit", str(edited), "--service", str(service))
    code, out, err = await told(command, *arguments, url=valkey_url)
    assert (code, out) == (2, "")
    assert "Payload of 'order.placed' (handler 'confirm'): field 'n'" in err
    write(edited, '{"n": 8}')
    code, out, err = await told(command, *arguments, url=valkey_url)
    assert (code, out) == (0, f"{job} will run again with the edited payload.\n")
    assert f"The payload was checked by the handler in {service}." in err


async def test_the_lock_checks_it_where_there_is_no_service_file(
    command: Command, valkey_url: str, edited: Path
) -> None:
    """Missing fields, unknown ones, and wrong types."""
    job = (await Shop(valkey_url, "confirm").bury(valkey_url)).jobs[0].id
    asked = {"shop confirm": "required", "shop other": "required"}
    fields = {
        "n": {"type": "int", "required": True, "asked_by": asked, "formerly": ["number"]},
        "of_another": {"type": "str", "required": True, "asked_by": {"shop other": "required"}},
    }
    handlers = {f"shop {name}": {"worker": "shop", "name": name, "closed": True} for name in ("confirm", "other")}
    takes = {"old": {"type": "list[int]", "required": True}}
    event = {"fields": fields, "extras": None, "handlers": handlers, "upcasts": [{"name": "up", "takes": takes}]}
    write(edited.parent / "upnext.lock", json.dumps({"events": {"order.placed": event}}))
    for text, words in [
        ("{}", "field 'n' is missing. If the handler takes it all the same, pass --service FILE"),
        ('{"old": ["x"]}', "field 'n' is missing"),
        ('{"n": 1, "of_another": "x"}', "field 'of_another' is not taken"),
        ('{"number": "x"}', "field 'number' must be int"),
        ('{"n": "x"}', "field 'n' must be int"),
        ('{"n": 1, "m": 1}', "field 'm' is not taken"),
        ("[]", "The payload must be a JSON object"),
        ("nonsense", "The payload is not JSON"),
    ]:
        write(edited, text)
        code, out, err = await told(command, "dead", "replay", job, "--edit", str(edited), url=valkey_url)
        assert (code, out) == (2, "")
        assert words in err
    with redis.Redis.from_url(valkey_url) as client:
        kept = {key: client.dump(key) for key in client.keys(f"{PREFIX}*")}
        for text in ('{"number": 1}', '{"old": [1], "n": "x"}', '{"n": 1}'):
            for key, value in kept.items():
                client.restore(key, 0, value, replace=True)
            write(edited, text)
            code, _, err = await told(command, "dead", "replay", job, "--edit", str(edited), url=valkey_url)
            assert (code, err) == (0, "The payload was checked by upnext.lock.\n")


async def test_a_service_file_reads_an_old_payload_as_its_worker_does(
    command: Command, valkey_url: str, edited: Path
) -> None:
    """By upcasters and former names; a payload for one handler need not suit the others of its event."""
    receipt = await Shop(valkey_url, "confirm").bury(valkey_url)
    job, service = receipt.jobs[0].id, edited.parent / "upcasting_service.py"
    write(
        service,
        f"""
from typing import Annotated, TypedDict
import upnext
worker = upnext.Worker("shop", redis_url={valkey_url!r})
placed = worker.event("order.placed")

class Old(TypedDict):
    total: float

@placed.upcast
def to_n(old: Old) -> dict[str, int]:
    return {{"n": round(100 / old["total"])}}

@placed.on
async def confirm(n: Annotated[int, upnext.Formerly("number")]) -> None: ...

@placed.on
async def other(n: int, of_another: str) -> None: ...
""",
    )
    arguments = ("dead", "replay", job, "--edit", str(edited), "--service", str(service))
    for text, words in [
        ('{"total": "x"}', "field 'n' is missing"),
        ('{"total": 0.0}', "upcaster 'to_n' of 'order.placed' raised ZeroDivisionError"),
    ]:
        write(edited, text)
        code, out, err = await told(command, *arguments, url=valkey_url)
        assert (code, out) == (2, "")
        assert words in err
    with redis.Redis.from_url(valkey_url) as client:
        kept = {key: client.dump(key) for key in client.keys(f"{PREFIX}*")}
        for text in ('{"total": 2.5}', '{"number": 7}'):
            for key, value in kept.items():
                client.restore(key, 0, value, replace=True)
            write(edited, text)
            code, out, err = await told(command, *arguments, url=valkey_url)
            assert (code, out) == (0, f"{job} will run again with the edited payload.\n"), err


def test_an_edit_is_of_one_job(command: Command, valkey_url: str, edited: Path) -> None:
    """An unknown one is exit code 1, a missing file 2."""
    for arguments in (("a", "b"), ("--all",), ()):
        code, out, err = command("dead", "replay", *arguments, "--edit", str(edited), url=valkey_url)
        assert (code, out, err) == (2, "", "upnext: --edit takes exactly one job id.\n")
    code, _, err = command("dead", "replay", "nonsense", "--edit", str(edited), url=valkey_url)
    assert (code, err) == (1, "upnext: No dead letter with id nonsense; run `upnext dead list`.\n")
    code, _, err = command("dead", "replay", "x", "--edit", "missing.json", url=valkey_url)
    assert code == 2
    assert "the file cannot be read" in err
