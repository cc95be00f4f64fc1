"""Aligned tables that fit the terminal; rows are printed one below the other where they do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upnext.cli.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_GAP = "  "
_NARROWEST = 8
_WIDEST = 500
"""What another program left in place of a name can be of any length, and all rows would be as wide."""


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[object]],
    width: int | None = None,
    elastic: Sequence[str] = (),
    *,
    in_lines: bool = False,
) -> Iterator[str]:
    """Lay out rows below their header; numbers are right-aligned.

    Where they do not fit in, each takes a line for each of its cells; the head is then empty.

    Args:
        head: The columns' names.
        rows: The cells; integers are written with thousands separators, None as a dash.
        width: The widest line wanted.
        elastic: The columns whose texts may be cut in their middle where there is no room.
        in_lines: Whether a row has to be one line, even if it is too wide.
    """
    cells = [list(head), *([_written(cell) for cell in row] for row in rows)]
    numeric = [all(isinstance(row[n], (int, float)) or row[n] is None for row in rows) for n in range(len(head))]
    widths = [max(len(line[n]) for line in cells) for n in range(len(head))]
    while width is not None and sum(widths) + len(_GAP) * (len(head) - 1) > width:
        widest = max((n for n in range(len(head)) if head[n] in elastic), key=lambda n: widths[n], default=None)
        if widest is None or widths[widest] <= _NARROWEST:
            if not in_lines:
                yield from _row_by_row(cells, width, elastic)
                return
            break
        widths[widest] -= 1
    for line in cells:
        fitted = (_fit(text, widths[n], right=numeric[n]) for n, text in enumerate(line))
        yield _GAP.join(fitted).rstrip()


def _row_by_row(cells: Sequence[Sequence[str]], width: int, elastic: Sequence[str]) -> Iterator[str]:
    """Yield an empty header, and for each row a text with one line per cell, followed by an empty line."""
    yield ""
    head, *rows = cells
    label = max(map(len, head))
    room = max(width - label - len(_GAP), _NARROWEST)
    for row in rows:
        lines = [
            f"{name.ljust(label)}{_GAP}{_fit(text, room if name in elastic else len(text), right=False)}".rstrip()
            for name, text in zip(head, row, strict=True)
        ]
        yield "\n".join([*lines, ""])


def _written(cell: object) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, int):
        return f"{cell:,}"
    text = visible(str(cell))
    return text if len(text) <= _WIDEST else _fit(text, _WIDEST, right=False)


def _fit(text: str, width: int, *, right: bool) -> str:
    if len(text) > width:
        kept = width - 3
        text = f"{text[: kept - kept // 2]}...{text[len(text) - kept // 2 :]}"
    return text.rjust(width) if right else text.ljust(width)
