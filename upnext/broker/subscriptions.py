"""Ends subscriptions: nothing more is queued for the handler, and its waiting jobs become dead letters."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from upnext.broker.claims import DeadLetter
from upnext.broker.handler_id import HandlerId
from upnext.broker.job_ids import QueueEntry
from upnext.broker.scripts import script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from upnext.broker.connection import PipelinedConnection
    from upnext.broker.keys import Keys

REASON = "unsubscribed"
"""The reason of the dead letters."""

_PAGE = 200


class Subscriptions:
    """Ends subscriptions of one partition; workers make them when they connect.

    Args:
        link: The connection.
        keys: The partition's keys.
    """

    def __init__(self, link: PipelinedConnection, keys: Keys) -> None:
        self._link = link
        self._keys = keys

    async def end(self, handler: str) -> bool:
        """End a handler's subscription, at one moment for all senders; False if it had none.

        A task has none: it is taken out of the list of what has queues, into which the next submit brings it back.

        Args:
            handler: Its identity, `worker|event|name`. A living worker that has it would not notice: see to that first.
        """
        identity, keys = HandlerId.parse(handler), self._keys
        if identity.is_task:
            return bool(await self._link.command("SREM", keys.queues, handler))
        names = (keys.versions, keys.subscriptions(identity.event))
        return bool(await self._link.call(script("unsubscribe"), names, (identity.event, uuid.uuid4().hex, handler)))

    async def abandon(self, handler: str) -> int:
        """Turn all waiting jobs of a handler into dead letters, starting with those that are not due yet.

        Returns:
            How many. Jobs that somebody claims or moves meanwhile are left to them.
        """
        return await self._abandon_delayed(handler) + await self._abandon_queued(handler)

    async def _abandon_delayed(self, handler: str) -> int:
        start = moved = 0
        while members := await self._link.command("ZRANGE", self._keys.scheduled, start, start + _PAGE - 1):
            texts = [member.decode(errors="replace") for member in members]
            matching = [text for text in texts if text.rpartition(" ")[0] == handler]
            gone = await self._move(handler, [("", text) for text in matching])
            start += len(members) - gone
            moved += gone
        return moved

    async def _abandon_queued(self, handler: str) -> int:
        moved = 0
        while tickets := await self._link.command("LRANGE", self._keys.queue(handler), 0, _PAGE - 1):
            gone = await self._move(handler, [(entry.decode(errors="replace"), "") for entry in tickets])
            moved += gone
            if not gone:
                break
        return moved

    async def _move(self, handler: str, entries: Sequence[tuple[str, str]]) -> int:
        if not entries:
            return 0
        keys, words = self._keys, list[str]()
        for queued, delayed in entries:
            letter = _letter(handler, queued or delayed.rpartition(" ")[2])
            words += [queued, delayed, letter.job_id, letter.to_json()]
        names = (keys.queue(handler), keys.scheduled, keys.dead, keys.dead_index, keys.unique(handler))
        return int(await self._link.call(script("abandon"), names, words))


def _letter(handler: str, text: str) -> DeadLetter:
    job_id, *counts = text.split(":")
    entry = (
        QueueEntry(job_id, *map(int, counts)) if all(count.isdecimal() for count in counts[:3]) else QueueEntry(job_id)
    )
    return DeadLetter.of(handler, entry, REASON, "the handler's subscription was ended while the job waited for it")
