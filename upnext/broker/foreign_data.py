"""Recognises data of other programs under upnext's keys, and reports it once per key."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from upnext.broker.redis_types import ResponseError
from upnext.broker.replies import shown
from upnext.limits import MAX_FOREIGN_KEYS
from upnext.log import log

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from upnext.broker.connection import PipelinedConnection

_reported: set[str] = set()


class ForeignDataError(ResponseError):
    """Raised when a key holds a value of a foreign type: only its owner knows whether it may be deleted.

    Attributes:
        key: Its name.
    """

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def is_wrong_type(error: Exception) -> bool:
    """Return whether the server refused a command because a key holds a value of another type."""
    return isinstance(error, ResponseError) and "WRONGTYPE" in str(error)


@asynccontextmanager
async def naming_foreign_key(link: PipelinedConnection, reads: Mapping[str, str]) -> AsyncGenerator[None]:
    """Raise `ForeignDataError` in place of the server's wrong-type error, which does not name the key.

    Args:
        link: The connection.
        reads: Each key that may be to blame, with a command that reads one of its type.
    """
    try:
        yield
    except ResponseError as error:
        if not is_wrong_type(error):
            raise
        for key, command in reads.items():
            try:
                await link.command(command, key)
            except ResponseError as refusal:
                if is_wrong_type(refusal):
                    raise ForeignDataError(key, str(error)) from error
        raise


def warn_foreign(key: str, consequence: str) -> None:
    """Log that a key does not hold what upnext stores there; once per key and process.

    Args:
        key: Its name.
        consequence: What upnext does about it, as a clause.
    """
    if key not in _reported and len(_reported) < MAX_FOREIGN_KEYS:
        _reported.add(key)
        log.warning("Another program wrote to %s: %s", shown(key), consequence)
