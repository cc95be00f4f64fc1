"""Changes to the name and the former names in one `worker.event(...)` call.

Renaming an event back restores the original text: `formerly` keeps the expression of the name as it was written.
"""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from upnext_codegen.fixes.source import requoted
from upnext_codegen.renames.edits import text_of

_OPTION = "formerly"


def renamed(calls: Sequence[cst.Call], old: str, new: str, *, bridged: bool) -> tuple[cst.Call, cst.Call] | None:
    """Return the call that declares an event, and its replacement.

    Args:
        calls: The calls that start at the place of the declaration.
        old: The name of the event.
        new: The name that it is to have.
        bridged: Whether `formerly` is to hold the old name; not where the new one is the latest former one, which takes
            the last rename back.

    Returns:
        None where the name, or the former names, are not written out in the call.
    """
    for call in calls:
        given = _name_of(call)
        if not _is_event(call) or given is None or text_of(given.value) != old:
            continue
        former = _former_names(call)
        if former is None:
            return None
        kept = next((each for each in former if text_of(each.value) == new), None)
        written = given.value
        name: cst.BaseExpression
        is_back = kept is not None and kept is former[0]
        if kept is not None:
            name, former = kept.value, _without(former, kept)
        else:
            assert isinstance(written, cst.SimpleString), "its text is known"
            name = requoted(written, new)
        if bridged and not is_back:
            former = _with(former, written)
        changed = call.with_deep_changes(given, value=name)
        return call, _with_former_names(changed, former)
    return None


def without_former_name(calls: Sequence[cst.Call], name: str) -> tuple[cst.Call, cst.Call] | None:
    """Return the call that declares an event with a former name, and its replacement; else None."""
    for call in calls:
        former = _former_names(call) if _is_event(call) else None
        given = next((each for each in former or () if text_of(each.value) == name), None)
        if former is not None and given is not None:
            return call, _with_former_names(call, _without(former, given))
    return None


def _is_event(call: cst.Call) -> bool:
    # A plain name may be an alias: event = worker.event
    return isinstance(call.func, cst.Name) or (isinstance(call.func, cst.Attribute) and call.func.attr.value == "event")


def _name_of(call: cst.Call) -> cst.Arg | None:
    found = next((each for each in call.args if each.keyword is None or each.keyword.value == "name"), None)
    return None if found is None or found.star else found


def _former_names(call: cst.Call) -> list[cst.Element] | None:
    """What `formerly` holds, None where that is not a tuple of texts."""
    given = _option_of(call)
    if given is None:
        return []
    if not isinstance(given.value, cst.Tuple):
        return None
    names = [each for each in given.value.elements if isinstance(each, cst.Element)]
    is_plain = len(names) == len(given.value.elements) and all(text_of(each.value) is not None for each in names)
    return names if is_plain else None


def _with(names: list[cst.Element], name: cst.BaseExpression) -> list[cst.Element]:
    space = cst.SimpleWhitespace(" " if names else "")
    return [cst.Element(name, cst.Comma(whitespace_after=space)), *names]


def _without(names: list[cst.Element], name: cst.Element) -> list[cst.Element]:
    rest = [each for each in names if each is not name]
    if rest and name is names[-1]:
        rest[-1] = rest[-1].with_changes(comma=name.comma)
    if len(rest) == 1 and not isinstance(rest[0].comma, cst.Comma):
        rest[0] = rest[0].with_changes(comma=cst.Comma())
    return rest


def _option_of(call: cst.Call) -> cst.Arg | None:
    return next((each for each in call.args if each.keyword is not None and each.keyword.value == _OPTION), None)


def _with_former_names(call: cst.Call, names: list[cst.Element]) -> cst.Call:
    given = _option_of(call)
    if given is None:
        return _with_option(call, cst.Tuple(names)) if names else call
    if not names:
        return _without_option(call, given)
    return call.with_deep_changes(given.value, elements=names)


def _with_option(call: cst.Call, value: cst.Tuple) -> cst.Call:
    """Add the option after the last argument, on its own line if each argument has one."""
    *others, last = call.args
    head = call.whitespace_before_args
    space = head if isinstance(head, cst.ParenthesizedWhitespace) else cst.SimpleWhitespace(" ")
    plain = cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))
    added = cst.Arg(
        value,
        cst.Name(_OPTION),
        equal=plain,
        comma=last.comma,
        whitespace_after_arg=last.whitespace_after_arg,
    )
    before = last.with_changes(comma=cst.Comma(whitespace_after=space), whitespace_after_arg=cst.SimpleWhitespace(""))
    return call.with_changes(args=[*others, before, added])


def _without_option(call: cst.Call, given: cst.Arg) -> cst.Call:
    args = list(call.args)
    place = args.index(given)
    del args[place]
    if place == len(args):
        args[-1] = args[-1].with_changes(comma=given.comma, whitespace_after_arg=given.whitespace_after_arg)
    return call.with_changes(args=args)
