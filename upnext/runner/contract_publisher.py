"""Publishes the contracts of a worker's handlers, and keeps them published while the worker runs.

Jobs do not depend on it: a worker whose contracts cannot be published runs its jobs like any other.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from upnext.broker.contracts import CONTRACTS, TTL, HandlerContract, Published
from upnext.broker.failures import backoff, describe_failure
from upnext.errors import ConfigError
from upnext.log import log
from upnext.upcasting import upcasters_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from upnext.broker.contracts import ContractStore
    from upnext.handler import Handler
    from upnext.payload.codec import Codec
    from upnext.registry import Registry
    from upnext.upcasting import Upcaster

_INTERVAL = TTL / 5
"""Seconds between two times that a worker says that it still has them."""


class ContractPublisher:
    """Publishes the contracts of one worker in this process.

    Args:
        registry: The worker's declarations.
        store: Where they go.
        record: What the worker says about itself on the server; it gets their digest once they are stored.
        changed: Called when it did.
    """

    def __init__(
        self, registry: Registry, store: ContractStore, record: dict[str, Any], changed: Callable[[], None]
    ) -> None:
        self._registry = registry
        self._store = store
        self._record = record
        self._changed = changed

    async def run(self) -> None:
        """Publish the contracts, and keep them published, until cancelled."""
        failures, published, is_reported = 0, None, False
        while True:
            try:
                if published is None:
                    # In a thread: with some hundred handlers it takes as many milliseconds.
                    published = await asyncio.to_thread(contracts_of, self._registry)
                await self._store.keep(published)
                failures = 0
                if self._record[CONTRACTS] != published.digest:
                    self._record[CONTRACTS] = published.digest
                    self._changed()
            except Exception as error:  # noqa: BLE001  # whatever it is, the worker's jobs do not need it
                failures += 1
                if not is_reported:
                    is_reported = True
                    log.warning(
                        "Cannot publish the contracts of worker %r (%s); its jobs run all the same. Trying again, "
                        "without another line",
                        self._registry.worker,
                        describe_failure(error),
                    )
            await asyncio.sleep(max(backoff(failures), 1.0) if failures else _INTERVAL)


def contracts_of(registry: Registry) -> Published:
    """Return the contracts that a worker publishes for its handlers and tasks."""
    return Published.of(registry.worker, map(_contract, tuple(registry.handlers.values())))


def _contract(handler: Handler) -> HandlerContract:
    upcasts = map(_upcast, upcasters_of(handler))
    return HandlerContract(
        handler.id,
        handler.function.__module__,
        _schema(handler.signature.codec),
        tuple(each for each in upcasts if each["takes"] is not None),
    )


def _upcast(upcaster: Upcaster) -> dict[str, Any]:
    return {"name": upcaster.name, "takes": _schema(upcaster.takes), "gives": _schema(upcaster.gives)}


def _schema(codec: Codec | None) -> dict[str, Any] | None:
    try:
        return None if codec is None else codec.json_schema()
    except ConfigError:  # which the worker refused at its start, or which it can run without a JSON Schema
        return None
