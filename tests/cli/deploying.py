"""Code that is deployed, jobs that wait, and what `upnext gen --against` says of new code beside them."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
import textwrap
from dataclasses import dataclass, field
from typing import Any

import pytest
from redis import Redis

from tests.cli.projects import Outcome, Shell
from upnext.broker.broker import Broker
from upnext.broker.claims import DeadLetter
from upnext.broker.contracts import HandlerContract, Published
from upnext.broker.handler_id import HandlerId
from upnext.broker.job_ids import QueueEntry
from upnext.broker.keys import Keys
from upnext.registry import Registry, declarations
from upnext.runner.contract_publisher import contracts_of

KEYS = Keys("default")
HEAD = """
    from enum import Enum
    from typing import Annotated, Literal

    import upnext
    from pydantic import BaseModel, Field

    worker = upnext.Worker("shop")
    order_placed = worker.event("order.placed")

"""
COLOUR = """
    class Colour(Enum):
        RED = "red"
        BLUE = "blue"

"""
ITEM = """
    class Item(BaseModel):
        name: str
        amount: int = 1

"""
MAIL = """
    @order_placed.on
    async def mail(order_id: str, **kwargs: object) -> None: ...

"""
CLOSED = MAIL.replace(", **kwargs: object", "")
SEND = """
    async def buy() -> None:
        await order_placed.send(order_id="1")

"""
TASK = """
    @worker.task
    async def report(day: str) -> None: ...

"""
SUBMIT = """
    async def order_report() -> None:
        await report.submit(day="1")

"""
SENDERS, WORKERS, TWO = "senders first:", "workers first:", "two releases:"


@dataclass(frozen=True)
class Change:
    """What is deployed, what is to be deployed, and what has to be said of it.

    Attributes:
        before: What is deployed.
        after: What is to be deployed.
        expected: The findings: severity and code, a part of the message, and of the help.
        jobs: The payloads that wait for `mail`; the second of a pair is how they stand.
        others: The deployed code of another project.
    """

    before: str
    after: str
    expected: tuple[tuple[str, str, str], ...] = ()
    jobs: tuple[tuple[dict[str, Any], str], ...] = ()
    others: str = ""
    handler: str = "shop|order.placed|mail"
    files: dict[str, str] = field(default_factory=dict)


def declared(name: str, source: str, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> list[Registry]:
    """Run sources as a module, and return what its workers declare."""
    path = shell.root.parent / f"{name}.py"
    path.write_text(textwrap.dedent(source), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    known = set(declarations)
    spec.loader.exec_module(module)
    return [registry for registry in declarations if registry not in known]


def deploy(url: str, registries: list[Registry], release: str = "1.0", since: int = 1_790_000_000) -> None:
    """Put on the server what a worker of each would publish."""
    for registry in registries:
        store(url, registry.worker, contracts_of(registry), release, since)


def publish(url: str, worker: str, contracts: list[HandlerContract]) -> None:
    store(url, worker, Published.of(worker, contracts), "1.0", 1_790_000_000)


def store(url: str, worker: str, published: Published, release: str, since: int) -> None:
    with Redis.from_url(url) as client:
        name = f"{worker}{release}.60000"
        record = {"worker": worker, "since": since, "release": release, "contracts": published.digest}
        client.set(KEYS.contracts(published.digest), published.text)
        client.hset(KEYS.workers, name, json.dumps(record))
        client.zadd(KEYS.leases, {name: 10**14})


def queue(url: str, handler: str, jobs: tuple[tuple[dict[str, Any], str], ...]) -> None:
    """Queue jobs for a handler."""

    async def send() -> None:
        broker = Broker(url, KEYS)
        event = HandlerId.parse(handler).event
        if event:
            await broker.publisher.subscribe(event, [handler])
        for payload, state in jobs:
            body, delay = json.dumps(payload).encode(), 3600 if state == "delayed" else 0.0
            if event:
                sent = await broker.publisher.publish(event, body, delay=delay)
            else:
                sent = await broker.publisher.submit(handler, body, delay=delay)
            entry = f"{sent.event_id}.0"
            if state == "dead":
                await broker.link.command("LREM", KEYS.queue(handler), 0, entry)
                letter = DeadLetter.of(handler, QueueEntry(entry, 1, 1, 0), "failed", "")
                await broker.link.command("HSET", KEYS.dead, entry, letter.to_json())
                await broker.link.command("ZADD", KEYS.dead_index, 1, entry)
            elif state == "retrying":
                await broker.link.command("LREM", KEYS.queue(handler), 0, entry)
                await broker.link.command("ZADD", KEYS.scheduled, 10**14, f"{handler} {entry}:1:1:0")
        await broker.close()

    asyncio.run(send())


def checked(shell: Shell, *against: str) -> tuple[Outcome, list[dict[str, Any]]]:
    """Return what `gen --check --against` says, and its findings of what is deployed."""
    shell.run("gen")
    options = [word for each in against for word in ("--against", each)]
    done = shell.run("gen", "--check", *options, "--format", "json")
    assert done.err == "", done.err
    return done, [each for each in json.loads(done.out)["diagnostics"] if each["code"].startswith("UPN4")]


def told(found: list[dict[str, Any]]) -> list[str]:
    return [f"{each['severity']} {each['code']} {each['message']} ({each['help']})" for each in found]


def prepare(shell: Shell, url: str, change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy(url, declared("shop_events", HEAD + change.before, shell, monkeypatch))
    if change.others:
        deploy(url, declared("billing_events", HEAD.replace('"shop"', '"billing"') + change.others, shell, monkeypatch))
    if change.jobs:
        queue(url, change.handler, change.jobs)
    shell.write({"shop_events.py": HEAD + change.after, **change.files})
