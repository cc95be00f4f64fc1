"""Limits per value of a payload field: claiming within them, and giving slots back.

A job whose value is at its limit moves to a line for that value, so that the jobs behind it in the queue get their
turns. The server keeps only digests of the values: no key contains payload data.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import defaultdict
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from pydantic_core import from_json

from upnext.broker.foreign_data import warn_foreign
from upnext.broker.handler_id import HandlerId
from upnext.broker.job_ids import unpack
from upnext.broker.redis_types import RedisError
from upnext.broker.replies import text
from upnext.broker.scripts import script

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from upnext.broker.connection import PipelinedConnection
    from upnext.broker.handler_limits import HandlerLimits
    from upnext.broker.keys import Keys

_PEEK = 50  # jobs whose values are read at once: a payload may have a megabyte
_PAGE = 100  # slots, and records of starts, per check
_LOOK = 0.25  # seconds between two checks of slots whose end was not reported
_LONGEST = 3_600_000  # maximum ms of a job in line: then it returns to the queue, even if the line is lost


class LimitsByValue:
    """What one worker process claims within limits by value, on one partition.

    Args:
        link: The connection.
        keys: The partition's keys.
        worker_id: The worker's id.
        limits: The limits by the handler's identity; those without a field are left alone here.
        expect: Called with the seconds until the first of some jobs that were put off is due.
    """

    def __init__(
        self,
        link: PipelinedConnection,
        keys: Keys,
        worker_id: str,
        limits: Mapping[str, HandlerLimits],
        expect: Callable[[float], None],
    ) -> None:
        self._link = link
        self._keys = keys
        self._worker_id = worker_id
        self._limits = limits
        self._expect = expect
        self._peeked: dict[str, list[tuple[bytes, str]]] = {}  # handler -> entries at the head of its queue, and values
        self._slots: dict[str, str] = {}  # `handler job` -> its slot
        self._blocked: set[str] = set()  # handlers in whose way another program's key is
        self._checked_at: dict[str, float] = {}
        self._cursors: dict[tuple[str, str], bytes] = {}

    def __contains__(self, handler: str) -> bool:
        """Return whether a handler's limits apply per value."""
        limits = self._limits.get(handler)
        return limits is not None and limits.by is not None

    def has_seen(self, handler: str) -> bool:
        """Return whether a handler's queue had jobs when it was last looked at."""
        return bool(self._peeked.get(handler))

    def claimable(self, handler: str) -> int:
        """Return how many of the jobs seen are worth claiming at once."""
        return 0 if handler in self._blocked else len(self._peeked.get(handler, ()))

    async def claim(self, handler: str, epoch: int, suspect: int, most: int) -> Any:
        """Claim jobs among those seen last; returns a reply of claim.lua, None if there were none."""
        peeked = self._peeked.pop(handler, [])
        if not peeked or not most:
            return None
        limits, keys, worker = self._limits[handler], self._keys, HandlerId.parse(handler).worker
        names = [keys.leases, keys.claims(self._worker_id), keys.events, keys.wake(worker)]
        names += [keys.claim_epoch(self._worker_id), keys.queue(handler), keys.scheduled]
        names += [keys.taken(handler), keys.begun(handler), keys.line(handler)]
        words: list[Any] = [self._worker_id, most, suspect, epoch, handler]
        words.append("" if limits.limit is None else limits.limit)
        words += ["", ""] if limits.rate is None else [limits.rate.starts, limits.rate.seconds * 1000]
        words.append(_LONGEST)
        words += [word for pair in peeked for word in pair]
        reply: Any = await self._link.call(script("claim_by_value"), names, words)
        if reply[0] == b"lost":
            return reply
        self._note_due(reply.pop(-2))
        values = reply.pop(-2)
        self._blocked.discard(handler)
        if reply[1] == [-1]:
            self._blocked.add(handler)
            for number in map(int, values):
                warn_foreign(names[number - 1], "the jobs of this handler cannot be claimed; delete the key")
        for _, entries, _ in reply[2:-1] if limits.limit is not None else ():
            for entry, value in zip(entries, values, strict=True):
                job_id = text(entry).rpartition(" ")[0]
                self._slots[f"{handler} {job_id}"] = f"{text(value)} {self._worker_id} {job_id}"
        return reply

    async def look(self, handler: str) -> None:
        """Look at the head of a handler's queue, and from time to time at its slots."""
        keys = self._keys
        await self._look_at_slots(handler)
        reply: Any = await self._link.call(script("peek"), (keys.events, keys.queue(handler)), (_PEEK,))
        names = self._limits[handler].names
        self._peeked[handler] = [
            (entry, _digest(envelope, names)) for entry, envelope in zip(reply[0], reply[1], strict=True)
        ]

    async def free(self, ended: Mapping[str, Sequence[str]]) -> None:
        """Return the slots of ended jobs, by handler, and bring back the jobs that wait for them."""
        for handler, jobs in ended.items():
            found = [self._slots.pop(f"{handler} {job}", None) for job in jobs]
            slots = [slot for slot in found if slot is not None]
            try:
                await self._free(handler, slots)
            except (RedisError, OSError):
                continue  # a later check finds them

    async def _look_at_slots(self, handler: str) -> None:
        now = monotonic()
        if now - self._checked_at.get(handler, -_LOOK) < _LOOK:
            return
        self._checked_at[handler] = now
        keys = (self._keys.taken(handler), self._keys.begun(handler), self._keys.line(handler))
        taken, begun, line = await asyncio.gather(*(self._page(handler, key) for key in keys))
        values = {place.partition(" ")[0]: None for place in line}
        await self._free(handler, [slot for slot in taken if slot.count(" ") >= 2], begun, list(values))

    async def _page(self, handler: str, key: str) -> list[str]:
        first = self._cursors.pop((handler, key), b"-")
        page: list[bytes] = await self._link.command("ZRANGE", key, first, "+", "BYLEX", "LIMIT", 0, _PAGE)
        if len(page) == _PAGE:
            self._cursors[handler, key] = b"(" + page[-1]
        return [text(member) for member in page]

    async def _free(
        self, handler: str, slots: Sequence[str], begun: Sequence[str] = (), values: Sequence[str] = ()
    ) -> None:
        if not slots and not begun and not values:
            return
        keys, limits = self._keys, self._limits[handler]
        holders: defaultdict[str, int] = defaultdict(lambda: len(holders) + 1)
        words: list[Any] = [handler, "" if limits.limit is None else limits.limit]
        words += ["", ""] if limits.rate is None else [limits.rate.starts, limits.rate.seconds * 1000]
        words += [len(slots), len(begun)]
        for slot in slots:
            words += (slot, holders[slot.split(" ", 2)[1]])
        words += [*begun, *values]
        names = [keys.scheduled, keys.queue(handler), keys.wake(HandlerId.parse(handler).worker)]
        names += [keys.taken(handler), keys.begun(handler), keys.line(handler), *map(keys.claims, holders)]
        self._note_due(await self._link.call(script("free_by_value"), names, words))

    def _note_due(self, milliseconds: bytes) -> None:
        if milliseconds:
            self._expect(int(milliseconds) / 1000)


def _digest(envelope: bytes | None, names: Sequence[str]) -> str:
    """Return the digest of a field's value in a payload: the same for all payloads without one."""
    body = None if envelope is None else unpack(envelope)
    value: Any = None
    if body is not None:
        try:
            payload: Any = from_json(body)
        except ValueError:
            payload = None  # it is a dead letter as soon as it is claimed
        if isinstance(payload, dict):
            fields = cast("dict[str, Any]", payload)
            value = next((fields[name] for name in names if name in fields), None)
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode(errors="surrogatepass")).hexdigest()[:20]
