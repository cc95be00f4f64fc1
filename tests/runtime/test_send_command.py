"""`upnext send`: fields from the command line, read and checked as upnext.lock has them."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import redis

import upnext
from tests.runtime.running import running
from tests.waiting import wait_until_async
from upnext.cli.lock_contract import read_type

Command: TypeAlias = "Callable[..., tuple[int, str, str]]"
PREFIX = "upnext:{default:0}:"


def field(type_text: str, *, required: bool = False) -> dict[str, Any]:
    """Return a field as a lock has it."""
    return {"type": type_text, "required": required, "asked_by": {}}


FIELDS = {
    "order_id": field("str", required=True),
    "count": field("int"),
    "price": field("decimal.Decimal"),
    "at": field("datetime.datetime"),
    "tags": field("list[str]"),
    "paid": field("bool | None"),
    "size": field("typing.Literal['S', 'M']"),
    "address": field("shop.models.Address"),
    "either": field("int | str"),
    "point": field("tuple[int, int]"),
    "self": field("int"),
    "note": field("object"),
}


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a project with a lock, as the current folder."""
    events = {
        "order.placed": {"fields": FIELDS, "extras": None, "handlers": {}},
        "order.open": {"fields": {"n": field("int", required=True)}, "extras": "object", "handlers": {}},
        "order.wide": {"fields": {"order_id": field("str", required=True)}, "extras": "object", "handlers": {}},
    }
    (tmp_path / "upnext.lock").write_text(json.dumps({"format": 1, "generator": "upnext", "events": events}))
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    return tmp_path / "upnext.lock"


def stored(url: str) -> dict[str, Any]:
    """Return the payload of the one event that was stored."""
    with redis.Redis.from_url(url) as client:
        (envelope,) = client.hvals(f"{PREFIX}events")
    payload: dict[str, Any] = json.loads(envelope.partition(b"\n")[2])
    return payload


@pytest.mark.usefixtures("lock")
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (["order_id=123"], {"order_id": "123"}),
        (["order_id=null"], {"order_id": "null"}),
        (["order_id="], {"order_id": ""}),
        (["order_id=a=b"], {"order_id": "a=b"}),
        (["order_id=x", "count=7"], {"order_id": "x", "count": 7}),
        (["order_id=x", "price=1.10"], {"order_id": "x", "price": "1.10"}),
        (["order_id=x", "at=2026-01-31T12:00:00Z"], {"order_id": "x", "at": "2026-01-31T12:00:00Z"}),
        (["order_id=x", 'tags=["a"]'], {"order_id": "x", "tags": ["a"]}),
        (["order_id=x", "paid=true"], {"order_id": "x", "paid": True}),
        (["order_id=x", "paid=null"], {"order_id": "x", "paid": None}),
        (["order_id=x", "size=M"], {"order_id": "x", "size": "M"}),
        (["order_id=x", 'address={"city": "Oslo"}'], {"order_id": "x", "address": {"city": "Oslo"}}),
        (["order_id=x", "either=5"], {"order_id": "x", "either": "5"}),
        (["order_id=x", "either:=5"], {"order_id": "x", "either": 5}),
        (["order_id=x", "point=[1, 2]", "self=3"], {"order_id": "x", "point": [1, 2], "self": 3}),
        (["order_id=x", "note=5"], {"order_id": "x", "note": 5}),
        (["order_id=x", "note=five"], {"order_id": "x", "note": "five"}),
        (["--json", '{"order_id": "x"}', "count=1"], {"order_id": "x", "count": 1}),
    ],
)
def test_values_are_read_as_the_lock_has_them(
    command: Command, valkey_url: str, fields: list[str], expected: dict[str, Any]
) -> None:
    """The text itself where the type allows it, else as JSON."""
    code, out, err = command("send", "order.placed", *fields, url=valkey_url)
    assert (code, out[:22]) == (0, "order.placed is sent: ")
    assert err == "No handler has ever connected: the event waits for the first one.\n"
    assert stored(valkey_url) == expected


