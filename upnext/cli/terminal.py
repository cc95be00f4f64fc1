"""Safe terminal output: text that cannot move the cursor, optional colour, lines that fit.

Names, errors and payloads come from the server, from senders and from the command line. `visible` escapes them where
they are printed; `escaped_streams` is the safety net for everything else.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import TextIO

_CODES = {"ok": "32", "warn": "1;33", "fail": "1;31", "bold": "1"}
_STYLED = re.compile(r"\x1b\[[0-9;]{0,12}m")
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def visible(text: str) -> str:
    """Return foreign text on one line: control, bidirectional and other invisible characters escaped."""
    return text if text.isprintable() else "".join(map(_escaped, text))


def visible_lines(text: str) -> str:
    """Return foreign text with its line breaks, and everything else escaped."""
    return "\n".join(map(visible, text.split("\n")))


def coloured(style: str, text: str) -> str:
    """Return the text in a style ("ok", "warn", "fail", "bold"), plain if colours are off."""
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if wants_colour() else text


def wants_colour() -> bool:
    """Whether standard output gets colours: decided by NO_COLOR, else FORCE_COLOR, else by being a terminal."""
    return _wants_colour(sys.stdout)


def terminal_width() -> int | None:
    """Return the maximum width of lines; None if the output is not a terminal, so that nothing is cut for a program."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


@contextmanager
def escaped_streams() -> Generator[None]:
    """Escape whatever the block writes to standard output and error, except line breaks and colours on a terminal."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _Escaping(sys.stdout), _Escaping(sys.stderr)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def unescaped(stream: TextIO) -> TextIO:
    """Return the stream itself, for upnext's own text that moves the cursor on purpose."""
    return stream.inner if isinstance(stream, _Escaping) else stream


class _Escaping:
    """A stream that escapes what is written to it, and otherwise acts like the original."""

    def __init__(self, stream: TextIO) -> None:
        self.inner = stream

    def write(self, text: str) -> int:
        written = self.inner.write(_escaped_text(text, styled=_wants_colour(self.inner)))
        return min(written, len(text))

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def _escaped_text(text: str, *, styled: bool) -> str:
    if text.isprintable():
        return text
    if not styled:
        return visible_lines(text)
    plain, styles = _STYLED.split(text), _STYLED.findall(text)
    return "".join(visible_lines(part) + style for part, style in zip(plain, [*styles, ""], strict=True))


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    return _NAMED.get(character) or (
        f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    )


def _wants_colour(stream: TextIO) -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (stream.isatty() and os.environ.get("TERM") != "dumb")
