"""Marks of ended jobs, so that a job the server has lost is not mistaken for one that returned None.

A mark is a whole number of 63 bits in a set for all events of sixteen milliseconds, which servers store in eight bytes
while a set has at most 512 of them. So marks are cheap at any rate: eight bytes per job, and at most 40 MB for the
sets of an hour. A mark also identifies the handler that ran the job, by a hash of its identity.
"""

from __future__ import annotations

import functools
import re
import zlib
from typing import TYPE_CHECKING

from upnext.broker.job_ids import hex_number

if TYPE_CHECKING:
    from collections.abc import Iterable

_RANDOM = slice(12, 19)  # the digits of an id that marks hold
_END = slice(28, None)
_parse_end = re.compile(r"(?:-[0-9]{1,2})?\.([0-9]{1,4})").fullmatch
BUCKET = slice(11)
"""The digits of an event's id that say which set the marks of its jobs are in: sixteen milliseconds have one."""

_POSITION_BITS, _HASH_BITS = 12, 23
_LOW_BITS = _POSITION_BITS + _HASH_BITS


def mark(job_id: str, handler: str) -> int | None:
    """Return the mark of a job that was run by a handler; None for an id that upnext has not made."""
    low_bits = _low_bits(job_id[_END], handler)
    random = hex_number(job_id[_RANDOM])
    return None if low_bits is None or random is None else random << _LOW_BITS | low_bits


@functools.lru_cache(maxsize=4096)
def _low_bits(end: str, handler: str) -> int | None:
    """Return the part of a mark that comes from the end of a job's id and from its handler: mostly the same."""
    parsed = _parse_end(end)
    position = -1 if parsed is None else int(parsed[1])
    return None if position >> _POSITION_BITS else position << _HASH_BITS | handler_hash(handler)


def handler_hash(handler: str) -> int:
    """Return the hash of a handler's identity as it is in marks."""
    return zlib.crc32(handler.encode(errors="surrogateescape")) & ((1 << _HASH_BITS) - 1)


def ended_positions(event_id: str, marks: Iterable[bytes]) -> dict[int, int]:
    """Return which jobs of an event have ended: their positions, with the hashes of their handlers."""
    first = mark(f"{event_id}.0", "")
    if first is None:
        return {}
    random = first >> _LOW_BITS
    numbers = (int(text) for text in marks if text.isdigit())
    return {
        number >> _HASH_BITS & ((1 << _POSITION_BITS) - 1): number & ((1 << _HASH_BITS) - 1)
        for number in numbers
        if number >> _LOW_BITS == random
    }
