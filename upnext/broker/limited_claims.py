"""Claims jobs of handlers that have limits across all processes, and gives their slots back.

Jobs that wait for a slot or for their rate stay in their handler's queue like all others: claim_limited.lua takes no
more of them than the limits allow. A slot belongs to a claim and is returned with it, whatever happens to the worker.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from time import monotonic
from typing import TYPE_CHECKING, Any

from upnext.broker.foreign_data import warn_foreign
from upnext.broker.handler_id import HandlerId
from upnext.broker.limits_by_value import LimitsByValue
from upnext.broker.redis_types import RedisError
from upnext.broker.replies import text
from upnext.broker.scripts import script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from upnext.broker.claims import Claim
    from upnext.broker.connection import PipelinedConnection
    from upnext.broker.handler_limits import HandlerLimits
    from upnext.broker.keys import Keys

_MOST_OTHERS = 50  # workers whose claims one check can read
_MOST_FREED = 500  # slots of one handler that one script returns
_PAGE = 20  # slots per check
_LOOK = 0.05  # seconds between two checks
_GATHER = 0.001  # seconds, in which more jobs may end: one check serves all of them


class LimitedClaims:
    """What one worker process claims within the limits of its handlers, on one partition.

    Of processes that declare different limits, as during a deployment, each keeps to its own: it claims nothing while
    all of them together have claimed as many jobs as it allows, or more.

    Args:
        link: The connection.
        keys: The partition's keys.
        worker_id: The worker's id.
        limits: The limits by the handler's identity, as far as they hold for this partition.
        expect: Called with the seconds until the first of some jobs that were put off is due.

    Attributes:
        limits: As above.
        by_value: What is claimed of handlers whose limits hold by the value of a field.
        again_in: Seconds after which it is worth while to claim again; None if only a wake-up tells.
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
        self.limits = limits
        self.by_value = LimitsByValue(link, keys, worker_id, limits, expect)
        self.again_in: float | None = None
        self._short: set[str] = set()  # handlers with jobs that wait for others to end, as of the last claim
        self._others: tuple[str, ...] = ()  # workers that hold slots
        self._repeated = False
        self._others_first = False
        self._checked_at: dict[str, float] = {}  # when a page of a handler's slots was last checked
        self._ended: defaultdict[str, list[str]] = defaultdict(list)  # jobs whose slots have not been reported yet
        self._freeing: asyncio.Task[None] | None = None

    async def claim(self, names: Sequence[str], words: Sequence[Any], handlers: Sequence[str]) -> Any:
        """Claim jobs; arguments and reply are those of claim.lua, for handlers some of which have limits."""
        divided = [handler for handler in handlers if handler in self.by_value]
        if not divided:
            return await self._claim(names, words, handlers)
        _, most, suspect, epoch = words[:4]
        # Everything at once, so that none waits for another: the contents of these handlers' queues are known
        # from the previous check.
        shares = self._shares(divided, most, alone=len(divided) == len(handlers))
        rest = [handler for handler in handlers if handler not in shares]
        words = [words[0], most - sum(shares.values()), suspect, epoch, *rest]
        asked = [self._claim([*names[:5], *map(self._keys.queue, rest)], words, rest)] if rest else []
        asked += [self.by_value.claim(handler, epoch, suspect, share) for handler, share in shares.items()]
        replies = await asyncio.gather(*asked, *map(self.by_value.look, divided))
        claimed = [*zip([rest] * bool(rest) + [[handler] for handler in shares], replies, strict=False)]
        return _merged(handlers, claimed, {handler: self.by_value.claimable(handler) for handler in divided})

    def _shares(self, divided: Sequence[str], most: int, *, alone: bool) -> dict[str, int]:
        """Return how many jobs of each handler with limits by value may be claimed; the others get the rest."""
        shares = dict.fromkeys(divided, 0)
        waiting = [handler for handler in divided if self.by_value.has_seen(handler)]
        if waiting:
            self._others_first = not self._others_first and not alone
            total = most * len(waiting) // (len(waiting) + (not alone))
            if not total and not self._others_first:
                total = most  # with fewer slots than queues, every other time
            for number, handler in enumerate(waiting):
                shares[handler] = total // len(waiting) + (number < total % len(waiting))
        return shares

    async def _claim(self, names: Sequence[str], words: Sequence[Any], handlers: Sequence[str]) -> Any:
        limited = [(number, handler) for number, handler in enumerate(handlers, 1) if handler in self.limits]
        if not limited:
            return await self._link.call(script("claim"), names, words)
        keys, names, words = self._keys, list(names), list(words)
        for number, handler in limited:
            limits, ended = self.limits[handler], self._take_ended(handler)
            names += [keys.slots(handler), keys.starts(handler)]
            words += [number, "" if limits.limit is None else limits.limit]
            words += ["", ""] if limits.rate is None else [limits.rate.starts, limits.rate.seconds * 1000]
            words += [self._page(handler), len(ended), *ended]
        names += map(keys.claims, self._others)
        words += [*self._others, len(handlers), len(limited)]
        reply: Any = await self._link.call(script("claim_limited"), names, words)
        if reply[0] == b"lost":
            return reply
        claimed, holders, unknown, pause, foreign, waiting = reply
        # Those of earlier checks too: each covers a page of the slots, and the next page may belong to other workers.
        self._others = tuple(dict.fromkeys([*map(text, holders), *self._others]))[:_MOST_OTHERS]
        # At once, now that the workers to check are known; but not again and again.
        self._repeated = bool(unknown) and not self._repeated
        if self._repeated:
            self._checked_at.clear()
        self.again_in = 0.0 if self._repeated else int(pause) / 1000 if pause else None
        self._short = {handlers[int(position)] for position in waiting}
        for number in map(int, foreign):
            warn_foreign(names[number - 1], "the jobs of this handler cannot be claimed; delete the key")
        return claimed

    def note_ended(self, claims: Iterable[Claim]) -> float | None:
        """Record which jobs have ended, so that their slots are returned by the next claim here or by a script.

        Returns:
            Seconds in which it is worth while to claim jobs that wait for these slots; None if none do.
        """
        again_in = None
        for claim in claims:
            limits = self.limits.get(claim.handler)
            if limits is not None and limits.limit is not None:
                ended = self._ended[claim.handler]
                ended.append(claim.job_id)
                if claim.handler in self._short and again_in != 0.0:
                    again_in = 0.0 if 2 * len(ended) >= limits.limit else _GATHER
        if self._ended and (self._freeing is None or self._freeing.done()):
            self._freeing = asyncio.create_task(self._free_ended())
        return again_in

    async def given_back(self) -> None:
        """Wait until the slots of all ended jobs are free."""
        while self._freeing is not None and not self._freeing.done():
            await asyncio.wait([self._freeing])

    async def _free_ended(self) -> None:
        while self._ended:
            await asyncio.sleep(2 * _GATHER)
            await self.free({handler: self._take_ended(handler) for handler in list(self._ended)})

    def _page(self, handler: str) -> int:
        """Return how many slots to look at: a few from time to time, for those whose end was never reported."""
        now = monotonic()
        if now - self._checked_at.get(handler, -_LOOK) < _LOOK:
            return 0
        self._checked_at[handler] = now
        return _PAGE

    def _take_ended(self, handler: str) -> list[str]:
        ended = self._ended.pop(handler, [])
        if len(ended) > _MOST_FREED:
            self._ended[handler] = ended[_MOST_FREED:]
        return ended[:_MOST_FREED]

    async def free(self, ended: Mapping[str, Sequence[str]]) -> None:
        """Return the slots of ended jobs, by handler, and wake workers for the jobs that wait for them."""
        await self.by_value.free({handler: jobs for handler, jobs in ended.items() if handler in self.by_value})
        ended = {handler: jobs for handler, jobs in ended.items() if handler not in self.by_value}
        if not ended:
            return
        keys = self._keys
        names = [keys.claims(self._worker_id), keys.wake(HandlerId.parse(next(iter(ended))).worker)]
        names += map(keys.slots, ended)
        words: list[Any] = [self._worker_id]
        for handler, jobs in ended.items():
            words += (handler, len(jobs), *jobs)
        try:
            await self._link.call(script("free"), names, words)
        except (RedisError, OSError):
            return  # they are found free by the next claim


def _merged(handlers: Sequence[str], claimed: Sequence[tuple[Sequence[str], Any]], seen: Mapping[str, int]) -> Any:
    """Merge several replies into one of claim.lua: each with its handlers, and what was seen in some queues."""
    merged: list[Any] = []
    envelopes: list[bytes | None] = []
    left = dict(seen)
    for of, reply in claimed:
        if reply is None:
            continue
        if reply[0] == b"lost":
            return reply
        left = dict(zip(of, reply[1], strict=True)) | left
        merged += [[handlers.index(of[int(position)]), *rest] for position, *rest in reply[2:-1]]
        envelopes += reply[-1] if len(reply) > 2 else []
    return [b"ok", [left[handler] for handler in handlers], *merged, envelopes]
