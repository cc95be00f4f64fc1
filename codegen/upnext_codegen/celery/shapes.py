"""The shapes of tasks: their parameters without types. Tasks of one shape are typed by the same overloads."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from upnext_codegen.celery.records import CeleryTask, TaskSignature

_LONGEST_NAME = 60


class Shape(NamedTuple):
    """The parameters of some tasks.

    Attributes:
        name: What they are called in the generated file.
        signature: Their parameters.
        is_known: Whether all of the tasks certainly take just these.
    """

    name: str
    signature: TaskSignature
    is_known: bool


def shapes_of(tasks: Iterable[CeleryTask]) -> tuple[Shape, ...]:
    """Return the shapes of tasks, with an order and names that depend only on them."""
    known: dict[TaskSignature, bool] = {}
    for task in tasks:
        # Celery's own stubs type an instance of a class, even if this file declares functions.
        if not task.is_class and can_be_typed(task.written):
            known[task.written] = known.get(task.written, True) and task.signature is not None
    named: dict[str, TaskSignature] = {}
    for signature in sorted(known, key=str):
        named[_free_name(signature, named)] = signature
    return tuple(Shape(name, signature, known[signature]) for name, signature in named.items())


def can_be_typed(signature: TaskSignature) -> bool:
    """Whether a protocol can be called with these parameters; one that accepts anything needs no protocol."""
    names = [each.name for each in signature.formals]
    return not (signature.takes_args and signature.takes_kwargs and not names) and not any(
        name == "self" or (name.startswith("__") and not name.endswith("__")) for name in names
    )


def _free_name(signature: TaskSignature, taken: dict[str, TaskSignature]) -> str:
    words = [part for each in signature.formals for part in each.name.split("_") if part]
    stem = "".join(word[0].upper() + word[1:] for word in words)[:_LONGEST_NAME] or "Nothing"
    name, number = stem, 1
    while name in taken:
        number += 1
        name = f"{stem}{number}"
    return name
