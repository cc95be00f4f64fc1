"""Describes the order in which a change can be deployed."""

from __future__ import annotations

SENDERS_FIRST = (
    "senders first: deploy what sends it, let the workers that run now empty the queue, then deploy the workers"
)
WORKERS_FIRST = "workers first: deploy the workers everywhere, then what sends it"
TWO_RELEASES = (
    "two releases: the first one's handlers take both, its senders send as now; "
    "the second one follows when nothing earlier is sent or queued any more"
)
NO_ORDER = "no order of deploying this project works"


def order_of(*, breaks_new_handlers: bool, breaks_deployed_handlers: bool) -> str:
    """Return the order that works for an event.

    Args:
        breaks_new_handlers: Whether the new handlers cannot take what is sent or queued now.
        breaks_deployed_handlers: Whether the deployed handlers cannot take what the new code sends.
    """
    if breaks_new_handlers and breaks_deployed_handlers:
        return TWO_RELEASES
    return SENDERS_FIRST if breaks_new_handlers else WORKERS_FIRST
