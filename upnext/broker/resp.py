"""Commands in the format in which they are written to the server (RESP)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import hiredis

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# In C, which redis-py's connections do not use.
_pack: Callable[[tuple[Any, ...]], bytes] = cast("Any", hiredis).pack_command


def pack(words: Sequence[Any]) -> bytes:
    """Return a command in the form in which it is written."""
    try:
        return _pack(tuple(words))
    except UnicodeEncodeError:  # bytes of another program, as `replies.text` has read them
        return _pack(tuple(w.encode(errors="surrogateescape") if isinstance(w, str) else w for w in words))


class CommandPrefix:
    """The beginning of a frequently sent command, packed once.

    Args:
        words: Its words.
    """

    __slots__ = ("_count", "_packed")

    def __init__(self, words: Sequence[Any]) -> None:
        self._count = len(words)
        self._packed = _without_count(words)

    def followed_by(self, words: Sequence[Any]) -> bytes:
        """Return the command that begins with these words and continues with others."""
        return b"*%d\r\n%b%b" % (self._count + len(words), self._packed, _without_count(words))


def _without_count(words: Sequence[Any]) -> bytes:
    return pack(words).partition(b"\r\n")[2]
