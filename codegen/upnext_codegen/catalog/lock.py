"""`upnext.lock`: the contracts of a project as data, next to its pyproject.toml."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, cast

from upnext_codegen.catalog.contract_json import from_json, to_json
from upnext_codegen.contract import Contract
from upnext_codegen.files.git_lfs import POINTER, is_pointer

FILE_NAME = "upnext.lock"

FORMAT = 2
"""Changes when an older upnext could no longer read the file; format 1 did not say what payloads carry of classes."""

_READABLE = (1, 2)

GENERATOR = "upnext"


def render(contract: Contract) -> str:
    """Write the lock: sorted, one value per line, the same for the same contract on every machine."""
    data = {"format": FORMAT, "generator": GENERATOR, **to_json(contract)}
    return indented(data) + "\n"


_BEGINNING = '{\n  "classes": {'


def indented(value: object, margin: str = "\n") -> str:
    """Write JSON with sorted keys, one value per line; the standard library's indenting takes five times as long."""
    inner = margin + "  "
    if isinstance(value, dict) and value:
        pairs = sorted(cast("dict[str, object]", value).items())
        items = [f"{inner}{_text(key)}: {indented(item, inner)}" for key, item in pairs]
        return f"{{{','.join(items)}{margin}}}"
    if isinstance(value, list) and value:
        items = [f"{inner}{indented(item, inner)}" for item in cast("list[object]", value)]
        return f"[{','.join(items)}{margin}]"
    return _text(value) if isinstance(value, str) else json.dumps(value)


@lru_cache(maxsize=10_000)  # Most texts of a lock occur in it many times.
def _text(value: str) -> str:
    return json.dumps(value)


def read(text: str) -> Contract:
    """Read a lock.

    Raises:
        ValueError: If the text is not a lock, or one of a later format; the message says which.
    """
    if is_pointer(text):
        raise ValueError(f"it is {POINTER}; fetch that with `git lfs pull`")
    data = read_object(text)
    if data is None and is_from_upnext(text):
        raise ValueError("it is damaged: its end is missing, or a merge left it in pieces" if text else "it is empty")
    if data is None or data.get("generator") != GENERATOR:
        raise ValueError("it was not written by upnext")
    if data.get("format") not in _READABLE:
        readable = " and ".join(map(str, _READABLE))
        raise ValueError(f"it has format {data.get('format')!r}, and this upnext reads formats {readable}")
    return from_json(data)


def is_from_upnext(text: str) -> bool:
    """Return whether upnext wrote a file, even one that a merge conflict or truncation has damaged.

    Of one that is empty, as a full disk can leave it, nothing is lost.
    """
    data = read_object(text)
    if data is None:
        return not text or f'"generator": "{GENERATOR}"' in text or text.startswith(_BEGINNING)
    return data.get("generator") == GENERATOR


def format_of(text: str) -> int | None:
    """Return the format that a lock declares, None if it declares none."""
    data = read_object(text)
    found = None if data is None else data.get("format")
    return found if isinstance(found, int) else None


def read_object(text: str) -> dict[str, Any] | None:
    """Return the JSON object in a text, None if it is something else."""
    try:
        data: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", data) if isinstance(data, dict) else None
