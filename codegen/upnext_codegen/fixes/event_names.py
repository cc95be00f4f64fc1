"""Changes to the name in `worker.event(...)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from upnext_codegen.fixes.source import requoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from upnext_codegen.merging.nearness import NearNames


def corrected_name(calls: Sequence[cst.Call], handled: NearNames) -> tuple[cst.SimpleString, cst.SimpleString] | None:
    """The text of a misspelt event name, and its replacement.

    Args:
        calls: The calls that start at the place of the finding.
        handled: The events that have handlers.

    Returns:
        None where the name is not written out in the call, or is near to several others, or may be.
    """
    for call in calls:
        if not isinstance(call.func, cst.Attribute) or call.func.attr.value != "event":
            continue
        given = next((each for each in call.args if each.keyword is None or each.keyword.value == "name"), None)
        text = None if given is None or given.star else given.value
        if isinstance(text, cst.SimpleString) and isinstance(text.evaluated_value, str):
            near = handled.all_near(text.evaluated_value)
            if len(near.names) == 1 and not near.not_compared:
                return text, requoted(text, near.names[0])
    return None
