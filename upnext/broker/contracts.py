"""The contracts of deployed handlers: what each of them takes, as published by the workers that run them.

What a worker publishes depends on its code alone, so it is stored once however many processes run it, under its digest.
Each process names that digest in its record, which goes with its lease; what no process names any more expires.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from upnext.broker.foreign_data import is_wrong_type
from upnext.broker.handler_id import HandlerId
from upnext.broker.redis_types import ResponseError
from upnext.broker.replies import read_json, scored, shown, text
from upnext.errors import ConfigError
from upnext.limits import MAX_CONTRACT, MAX_CONTRACT_DEPTH, MAX_CONTRACTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from upnext.broker.broker import Broker

VERSION: Final = 1
"""Of the JSON that is stored. A release that changes what a key in it means raises it."""

CONTRACTS: Final = "contracts"
"""The key of a worker's record that holds the digest; "" until it is published, missing in earlier releases."""

RELEASE: Final = "release"
"""The key of a worker's record that holds its `UPNEXT_RELEASE`."""

TTL: Final = 600
"""Seconds that contracts are kept after a worker last said that it has them."""

_PAGE = 200
_FOREVER = 1e11  # seconds; a later time was written by another program
_DIGEST = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class HandlerContract:
    """What one handler or task takes.

    Attributes:
        handler: Its identity.
        module: The module that defines it.
        schema: The JSON Schema of its payload; None where its worker could not say it, or it is too large or nested too
            deeply.
        upcasts: The upcasters of its event: `name`, and as JSON Schema what it `takes` and `gives` (None where it does
            not say).
    """

    handler: str
    module: str
    schema: Mapping[str, Any] | None
    upcasts: tuple[Mapping[str, Any], ...] = ()

    @property
    def closed(self) -> bool | None:
        """Whether it refuses every field that it does not name; None if its worker does not say."""
        return None if self.schema is None else self.schema.get("additionalProperties") is False


@dataclass(frozen=True, slots=True)
class Deployment:
    """Processes of one release that run a handler with the same contract.

    Attributes:
        release: What `UPNEXT_RELEASE` says there, or "".
        processes: How many.
        since: When the first of them started, in seconds since 1970 by its own clock.
    """

    release: str
    processes: int
    since: float


@dataclass(frozen=True, slots=True)
class DeployedContract:
    """A contract, and where it is deployed."""

    contract: HandlerContract
    deployments: tuple[Deployment, ...]


@dataclass(frozen=True, slots=True)
class Fleet:
    """The contracts of the living workers of a namespace.

    Attributes:
        contracts: Sorted by handler; a handler has several where its processes are not all of one release.
        processes: How many worker processes live.
        silent: How many of them, by their worker's name, say nothing of their contracts: they run an earlier release of
            upnext, or have only just started.
        now: The server's time, in seconds since 1970.
    """

    contracts: tuple[DeployedContract, ...]
    processes: int
    silent: Mapping[str, int]
    now: float


@dataclass(frozen=True, slots=True)
class Published:
    """What a worker publishes, ready to be stored.

    Attributes:
        digest: Of the text.
        text: The JSON.
    """

    digest: str
    text: str

    @classmethod
    def of(cls, worker: str, contracts: Iterable[HandlerContract]) -> Published:
        """Create the contracts, as far as there is room."""
        handlers: dict[str, dict[str, Any]] = {}
        room = MAX_CONTRACTS
        for each in sorted(contracts, key=lambda contract: contract.handler):
            upcasts = {"upcasts": list(each.upcasts)} if each.upcasts else {}
            size, fits = 0, not _is_too_deep(each.schema, *each.upcasts)
            if fits:
                size = len(_written(each.schema)) + len(_written(upcasts))
                fits = size <= min(room, MAX_CONTRACT)
            room -= size if fits else 0
            handlers[each.handler] = {"module": each.module, "schema": None}
            if fits:
                handlers[each.handler] |= {"schema": each.schema, **upcasts}
        written = _written({"version": VERSION, "worker": worker, "handlers": handlers})
        return cls(hashlib.sha256(written.encode()).hexdigest()[:32], written)


