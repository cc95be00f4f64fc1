"""What deployed handlers take: published by their workers, gone with them, shown by `upnext contracts`."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import AliasChoices, BaseModel, BeforeValidator, Field, WithJsonSchema
from redis import Redis

import upnext
from tests.cli.deploying import queue
from tests.runtime.running import running
from tests.servers import Server
from tests.waiting import wait_until_async
from upnext.broker.contracts import TTL, ContractStore, HandlerContract, Published
from upnext.broker.keys import Keys
from upnext.broker.namespace import Namespace
from upnext.limits import MAX_CONTRACT_DEPTH

Command = Callable[..., tuple[int, str, str]]
RECORDS, LEASES = Keys("default").workers, Keys("default").leases

OTHER = """
import upnext

@upnext.Worker("other").event("invoice.due").on
async def mail(order_id: str) -> None: ...
"""


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Item(BaseModel):
    """Not to be published: what this says, and the default."""

    name: str
    amount: int = 4711
    parts: list[Item] = []


class Aliased(BaseModel):
    name: str = Field(validation_alias=AliasChoices("name", "title"))


@dataclass
class Address:
    street: str


class Opaque:
    """What no JSON Schema describes."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(lambda value: value)


def shop(url: str) -> upnext.Worker:
    worker = upnext.Worker("shop", redis_url=url, lease=1.0)
    placed = worker.event("order.placed")

    @placed.on
    async def mail(
        *,
        order_id: str,
        items: list[Item],
        price: Annotated[Decimal, Field(gt=0)],
        colour: Colour = Colour.RED,
        mode: Literal["a", 1] | None = "a",
        note: str | None = None,
        either: float | str = 0.0,
        signed: Annotated[str | None, WithJsonSchema({"type": ["string", "null"]})] = None,
    ) -> None: ...

    @placed.on
    async def count(order_id: str, address: Address | None = None, **kwargs: int) -> None: ...

    @placed.on
    async def odd(one: Opaque, two: Aliased, three: Annotated[int, BeforeValidator(int)], **kwargs: Any) -> None: ...

    @worker.task
    async def report(day: str) -> None: ...

    return worker


async def published(url: str) -> None:
    """Wait until the contracts of every process are published."""
    with Redis.from_url(url) as client:

        def are_published() -> bool:
            records: list[bytes] = client.hvals(RECORDS)  # type: ignore[assignment]
            return bool(records) and all(json.loads(record)["contracts"] for record in records)

        await wait_until_async(are_published)


