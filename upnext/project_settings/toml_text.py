"""Adds to a TOML text without changing the rest; the result is parsed again, and refused if it differs."""

from __future__ import annotations

import json
import re
import tomllib
from typing import cast

_TOKEN = re.compile(r"\"\"\".*?\"\"\"|'''.*?'''|\"(?:\\.|[^\"\\\n])*\"|'[^'\n]*'|#[^\n]*|[\[\]]", re.DOTALL)


def with_item(text: str, table: tuple[str, ...], key: str, item: str) -> str | None:
    """Return a document with an item in a list of strings, which is made if there is none.

    Args:
        text: The document.
        table: The names of the table that the list is in.
        key: The list's key.
        item: The item.

    Returns:
        The document, itself if the item is there; None if it is written in a form that this cannot extend.

    Raises:
        ValueError: If it is not TOML.
    """
    expected = tomllib.loads(text)
    inner: object = expected
    for name in table:
        if not isinstance(inner, dict):
            return None
        inner = cast("dict[str, object]", inner).setdefault(name, {})
    if not isinstance(inner, dict):
        return None
    items: object = cast("dict[str, object]", inner).setdefault(key, [])
    if not isinstance(items, list):
        return None
    if item in items:
        return text
    cast("list[object]", items).append(item)
    changed = _changed(text, table, key, json.dumps(item))
    try:
        return changed if changed is not None and tomllib.loads(changed) == expected else None
    except ValueError:
        return None


def _changed(text: str, table: tuple[str, ...], key: str, item: str) -> str | None:
    dots = r"\s*\.\s*".join(map(re.escape, table))
    header = re.search(rf"^[ \t]*\[\s*{dots}\s*\][ \t]*(#[^\n]*)?$", text, re.MULTILINE)
    if header is None:
        head = f"{text.rstrip()}\n\n" if text.strip() else ""
        return f"{head}[{'.'.join(table)}]\n{key} = [{item}]\n"
    following = re.search(r"^[ \t]*\[\[?[\w .\"'-]+\]\]?[ \t]*(#[^\n]*)?$", text[header.end() :], re.MULTILINE)
    end = len(text) if following is None else header.end() + following.start()
    opening = re.search(rf"^[ \t]*{re.escape(key)}[ \t]*=[ \t]*\[", text[header.end() : end], re.MULTILINE)
    if opening is None:
        return f"{text[: header.end()]}\n{key} = [{item}]{text[header.end() :]}"
    start = header.end() + opening.end()
    close = _closing(text, start)
    return None if close is None else f"{text[:start]}{_extended(text[start:close], item)}{text[close:]}"


def _closing(text: str, start: int) -> int | None:
    """Return where the list ends whose bracket is open at a place."""
    depth = 1
    for token in _TOKEN.finditer(text, start):
        depth += {"[": 1, "]": -1}.get(token[0], 0)
        if not depth:
            return token.start()
    return None


def _extended(items: str, item: str) -> str:
    """Return what is between the brackets with an item more, in a line of its own if the others are."""
    if "\n" not in items:
        kept = items.rstrip().removesuffix(",")
        return f"{kept}, {item}" if kept.strip() else item
    lines = items.rstrip().splitlines()
    indent = re.match(r"[ \t]*", lines[-1])
    value, hash_sign, comment = lines[-1].partition("#")
    if value.strip() and not value.rstrip().endswith(","):
        lines[-1] = f"{value.rstrip()},{'  ' if hash_sign else ''}{hash_sign}{comment}"
    return "\n".join(
        [*lines, f"{indent[0] if indent else ''}{item},", items[len(items.rstrip()) :].rpartition("\n")[2]]
    )
