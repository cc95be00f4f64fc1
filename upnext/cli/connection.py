"""Asking the server, for commands: an answer, or the one line that says why there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from upnext.errors import BrokerRefusedError, BrokerUnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from upnext.broker.namespace import Namespace

T = TypeVar("T")


def ask(question: Callable[[Namespace], Awaitable[T]]) -> T:
    """Connect as the settings say, and return what the question makes of the broker.

    Raises:
        BrokerUnavailableError: If the server cannot be reached, or goes away.
        BrokerRefusedError: If it will not serve this client.
    """
    import asyncio  # noqa: PLC0415 - commands import what they need

    return asyncio.run(_ask(question))


async def _ask(question: Callable[[Namespace], Awaitable[T]]) -> T:
    from upnext.broker.failures import FailureKind, classify  # noqa: PLC0415
    from upnext.broker.redis_types import RedisError  # noqa: PLC0415 - commands import what they need
    from upnext.connect import reach  # noqa: PLC0415
    from upnext.settings import load  # noqa: PLC0415

    broker = await reach(load())
    try:
        return await question(broker)
    except BrokenPipeError:
        raise  # the reader of our output has seen enough
    except (RedisError, OSError) as error:
        if classify(error) is FailureKind.REFUSED:
            raise BrokerRefusedError(f"The server refuses this client: {error}") from error
        raise BrokerUnavailableError(f"The server went away: {classify(error).value}.") from error
