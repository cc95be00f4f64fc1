"""`upnext top`: a live view of a namespace."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import signal
import sys
from typing import TYPE_CHECKING

from upnext.cli import exits
from upnext.cli.connection import add_server_options, settings_for
from upnext.cli.parser import examples
from upnext.cli.polling import read_status
from upnext.cli.rates import Rates
from upnext.cli.terminal import terminal_width, unescaped
from upnext.cli.top_screen import Size, screen

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from upnext.broker.status import NamespaceStatus
    from upnext.cli.commands import Subparsers
    from upnext.settings import Settings

_SHORTEST, _LONGEST = 0.1, 3600.0
_ENTER = "\x1b[?1049h\x1b[?25l"  # the alternate screen, without a cursor
_LEAVE = "\x1b[?25h\x1b[?1049l"
_HOME, _CLEAR_LINE, _CLEAR_REST = "\x1b[H", "\x1b[K", "\x1b[J"
_DESCRIPTION = """\
Shows, and keeps refreshing, what each worker runs, what waits, lags and fails for each handler, and how many attempts
end per second; press q or Ctrl-C to quit. While the server is unreachable it says so and keeps trying. If standard
output is not a terminal it prints once, as with --once: counts only, no rates."""


def register(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "top",
        help="watch workers, queues and failures live",
        description=_DESCRIPTION,
        epilog=examples("upnext top", "upnext top --interval 5", "upnext top --once"),
    )
    parser.add_argument("--once", action="store_true", help="print once and exit; exit code 3 without an answer")
    parser.add_argument(
        "--interval", type=_seconds, default=2.0, metavar="SECONDS", help="time between readings (default: 2)"
    )
    add_server_options(parser, file=True)
    parser.set_defaults(command=top)


def top(arguments: argparse.Namespace) -> int:
    """Run the command."""
    settings = settings_for(arguments)
    if arguments.once or not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        return asyncio.run(_print(settings))
    with _own_screen():
        asyncio.run(_Live(settings, arguments.interval).run())
    return exits.CLEAN


async def _print(settings: Settings) -> int:
    status = await read_status(settings)
    if isinstance(status, str):
        print(f"upnext: {status}", file=sys.stderr)
        return exits.UNREACHABLE
    for line in screen(status, Rates(), _where(settings), Size(terminal_width(), sys.maxsize)):
        print(line)
    return exits.UNREACHABLE if status.unseen else exits.CLEAN


class _Live:
    """Reads and draws until the user quits.

    Args:
        settings: Where to look.
        interval: Seconds between readings.
    """

    def __init__(self, settings: Settings, interval: float) -> None:
        self._settings = settings
        self._interval = interval
        self._where = _where(settings)
        self._rates = Rates()
        self._status: NamespaceStatus | None = None
        self._fault = "Waiting for the server ..."
        self._stream = unescaped(sys.stdout)
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Run it."""
        loop = asyncio.get_running_loop()
        for name, call in (("SIGWINCH", self._draw), ("SIGTERM", self._ended.set)):
            with contextlib.suppress(AttributeError, NotImplementedError):  # Windows has neither
                loop.add_signal_handler(getattr(signal, name), call)
        with _keys(loop, self._pressed):
            self._draw()
            while not self._ended.is_set():
                reading = asyncio.create_task(self._read())
                ended = asyncio.create_task(self._ended.wait())
                await asyncio.wait([reading, ended], return_when=asyncio.FIRST_COMPLETED)
                if reading.done():
                    reading.result()
                reading.cancel()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(ended, self._interval)

    async def _read(self) -> None:
        found = await read_status(self._settings)
        if isinstance(found, str):
            self._fault = found
        else:
            self._fault, self._status = "", found
            self._rates.add(found)
        self._draw()

    def _draw(self) -> None:
        size = shutil.get_terminal_size()
        room = Size(size.columns, size.lines - 1)
        lines = screen(self._status, self._rates, self._where, room, self._fault)
        drawn = "".join(f"{_CLEAR_LINE}{line}\n" for line in lines)
        self._stream.write(f"{_HOME}{drawn}{_CLEAR_REST}q: end")
        self._stream.flush()

    def _pressed(self, keys: bytes) -> None:
        if not keys or set(keys) & set(b"qQ\x03\x04"):
            self._ended.set()


def _where(settings: Settings) -> dict[str, str]:
    from upnext.settings import without_password  # noqa: PLC0415 - commands import what they need

    return {"server": without_password(settings.redis_url or ""), "namespace": settings.namespace}


@contextlib.contextmanager
def _own_screen() -> Generator[None]:
    """Draw on the alternate screen, and restore the original one, whatever happens."""
    stream = unescaped(sys.stdout)
    stream.write(_ENTER)
    stream.flush()
    try:
        yield
    finally:
        stream.write(_LEAVE)
        stream.flush()


@contextlib.contextmanager
def _keys(loop: asyncio.AbstractEventLoop, pressed: Callable[[bytes], None]) -> Generator[None]:
    """Call back for each pressed key, if standard input is a terminal that supports it."""
    if sys.platform == "win32" or sys.stdin is None or not sys.stdin.isatty():
        yield
        return
    import termios  # noqa: PLC0415 - not on Windows, where only Ctrl-C ends it
    import tty  # noqa: PLC0415

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    loop.add_reader(descriptor, lambda: pressed(os.read(descriptor, 100)))
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not _SHORTEST <= seconds <= _LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} must be from {_SHORTEST} to {_LONGEST:.0f} seconds")
    return seconds