@pytest.mark.usefixtures("lock")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["order.placed"], "Payload of 'order.placed': field 'order_id' is missing."),
        (["order.placed", "order_id=x", "count=many"], "Payload of 'order.placed': field 'count' must be int."),
        (["order.placed", "order_id=x", "count=1.5"], "Payload of 'order.placed': field 'count' must be int."),
        (["order.placed", "order_id=x", "count:=true"], "Payload of 'order.placed': field 'count' must be int."),
        (["order.placed", "order_id=x", "price=dear"], "field 'price' must be decimal.Decimal."),
        (["order.placed", "order_id=x", "point=[1]"], "field 'point' must be tuple[int, int]."),
        (["order.placed", "order_id=x", "size=L"], "field 'size' must be typing.Literal['S', 'M']."),
        (["order.placed", "oder_id=x", "order_id=x"], "field 'oder_id' is not taken; did you mean 'order_id'?"),
        (["order.wide", "oder_id=x"], "field 'order_id' is missing; did you mean 'oder_id'?"),
        (["order.placed", "order_id:=x"], "field 'order_id' is not JSON: Expecting value"),
        (["order.placed", "order_id=x", f"size:={'[' * 3000}{']' * 3000}"], "field 'size' is nested deeper than 200"),
        (["order.wide", "order_id=x", f"size={'[' * 300}{']' * 300}"], "field 'size' is nested deeper than 200 levels"),
        (["order.wide", "--json", f'{{"a": {"[" * 300}{"]" * 300}}}'], "The payload is nested deeper than 200 levels"),
        (["order.placed", "order_id"], "Field 'order_id' cannot be used: write it as KEY=VALUE or KEY:=JSON."),
        (["order.placed", "=x"], "Field '=x' cannot be used: "),
        (["order.placed", "order_id=x", "order_id=y"], "Field 'order_id' is given twice."),
        (["order.placed", "--json", "[1]"], "The payload must be a JSON object, and is of type list."),
        (["order.placed", "--json", "{"], "The payload is not JSON: "),
        (["order.placed", "--json", '{"order_id": "x", "order_id": "y"}'], "key 'order_id' stands twice in one object"),
        (["order.placed", "--json", '{"order_id": NaN}'], "NaN is not a JSON number"),
        (["order.plcaed", "order_id=x"], "has no event 'order.plcaed'. Did you mean 'order.placed'?"),
        (["order placed"], "Event name 'order placed' cannot be used."),
        (["order.placed", "order_id=x", "--delay", "-1"], "Option delay=-1.0 cannot be used"),
        (["order.placed", "order_id=x", "--key", ""], "Option key='' cannot be used"),
        (["order.placed", "order_id=x", "--lock", "/dev/zero"], "cannot be read (it holds more than 100 MB)"),
        (["order.placed", "order_id=x", "--lock", "missing.lock"], "'missing.lock' cannot be read (No such file"),
    ],
)
def test_what_the_lock_refuses_is_not_sent(command: Command, valkey_url: str, arguments: list[str], words: str) -> None:
    """Exit code 2, one line, and nothing on the server."""
    code, out, err = command("send", *arguments, url=valkey_url)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert words in err
    with redis.Redis.from_url(valkey_url) as client:
        assert client.keys("*") == []


@pytest.mark.usefixtures("lock")
def test_an_event_whose_handlers_all_take_extras_takes_other_fields(command: Command, valkey_url: str) -> None:
    """As the stub has it."""
    assert command("send", "order.open", "n=1", "more=x", url=valkey_url)[0] == 0
    assert stored(valkey_url) == {"n": 1, "more": "x"}


def test_without_a_lock_it_says_so_and_sends_only_unchecked(
    command: Command, valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values that are JSON are sent as such then."""
    monkeypatch.chdir(tmp_path)
    code, _, err = command("send", "order.placed", "n=1", url=valkey_url)
    assert code == 2
    assert "There is no upnext.lock here: run `upnext gen`, pass --lock FILE, or --unchecked." in err
    monkeypatch.setattr("sys.stdin", io.StringIO('{"s": "x"}'))
    assert command("send", "order.placed", "n=1", "t=x", "--json", "-", "--unchecked", url=valkey_url)[0] == 0
    assert stored(valkey_url) == {"s": "x", "n": 1, "t": "x"}


async def test_handlers_get_what_was_sent_and_the_jobs_are_named(
    command: Command, redis_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With a key, the second send stores nothing; fields may stand after options."""
    monkeypatch.chdir(tmp_path)
    worker, got = upnext.Worker("shop", redis_url=redis_url), list[int]()

    @worker.event("order.placed").on
    async def confirm(n: int) -> None:
        got.append(n)

    arguments = ("send", "order.placed", "--unchecked", "--key", "k", "n=5", "--format", "json")
    async with running(worker):
        code, out, err = await asyncio.to_thread(command, *arguments, url=redis_url)
        assert (code, err) == (0, "")
        sent = json.loads(out)
        assert sent["jobs"] == [{"job_id": f"{sent['event_id']}.0", "worker": "shop", "handler": "confirm"}]
        again = json.loads((await asyncio.to_thread(command, *arguments, url=redis_url))[1])
        assert (again["repeated"], again["event_id"]) == (True, sent["event_id"])
        await (await worker.event("order.placed").send(n=6)).results(timeout=15)
        await wait_until_async(lambda: sorted(got) == [5, 6])


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("str | None", str | None),
        ("None | str", None | str),
        ("dict[str, list[int]]", dict[str, list[int]]),
        ("tuple[int, ...]", tuple[int, ...]),
        ("list[shop.models.Item]", list[Any]),
        ("shop.models.Item | None", Any),
        ("__import__('os').system('x')", Any),
        ("(" * 500, Any),
        ("", Any),
    ],
)
def test_types_of_the_lock_are_read_without_running_them(text: str, kind: object) -> None:
    """What is not known here passes."""
    assert read_type(text) == kind


class Endless(io.StringIO):
    """Input without an end: whoever asks for all of it gets none."""

    def read(self, size: int | None = -1, /) -> str:
        assert size is not None
        assert size > 0, "without a limit"
        return " " * size


@pytest.mark.parametrize("words", ["send a --unchecked --json -", "dead replay x.0 --edit -"])
def test_input_that_is_no_payload_at_all_is_refused(
    command: Command, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    for stream, why in (
        (Endless(), "it holds more than 100 MB"),
        (io.TextIOWrapper(io.BytesIO(b"\xff"), "utf-8"), "'utf-8' codec can't decode byte 0xff"),
        (None, "it is closed"),
    ):
        monkeypatch.setattr("sys.stdin", stream)
        code, out, err = command(*words.split())
        assert (code, out) == (2, "")
        assert err.startswith(f"upnext: Standard input cannot be read: {why}")