async def test_what_handlers_take_is_published_while_their_worker_runs(
    valkey_url: str, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its module and release, once for two processes; values of the code are not part of it."""
    monkeypatch.setenv("UPNEXT_RELEASE", "2026.11")
    worker = shop(valkey_url)
    async with running(worker), running(worker):
        await published(valkey_url)
        with Redis.from_url(valkey_url, decode_responses=True) as client:
            (key,) = client.keys("*:contracts:*")  # type: ignore[misc]
            assert 0 < client.ttl(key) <= TTL  # type: ignore[operator]
            text = str(client.get(key))
        code, out, err = await asyncio.to_thread(command, "contracts", "list", "--format", "json", url=valkey_url)
        shown = (await asyncio.to_thread(command, "contracts", "show", "order.placed", url=valkey_url))[1]
        tabled = (await asyncio.to_thread(command, "contracts", "list", url=valkey_url))[1]
        assert (await asyncio.to_thread(command, "contracts", "show", "mial", url=valkey_url)) == (
            1,
            "",
            "upnext: Nothing that is deployed is called 'mial'; did you mean 'mail'?\n",
        )
    assert (code, err) == (0, "")
    assert "4711" not in text
    assert "Not to be published" not in text
    report = json.loads(out)
    assert (report["processes"], report["silent"]) == (2, {})
    found = {each["handler"]: each for each in report["contracts"]}
    assert [each["closed"] for _, each in sorted(found.items())] == [False, True, False, True]
    assert found["report"]["event"] is None
    assert found["mail"]["module"] == __name__
    ((mail),) = found["mail"]["deployed"]
    assert (mail["release"], mail["processes"]) == ("2026.11", 2)
    schema = found["mail"]["schema"]
    assert schema["required"] == ["order_id", "items", "price"]
    assert schema["$defs"]["Colour"]["x-upnext-members"] == ["RED", "BLUE"]
    assert schema["$defs"]["Item"]["required"] == ["name"]
    assert "2026.11" in tabled
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert "price Decimal required" in lines
    assert "items list[Item] required" in lines
    assert 'mode Literal["a", 1] | None optional' in lines
    assert "either float | str optional" in lines
    assert "address Address | None optional" in lines
    assert "signed str | None optional" in lines
    assert lines.count("(further fields) refused") == 1
    assert "(further fields) int" in lines
    assert {line for line in lines if " Any " in line} == {f"{name} Any required" for name in ("one", "two", "three")}
    gone = await asyncio.to_thread(command, "contracts", "list", url=valkey_url)
    assert gone[1].startswith("No contracts: no worker of this namespace runs")


async def test_a_fleet_of_one_release_stores_its_contracts_once(valkey_url: str, command: Command) -> None:
    """However many processes it has, and those of earlier releases of upnext are said to be silent."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "additionalProperties": False}
    each = [HandlerContract(f"shop|e{number}|h", "shop", schema) for number in range(300)]
    written = Published.of("shop", each)
    namespace = Namespace(valkey_url, "default")
    with Redis.from_url(valkey_url) as client:
        for number in range(50):
            await ContractStore(namespace.partition(0)).keep(written)
            name = f"w{number}.60000"
            record = {"worker": "shop", "since": number, "contracts": written.digest, "release": f"r{number % 2}"}
            client.hset(RECORDS, name, json.dumps(record))
            client.zadd(LEASES, {name: 10**14})
        client.hset(RECORDS, "old.60000", json.dumps({"worker": "old"}))
        client.zadd(LEASES, {"old.60000": 10**14, "dead.60000": 1})
        assert len(client.keys("*:contracts:*")) == 1  # type: ignore[arg-type]
    await namespace.close()
    code, out, _ = await asyncio.to_thread(command, "contracts", "list", "--format", "json", url=valkey_url)
    report = json.loads(out)
    assert (code, len(report["contracts"]), report["processes"], report["silent"]) == (0, 300, 51, {"old": 1})
    assert [(one["release"], one["processes"]) for one in report["contracts"][0]["deployed"]] == [
        ("r0", 25),
        ("r1", 25),
    ]
    assert "old (1)" in (await asyncio.to_thread(command, "contracts", "list", url=valkey_url))[2]


def test_what_is_too_large_is_published_without_its_schema() -> None:
    """A single one, one that is nested more deeply than readers go, and all together."""
    wide = {"type": "object", "properties": {f"field{number}": {"type": "string"} for number in range(3000)}}
    found = json.loads(
        Published.of("shop", [HandlerContract("a||huge", "m", wide), HandlerContract("a||b", "m", {})]).text
    )
    assert found["handlers"] == {"a||b": {"module": "m", "schema": {}}, "a||huge": {"module": "m", "schema": None}}
    nested: dict[str, object] = {}
    for _ in range(MAX_CONTRACT_DEPTH - 1):
        nested = {"items": nested}
    deep = [HandlerContract("a||deep", "m", {"items": nested}), HandlerContract("a||flat", "m", nested)]
    assert [each["schema"] for each in json.loads(Published.of("shop", deep).text)["handlers"].values()] == [
        None,
        nested,
    ]
    half = {"properties": {f"field{number}": {"type": "string"} for number in range(1000)}}
    many = Published.of("shop", [HandlerContract(f"a||h{number:03}", "m", half) for number in range(300)]).text
    assert len(many) < 4_100_000
    handlers = json.loads(many)["handlers"]
    assert handlers["a||h000"]["schema"] == half
    assert handlers["a||h299"]["schema"] is None


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("junk", "does not hold what upnext stores there: another program wrote it. Delete the key"),
        ('{"version": 1, "handlers": {"x": 1}}', "does not hold what upnext stores there"),
        ('{"version": 1, "handlers": {"a|b|c": {"module": "m"}}}', "does not hold what upnext stores there"),
        ('{"version": 7, "handlers": 1}', "are of version 7, which a later release of upnext wrote"),
        (["a", "list"], "does not hold what upnext stores there"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_key(
    valkey_url: str, command: Command, value: str | list[str], words: str
) -> None:
    """And is a usage error: nothing is known of what is deployed."""
    digest = "0123456789abcdef" * 2
    with Redis.from_url(valkey_url) as client:
        client.hset(RECORDS, "w.60000", json.dumps({"worker": "shop", "contracts": digest}))
        client.hset(RECORDS, "odd.60000", "junk")
        client.zadd(LEASES, {"w.60000": 10**14, "odd.60000": 10**14})
        key = Keys("default").contracts(digest)
        client.set(key, value) if isinstance(value, str) else client.rpush(key, *value)
    code, out, err = command("contracts", "list", url=valkey_url)
    assert (code, out) == (2, "")
    assert words in err
    assert key in err


async def test_a_worker_that_cannot_publish_its_contracts_runs_all_the_same(
    valkey_server: Server, valkey_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """And says so once."""
    # All keys but one that begins with "con".
    valkey_server.command("ACL SETUSER silent on >pw +@all ~upnext:{default:0}:[^c]* ~upnext:{default:0}:c[^o]*")
    try:
        worker = upnext.Worker("shop", redis_url=f"{valkey_url}?username=silent&password=pw", lease=1.0)

        @worker.task
        async def echo(text: str) -> str:
            return text

        with caplog.at_level(logging.WARNING, "upnext"):
            async with running(worker):
                await wait_until_async(lambda: "Cannot publish the contracts of worker 'shop'" in caplog.text)
                assert await echo.wait("still runs") == "still runs"
        assert caplog.text.count("Cannot publish the contracts") == 1
    finally:
        valkey_server.command("ACL DELUSER silent")


async def test_the_documented_rights_of_a_reader_are_enough(
    valkey_server: Server, valkey_url: str, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a server that can hold a user to reading."""
    page = (Path(__file__).parents[2] / "docs/deploying.md").read_text()
    rule = next(line for line in page.splitlines() if line.startswith("ACL SETUSER"))
    try:
        assert valkey_server.command(rule.replace("PASSWORD", "pw").replace(" ~", " %R~")) == b"+OK\r\n"
        async with running(shop(valkey_url)):
            await published(valkey_url)
            url = f"{valkey_url}?username=upnext-reader&password=pw"
            code, out, err = await asyncio.to_thread(command, "contracts", "list", "--format", "json", url=url)
            monkeypatch.chdir(tmp_path)
            (tmp_path / "other.py").write_text(OTHER)
            jobs = tuple(({"order_id": "1"}, state) for state in ("waiting", "delayed", "retrying", "dead"))
            await asyncio.to_thread(queue, valkey_url, "other|invoice.due|mail", jobs)
            checked = await asyncio.to_thread(command, "gen", "--against", url)
        assert checked[::2] == (0, "")
        assert (
            "compared with the contracts of 1 process (4 handlers and tasks) and the payloads of 4 of 4 jobs that wait"
            in checked[1]
        )
        assert (code, err) == (0, "")
        assert len(json.loads(out)["contracts"]) == 4
    finally:
        valkey_server.command("ACL DELUSER upnext-reader")


async def test_what_is_deployed_is_compared_with_the_lock(
    valkey_url: str, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Handler by handler, as far as the lock says it."""
    source = """
import upnext
from pydantic import BaseModel

class Item(BaseModel):
    name: str
    amount: int{0} = 1

worker = upnext.Worker("deployed")
placed = worker.event("order.placed")

@placed.on
async def mail(order_id: {1}, item: Item, language: str{2}, **kwargs: object) -> None: ...
"""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "deployed_shop.py").write_text(source.format("", "str", " = 'en'"))
    assert (await asyncio.to_thread(command, "contracts", "diff", url=valkey_url))[::2] == (
        2,
        "upnext: There is no upnext.lock here: run `upnext gen`, or pass --lock FILE.\n",
    )
    assert (await asyncio.to_thread(command, "gen", url=valkey_url))[0] == 0
    monkeypatch.syspath_prepend(tmp_path)
    import deployed_shop  # type: ignore[import-not-found]

    worker: upnext.Worker = deployed_shop.worker
    monkeypatch.setenv("UPNEXT_REDIS_URL", valkey_url)
    async with running(worker):
        await published(valkey_url)
        same = await asyncio.to_thread(command, "contracts", "diff", url=valkey_url)
        renamed = source.format(" | str", "int", "") + "\n@placed.on\nasync def other(**kwargs: object) -> None: ...\n"
        (tmp_path / "deployed_shop.py").write_text(renamed)
        assert (await asyncio.to_thread(command, "gen", url=valkey_url))[0] == 0
        code, out, _ = await asyncio.to_thread(command, "contracts", "diff", url=valkey_url)
    assert same == (0, "What is deployed is what the lock says.\n", "")
    assert code == 1
    assert out.splitlines() == [
        'order.placed: mail of deployed: does not require "language", and requires it in the lock',
        'order.placed: mail of deployed: takes "item" as Item, and as another Item in the lock',
        'order.placed: mail of deployed: takes "order_id" as str, and as int in the lock',
        "order.placed: other of deployed: is not deployed",
    ]
