"""Decides whether the arguments of a call fit a task, by the rules of Python's own calls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from upnext_codegen.celery.records import CallArguments, TaskSignature


def faults(signature: TaskSignature, given: CallArguments, *, is_partial: bool, results: int = 0) -> Iterator[str]:
    """Yield the faults of the arguments: what a task "is called ..." with or without.

    Args:
        signature: What the task takes.
        given: What it is given.
        is_partial: Whether arguments may be added, before these, too: as the result of the task before it in a chain.
        results: How many of those by position are results of tasks before it.
    """
    places = signature.positional
    counted = ", the result of the task before it included," if results else ""
    if given.positional > len(places) and not signature.takes_args:
        yield f"with {_count(given.positional)}{counted} but takes {len(places) or 'none'}"
    unknown = unknown_names(signature, given)
    if unknown:
        yield f"with {_names(unknown)}, which it does not take"
    if is_partial:
        return
    filled = {each.name for each in places[: given.positional]}
    twice = [name for name in given.keywords if name in filled and name in signature.keywords]
    if twice:
        first = "the result of the task before it" if results else "position"
        yield f"with {_names(twice)} twice, by {first} and by name"
    missing = [
        each.name
        for each in signature.formals
        if each.required
        and each.name not in filled
        and not (each.kind != "positional" and (each.name in given.keywords or given.more_keywords))
        and not (each.kind != "keyword" and given.more_positional)
    ]
    if missing:
        yield f"without {_names(missing)}"


def unknown_names(signature: TaskSignature, given: CallArguments) -> tuple[str, ...]:
    """Return the keyword arguments of a call that the task does not have."""
    if signature.takes_kwargs:
        return ()
    return tuple(name for name in given.keywords if name not in signature.keywords)


def _names(names: list[str] | tuple[str, ...]) -> str:
    return " and ".join(filter(None, (", ".join(f'"{name}"' for name in names[:-1]), f'"{names[-1]}"')))


def _count(number: int) -> str:
    return f"{number} positional argument{'' if number == 1 else 's'}"
