"""The events of a project as a table: the fields of each, and which handlers ask for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from upnext_codegen.contract import Contract, EventContract, Field
from upnext_codegen.escaped_text import visible
from upnext_codegen.output.paint import Paint
from upnext_codegen.types import Type
from upnext_codegen.types.format import short_name, spell

Row: TypeAlias = tuple[str, str, str, str, str]

_HEAD: Row = ("event", "field", "type", "", "asked for by")
_WIDEST = 44
_MOST_EVENTS = 60


def table(contract: Contract, paint: Paint) -> str:
    """Write the table, aligned, one line per field; an empty text without events."""
    if not contract.events:
        return ""
    if len(contract.events) > _MOST_EVENTS:
        return f"{len(contract.events)} events: too many for a table here, upnext.lock lists them\n"
    rows = [_HEAD, *(row for event in contract.events for row in _rows(event))]
    widths = [min(max(len(row[column]) for row in rows), _WIDEST) for column in range(len(_HEAD) - 1)]
    lines = [_line(row, widths) for row in rows]
    return "\n".join([paint("bold", lines[0]), *lines[1:]]) + "\n"


def _line(row: Row, widths: list[int]) -> str:
    cells = [visible(cell) for cell in row]
    return "  ".join([*(cell.ljust(width) for cell, width in zip(cells, widths, strict=False)), cells[-1]]).rstrip()


def _rows(event: EventContract) -> Iterator[Row]:
    if not event.receivers:
        yield event.name, "", "", "", "no handler found: sends are not checked"
        return
    names = event.names
    rows = [_field_row(field, names) for field in event.fields]
    if event.extras is not None:
        rows.append(("", "(any other)", _short(event.extras), "optional", "**kwargs of every handler"))
    if not rows:
        rows.append(("", "", "", "", f"{', '.join(names.values())} (no fields)"))
    for position, (_, *cells) in enumerate(rows):
        field, written, needed, asked = cells
        yield event.name if position == 0 else "", field, written, needed, asked


def _field_row(field: Field, names: dict[str, str]) -> Row:
    asked = ", ".join(names.get(asker.identity, asker.identity) for asker in field.asked_by)
    return "", field.name, _short(field.type), "required" if field.required else "optional", asked


def _short(written: Type) -> str:
    text = spell(written, short_name)
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 3]}..."
