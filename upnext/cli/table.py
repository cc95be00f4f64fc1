"""Tables for people: aligned, and no wider than their terminal."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_GAP = "  "
_NARROWEST = 8


def terminal_width() -> int | None:
    """Return how wide lines may be; None where nobody looks, so that nothing is cut for a program."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def table(
    head: Sequence[str], rows: Sequence[Sequence[object]], width: int | None = None, elastic: Sequence[str] = ()
) -> Iterator[str]:
    """Lay out rows below their head; numbers stand to the right.

    Args:
        head: The columns' names.
        rows: The cells; integers are written with thousands separators, None as a dash.
        width: The widest line wanted.
        elastic: The columns whose texts may be cut in their middle where there is no room.
    """
    cells = [list(head), *([_written(cell) for cell in row] for row in rows)]
    numeric = [all(isinstance(row[n], (int, float)) or row[n] is None for row in rows) for n in range(len(head))]
    widths = [max(len(line[n]) for line in cells) for n in range(len(head))]
    while width is not None and sum(widths) + len(_GAP) * (len(head) - 1) > width:
        widest = max((n for n in range(len(head)) if head[n] in elastic), key=lambda n: widths[n], default=None)
        if widest is None or widths[widest] <= _NARROWEST:
            break
        widths[widest] -= 1
    for line in cells:
        fitted = (_fit(text, widths[n], right=numeric[n]) for n, text in enumerate(line))
        yield _GAP.join(fitted).rstrip()


def age(seconds: float | None) -> str:
    """Write an age in its two largest units, or a dash."""
    if seconds is None:
        return "-"
    if seconds < 10:
        return f"{max(seconds, 0):.1f}s"
    whole = round(seconds)
    for size, unit, next_size, next_unit in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= size:
            return f"{whole // size}{unit} {whole % size // next_size}{next_unit}"
    return f"{whole}s"


def visible(text: str) -> str:
    """Return a text that others wrote so that it cannot move the cursor."""
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)


def _written(cell: object) -> str:
    if cell is None:
        return "-"
    return f"{cell:,}" if isinstance(cell, int) else visible(str(cell))


def _fit(text: str, width: int, *, right: bool) -> str:
    if len(text) > width:
        kept = width - 3
        text = f"{text[: kept - kept // 2]}...{text[len(text) - kept // 2 :]}"
    return text.rjust(width) if right else text.ljust(width)
