"""Prints everything known about one job or dead letter."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from upnext.cli.moments import moment
from upnext.cli.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Mapping

    from upnext.broker.claims import DeadLetter

_NAME = 10  # characters; the longest name there is


def print_details(where: Mapping[str, str], kind: str, details: Mapping[str, Any], form: str) -> None:
    """Print what is known, one line for each name with a value, or as JSON.

    Args:
        where: The keys by which JSON says where it was looked.
        kind: The key of the details in JSON.
        details: What is known, in the order to show it.
        form: "text" or "json".
    """
    if form == "json":
        print(json.dumps({**where, kind: details}, indent=2))
        return
    for name, value in details.items():
        text = json.dumps(value) if name == "payload" else "" if value is None else str(value)
        if text:
            print(f"{name.ljust(_NAME)}  " + f"\n{'':{_NAME}}  ".join(map(visible, text.splitlines())))


def payload_value(body: bytes | None) -> Any:
    """Return the JSON value of a payload, None for no payload; if it is not JSON, its text."""
    if body is None:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body.decode(errors="replace")


def letter_details(letter: DeadLetter, died: float) -> dict[str, str | None]:
    """Return what a dead letter says about its death; `died` is the server's time in ms."""
    return {
        "reason": letter.reason,
        "died_at": moment(died),
        "error": letter.error,
        "where": letter.where,
        "traceback": letter.traceback,
    }
