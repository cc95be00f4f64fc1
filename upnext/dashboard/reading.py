"""Reads the server for the pages: like the commands, within a time limit, and once for all viewers."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, TypeVar

from upnext.broker.server_checks import Check
from upnext.cli.checks import fleet
from upnext.cli.connection import ask_at
from upnext.cli.polling import read_status
from upnext.cli.rates import Rates
from upnext.errors import BrokerUnavailableError
from upnext.runner.unimported import Lock, current_folder
from upnext.settings import without_password

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from upnext.broker.namespace import Namespace
    from upnext.broker.status import NamespaceStatus
    from upnext.settings import Settings

T = TypeVar("T")

PATIENCE = 8.0  # seconds that a query may take
_HISTORY = 60  # readings
_FRESH = 1.0  # seconds for which a reading is shown to every client


class Reader:
    """Reads one namespace.

    Args:
        settings: Where; they name a server.

    Attributes:
        settings: The same.
        server: The server's address without its password.
        rates: How many attempts end a second.
        history: Attempts a second, done and failed, at the last readings.
        status: How the namespace stood when it last answered; None before that.
        fault: Why there is no newer answer, or an empty string.
        lock: The handlers of the project in the current folder, with their modules, as of the start.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.server = without_password(settings.redis_url or "")
        self.rates = Rates()
        self.history: deque[tuple[float, float]] = deque(maxlen=_HISTORY)
        self.status: NamespaceStatus | None = None
        self.fault = ""
        self.lock = Lock.beside(current_folder()).handlers
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    async def refresh(self, *, anew: bool = False) -> None:
        """Read the status of the namespace, unless that has just been done.

        Args:
            anew: Read it in any case: something has been changed.
        """
        asked = time.monotonic()
        async with self._reading:
            if self._read_at > (asked if anew else asked - _FRESH):
                return
            found = await read_status(self.settings)
            self._read_at = time.monotonic()
            if isinstance(found, str):
                self.fault = found
            else:
                self.fault, self.status = "", found
                self.rates.add(found)
                if self.rates.of_handlers:  # none before two readings
                    self.history.append(self.rates.latest)

    def throughput(self) -> tuple[float, float]:
        """Return how many attempts end per second, successful and failed."""
        done, failed = (sum(rate[n] for rate in self.rates.of_handlers.values()) for n in (0, 1))
        return done, failed

    def troubles(self) -> list[Check]:
        """Return what `upnext doctor` would report about the workers and the jobs."""
        if self.status is None:
            return []
        unseen = [
            Check("partition", "fail", f"Partition {one.partition}: {one.reason}", "") for one in self.status.unseen
        ]
        found = fleet(self.status, self.settings.namespace, self.lock, {})
        return [*unseen, *(check for check in found if check.status != "ok")]

    async def ask(self, question: Callable[[Namespace], Awaitable[T]]) -> T:
        """Return the result of a query on the namespace.

        Raises:
            BrokerError: If the server gives no answer; what was asked for may have been done in part.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                return await ask_at(self.settings, question, say=False)
        except TimeoutError:
            raise BrokerUnavailableError(f"The server took longer than {PATIENCE:.0f} s.") from None
