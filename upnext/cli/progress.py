"""Progress of a long command: live on a terminal, and in the final message if it is interrupted."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from upnext.cli.terminal import unescaped

_FIRST = 0.5  # seconds after which a command is long
_BETWEEN = 0.1  # seconds
_CLEAR = "\r\x1b[K"


class Progress:
    """Shows a count within its block, and clears it at the end. Writes nothing if the output is not a terminal.

    Args:
        what: What is counted, in the plural.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._stream = unescaped(sys.stderr)
        self._next = time.monotonic() + _FIRST
        self._written = False
        self.is_watched = self._stream.isatty() and os.environ.get("TERM") != "dumb"

    def show(self, done: int, total: int | None = None) -> None:
        """Show how many are done, of how many if known; cheap enough to be called for each.

        Args:
            done: How many.
            total: Of how many.
        """
        if not self.is_watched or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _BETWEEN
        self._written = True
        of = "" if total is None else f" of {total:,}"
        self._stream.write(f"{_CLEAR}{done:,}{of} {self._what}")
        self._stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._written:
            self._stream.write(_CLEAR)
            self._stream.flush()


@contextmanager
def resumable(done: Callable[[], str]) -> Generator[None]:
    """Report on standard error what is done already if the block is interrupted, also by Ctrl-C.

    Args:
        done: Says it, "" for nothing.
    """
    try:
        yield
    except BaseException:
        if words := done():
            print(f"upnext: {words}. Repeat the command: it goes on with the rest.", file=sys.stderr)
        raise
