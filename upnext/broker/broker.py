"""All that a process asks of one partition of a namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upnext.broker.claims import Claims
from upnext.broker.letters import Letters
from upnext.broker.link import Link
from upnext.broker.publishing import Publisher
from upnext.broker.standing import Standings
from upnext.broker.subscriptions import Subscriptions
from upnext.broker.upkeep import Upkeep

if TYPE_CHECKING:
    from upnext.broker.keys import Keys


class Broker:
    """One connection and what can be asked over it.

    Args:
        url: The server's address.
        keys: The partition's keys.
        name: What the server's list of clients shows.

    Attributes:
        publisher: Stores events and submissions.
        upkeep: Does what living workers do for the rest.
        letters: Reads outcomes and dead letters.
        standings: Reads how the partition stands.
        subscriptions: Ends subscriptions.
    """

    def __init__(self, url: str, keys: Keys, name: str = "upnext") -> None:
        self.link = Link(url, keys, name)
        self.keys = keys
        self.publisher = Publisher(self.link, keys)
        self.upkeep = Upkeep(self.link, keys)
        self.letters = Letters(self.link, keys)
        self.standings = Standings(self.link, keys)
        self.subscriptions = Subscriptions(self.link, keys)

    def claims(self, worker_id: str, result_ttl: float) -> Claims:
        """Return what a worker of that id does with its jobs."""
        return Claims(self.link, self.keys, worker_id, result_ttl)

    async def close(self) -> None:
        """Close the connection."""
        await self.link.close()