class ContractStore:
    """Publishes and reads the contracts of a namespace.

    Args:
        first: The namespace's first partition, which keeps them for all.
    """

    def __init__(self, first: Broker) -> None:
        self._link = first.link
        self._keys = first.keys

    async def keep(self, published: Published) -> None:
        """Store what a worker publishes, or extend its life if it is stored already."""
        key = self._keys.contracts(published.digest)
        if not await self._link.command("EXPIRE", key, TTL):
            await self._link.command("SET", key, published.text, "EX", TTL)

    async def read(self) -> Fleet:
        """Read the contracts of the living workers.

        Raises:
            ConfigError: If a later release of upnext wrote it, or another program.
        """
        seconds, _ = await self._link.command("TIME")
        records = await self._records(int(seconds))
        silent: defaultdict[str, int] = defaultdict(int)
        named: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for record in records:
            named[_digest(record)].append(record)
        stored = await self._stored([digest for digest in named if digest])
        found: dict[tuple[str, str], HandlerContract] = {}
        where: defaultdict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        for digest, having in named.items():
            contracts = stored.get(digest)
            if contracts is None:
                for record in having:
                    silent[str(record.get("worker", "?"))] += 1
                continue
            for contract in contracts:
                key = contract.handler, _written([contract.module, contract.schema])
                found[key] = contract
                where[key] += having
        deployed = tuple(DeployedContract(found[key], _deployments(where[key])) for key in sorted(found))
        return Fleet(deployed, len(records), dict(sorted(silent.items())), int(seconds))

    async def _records(self, now: int) -> list[dict[str, Any]]:
        """Return the records of the workers that hold leases; an unreadable record counts as empty."""
        leases = scored(await self._link.command("ZRANGE", self._keys.leases, 0, -1, "WITHSCORES"))
        living = [text(worker_id) for worker_id, ends in leases if ends > now * 1000]
        pages = [living[start : start + _PAGE] for start in range(0, len(living), _PAGE)]
        read = (self._link.command("HMGET", self._keys.workers, *page) for page in pages)
        return [_record(raw) for page in await asyncio.gather(*read) for raw in page]

    async def _stored(self, digests: Sequence[str]) -> dict[str, tuple[HandlerContract, ...]]:
        found: dict[str, tuple[HandlerContract, ...]] = {}
        for digest in digests:
            key = self._keys.contracts(digest)
            try:
                raw: bytes | None = await self._link.command("GET", key)
            except ResponseError as error:
                if not is_wrong_type(error):
                    raise
                raise _foreign(key) from error
            if raw is not None:
                found[digest] = _read(key, raw)
        return found


def _written(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _is_too_deep(*values: object) -> bool:
    """Whether any of these values nests more deeply than a contract may."""
    level: Sequence[object] = values
    for _ in range(MAX_CONTRACT_DEPTH):
        level = [inner for each in level for inner in _lists_and_objects_in(each)]
        if not level:
            return False
    return True


def _lists_and_objects_in(value: object) -> list[object]:
    inside: Iterable[object] = ()
    if isinstance(value, dict):
        inside = cast("dict[str, object]", value).values()
    elif isinstance(value, list):
        inside = cast("list[object]", value)
    return [inner for inner in inside if isinstance(inner, dict | list)]


def _record(raw: bytes | None) -> dict[str, Any]:
    found = None if raw is None else read_json(raw)
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _digest(record: Mapping[str, Any]) -> str:
    digest = record.get(CONTRACTS)
    return digest if isinstance(digest, str) and _DIGEST.fullmatch(digest) else ""


def _deployments(records: Sequence[Mapping[str, Any]]) -> tuple[Deployment, ...]:
    since: defaultdict[str, list[float]] = defaultdict(list)
    for record in records:
        release, started = record.get(RELEASE), record.get("since")
        time = float(started) if isinstance(started, int | float) and abs(started) < _FOREVER else 0.0
        since[release if isinstance(release, str) else ""].append(time)
    return tuple(Deployment(release, len(starts), min(starts)) for release, starts in sorted(since.items()))


def _read(key: str, raw: bytes) -> tuple[HandlerContract, ...]:
    published = read_json(raw)
    if not isinstance(published, dict):
        raise _foreign(key)
    record = cast("dict[str, Any]", published)
    version = record.get("version")
    if isinstance(version, int) and version > VERSION:
        raise ConfigError(
            f"The contracts in {shown(key)} are of version {version}, which a later release of upnext wrote; "
            f"this one reads version {VERSION}. Run the command with that release."
        )
    handlers: object = record.get("handlers")
    if version != VERSION or not isinstance(handlers, dict):
        raise _foreign(key)
    return tuple(_contract(key, name, each) for name, each in cast("dict[str, Any]", handlers).items())


def _contract(key: str, handler: str, found: object) -> HandlerContract:
    contract = cast("dict[str, object]", found) if isinstance(found, dict) else {}
    module, schema = contract.get("module"), contract.get("schema", "")
    if not isinstance(module, str) or not isinstance(schema, dict | None) or not HandlerId.matches(handler):
        raise _foreign(key)
    upcasts: object = contract.get("upcasts", [])
    given = cast("list[object]", upcasts) if isinstance(upcasts, list) else [None]
    if not all(isinstance(each, dict) for each in given):
        raise _foreign(key)
    read = tuple(cast("dict[str, Any]", each) for each in given)
    takes = cast("dict[str, Any] | None", schema)
    if _is_too_deep(takes, *read):  # no release publishes one
        return HandlerContract(handler, module, None)
    return HandlerContract(handler, module, takes, read)


def _foreign(key: str) -> ConfigError:
    return ConfigError(
        f"{shown(key)} does not hold what upnext stores there: another program wrote it. Delete the key; the workers "
        "publish their contracts again within two minutes."
    )
