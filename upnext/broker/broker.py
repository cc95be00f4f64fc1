"""Everything a process asks of one partition of a namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upnext.broker.claims import Claims
from upnext.broker.connection import PipelinedConnection
from upnext.broker.dead_letters import PartitionDeadLetters
from upnext.broker.jobs import JobReader
from upnext.broker.limited_claims import LimitedClaims
from upnext.broker.maintenance import Maintenance
from upnext.broker.publishing import Publisher
from upnext.broker.results import ResultReader
from upnext.broker.status import StatusReader
from upnext.broker.subscriptions import Subscriptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from upnext.broker.backlog import Backlog
    from upnext.broker.handler_limits import HandlerLimits
    from upnext.broker.keys import Keys


class Broker:
    """One connection and what can be asked over it.

    Args:
        url: The server's address.
        keys: The partition's keys.
        name: What the server's list of clients shows.
        backlog: Counts what waits to be stored; None for a partition on its own.

    Attributes:
        publisher: Stores events and submissions.
        maintenance: Does what living workers do for the rest.
        dead_letters: Reads, replays and purges dead letters.
        results: Reads how jobs stand and what they returned.
        status_reader: Reads how the partition stands.
        subscriptions: Ends subscriptions.
        jobs: Looks at jobs, and cancels those that wait.
    """

    def __init__(self, url: str, keys: Keys, name: str = "upnext", backlog: Backlog | None = None) -> None:
        self.link = PipelinedConnection(url, keys, name)
        self.keys = keys
        self.publisher = Publisher(self.link, keys, backlog)
        self.maintenance = Maintenance(self.link, keys)
        self.dead_letters = PartitionDeadLetters(self.link, keys)
        self.results = ResultReader(self.link, keys)
        self.status_reader = StatusReader(self.link, keys)
        self.subscriptions = Subscriptions(self.link, keys)
        self.jobs = JobReader(self.link, keys)

    def claims(
        self,
        worker_id: str,
        result_ttl: float,
        limits: Mapping[str, HandlerLimits] | None = None,
        expect: Callable[[float], None] = lambda _: None,
    ) -> Claims:
        """Return the job operations of the worker with that id.

        Args:
            worker_id: The worker's id, never used before.
            result_ttl: Seconds that results are kept.
            limits: Of those handlers that have some.
            expect: Called with the seconds until the first of some jobs that limits have put off is due.
        """
        limited = LimitedClaims(self.link, self.keys, worker_id, limits, expect) if limits else None
        return Claims(self.link, self.keys, worker_id, result_ttl, limited)

    async def close(self) -> None:
        """Close the connection."""
        await self.link.close()

    async def end(self) -> None:
        """Close the connection for good: further requests are refused."""
        await self.link.end()
