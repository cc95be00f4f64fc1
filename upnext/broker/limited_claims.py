"""Claiming jobs of handlers that have limits over all processes, and giving their slots back.

Jobs that wait for a slot, or for their rate, wait where all others do, in their handler's queue: claim_limited.lua
takes no more of them than it may. A slot belongs to a claim, and comes back with it, whatever happens to its worker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upnext.broker.foreign_data import warn_foreign
from upnext.broker.handler_id import HandlerId
from upnext.broker.redis_types import RedisError
from upnext.broker.replies import text
from upnext.broker.scripts import script

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from upnext.broker.claims import Claim
    from upnext.broker.connection import PipelinedConnection
    from upnext.broker.handler_limits import HandlerLimits
    from upnext.broker.keys import Keys

_MOST_OTHERS = 50  # workers whose claims one look can look at


class LimitedClaims:
    """What one worker process claims within the limits of its handlers, on one partition.

    Of processes that declare different limits, as during a deployment, each keeps to its own: it claims nothing while
    all of them together have claimed as many jobs as it allows, or more.

    Args:
        link: The connection.
        keys: The partition's keys.
        worker_id: The worker's id.
        limits: The limits by the handler's identity, as far as they hold for this partition.

    Attributes:
        limits: As above.
        again_in: Seconds after which it is worth while to claim again; None if only a wake-up tells.
    """

    def __init__(
        self, link: PipelinedConnection, keys: Keys, worker_id: str, limits: Mapping[str, HandlerLimits]
    ) -> None:
        self._link = link
        self._keys = keys
        self._worker_id = worker_id
        self.limits = limits
        self.again_in: float | None = None
        self._others: tuple[str, ...] = ()  # workers that hold slots
        self._repeated = False

    async def claim(self, names: Sequence[str], words: Sequence[Any], handlers: Sequence[str]) -> Any:
        """Claim jobs; arguments and reply are those of claim.lua, for handlers some of which have limits."""
        limited = [(number, handler) for number, handler in enumerate(handlers, 1) if handler in self.limits]
        if not limited:
            return await self._link.call(script("claim"), names, words)
        keys, names, words = self._keys, list(names), list(words)
        for number, handler in limited:
            limits = self.limits[handler]
            names += [keys.slots(handler), keys.starts(handler)]
            words += [number, "" if limits.limit is None else limits.limit]
            words += ["", ""] if limits.rate is None else [limits.rate.starts, limits.rate.seconds * 1000]
        names += map(keys.claims, self._others)
        words += [*self._others, len(handlers), len(limited)]
        reply: Any = await self._link.call(script("claim_limited"), names, words)
        if reply[0] == b"lost":
            return reply
        claimed, holders, unknown, pause, foreign = reply
        # Those of earlier looks as well: each is at a page of the slots, and the next one may be of other workers.
        self._others = tuple(dict.fromkeys([*map(text, holders), *self._others]))[:_MOST_OTHERS]
        # At once, now that it is known whose claims to look at; but not again and again.
        self._repeated = bool(unknown) and not self._repeated
        self.again_in = 0.0 if self._repeated else int(pause) / 1000 if pause else None
        for number in map(int, foreign):
            warn_foreign(names[number - 1], "the jobs of this handler cannot be claimed; delete the key")
        return claimed

    async def free(self, claims: Iterable[Claim]) -> None:
        """Give back the slots of jobs that have ended at once, rather than at the next claim of somebody."""
        ended = [claim for claim in claims if claim.handler in self.limits]
        if not ended:
            return
        keys = self._keys
        names = [keys.claims(self._worker_id), keys.wake(HandlerId.parse(ended[0].handler).worker)]
        names += [keys.slots(claim.handler) for claim in ended]
        words = [word for claim in ended for word in (claim.field, f"{self._worker_id} {claim.job_id}")]
        try:
            await self._link.call(script("free"), names, words)
        except (RedisError, OSError):
            return  # they are found free by the next claim
