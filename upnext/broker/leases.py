"""The lease that makes a worker one of the living; kept on a connection and in a thread of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError
from redis.retry import Retry

from upnext.broker.link import SOCKET_TIMEOUT
from upnext.broker.scripts import script

if TYPE_CHECKING:
    from upnext.broker.keys import Keys


class LeaseClient:
    """Joins, renews and leaves, blocking: user code that blocks the event loop cannot delay it.

    Args:
        url: The server's address.
        keys: The partition's keys.
        worker_id: This worker's id, never used before.
        lease: Seconds that it stands without being renewed.
    """

    def __init__(self, url: str, keys: Keys, worker_id: str, lease: float) -> None:
        timeout = min(SOCKET_TIMEOUT, lease / 2)
        # No retries inside the client: the lease thread counts the time itself.
        self._client: Any = redis.Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
            url,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            client_name="upnext-lease",
            retry=Retry(NoBackoff(), 0),
        )
        self._keys = keys
        self._worker_id = worker_id
        self._lease_ms = round(lease * 1000)

    def join(self, told: str) -> None:
        """Take the lease; `told` is what the worker says of itself, as JSON."""
        self._call("join", (self._keys.leases, self._keys.workers), (self._worker_id, self._lease_ms, told))

    def renew(self) -> bool:
        """Renew the lease; False if it was taken away, or the server has lost it."""
        return bool(self._call("renew", (self._keys.leases,), (self._worker_id, self._lease_ms)))

    def leave(self) -> int:
        """Give the lease back; returns how many jobs are left to the living to reclaim."""
        keys = self._keys
        names = (keys.leases, keys.workers, keys.claims(self._worker_id), keys.graves)
        return int(self._call("leave", names, (self._worker_id,)))

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _call(self, name: str, keys: tuple[str, ...], words: tuple[Any, ...]) -> Any:
        text = script(name)
        try:
            return self._client.evalsha(text.sha, len(keys), *keys, *words)
        except NoScriptError:
            return self._client.eval(text.source, len(keys), *keys, *words)
