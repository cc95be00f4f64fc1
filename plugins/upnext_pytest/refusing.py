"""Refuses sends of tests that did not say where they should go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn

from upnext.errors import UpnextError

if TYPE_CHECKING:
    from upnext.broker.results import JobOutcome
    from upnext.settings import Settings
    from upnext.transport import OutgoingMessage


class Refusal:
    """Refuses sends in the server's place."""

    async def take(self, message: OutgoingMessage) -> NoReturn:
        """Refuse a send."""
        raise UpnextError(
            f"{message.name!r} was sent by a test that uses no fixture of upnext: let it use upnext_sent (nothing "
            "runs), upnext_inline (handlers run in the send) or upnext_workers (a real server)."
        )

    async def outcomes(self, settings: Settings, event_id: str, jobs: Sequence[str]) -> NoReturn:  # noqa: ARG002
        """Refuse to wait."""
        self.check_progress(event_id)

    async def job_ids(self, settings: Settings, event_id: str) -> NoReturn:  # noqa: ARG002
        """Refuse to wait."""
        self.check_progress(event_id)

    async def handlers(
        self,
        settings: Settings,  # noqa: ARG002
        event_id: str,
        outcomes: Mapping[str, JobOutcome],  # noqa: ARG002
    ) -> NoReturn:
        """Refuse to wait."""
        self.check_progress(event_id)

    def check_progress(self, event_id: str) -> NoReturn:
        """Refuse to wait."""
        raise UpnextError(f"Event {event_id} was sent by another test: there is no result to wait for.")
