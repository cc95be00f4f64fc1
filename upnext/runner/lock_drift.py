"""Finds sends that upnext.lock allows and a handler refuses: the lock and the handlers are out of step.

Type checkers read the catalog that was generated with the lock. A send that satisfies it is accepted and stored, and
then fails here, in the worker, as a dead letter.
"""

from __future__ import annotations

import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Union, get_args, get_origin

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from upnext.payload.signature import Signature

# The types that accept a value of each type. Other types are not compared: the lock has only their text.
_TAKEN_AS: Final[dict[str, tuple[type, ...]]] = {
    "str": (str,),
    "bool": (bool, int, float),
    "int": (int, float),
    "float": (float,),
    "None": (type(None),),
}
_COMPARED: Final = (str, bool, int, float, type(None))


@dataclass(frozen=True, slots=True)
class LockedEvent:
    """An event as it is in upnext.lock.

    Attributes:
        types: The text of each field's type, by its name.
        required: The fields that every send has.
        takes_extras: Whether sends may have further fields.
    """

    types: Mapping[str, str]
    required: frozenset[str]
    takes_extras: bool

    @classmethod
    def of(cls, contract: Mapping[str, Any]) -> LockedEvent:
        """Read an event of the lock."""
        fields = contract["fields"]
        return cls(
            {name: str(field["type"]) for name, field in fields.items()},
            frozenset(name for name, field in fields.items() if field["required"]),
            contract["extras"] is not None,
        )


def refusals(signature: Signature, event: LockedEvent) -> Iterator[str]:
    """Describe what a handler refuses although the lock allows it, or requires although the lock does not."""
    for name, (annotation, required) in signature.fields.items():
        if required and name not in event.required:
            yield f"requires '{name}', which sends {'may leave out' if name in event.types else 'do not have'}"
        elif name in event.types and not _takes(annotation, event.types[name]):
            yield f"takes '{name}' as {_shown(annotation)}, which is sent as {event.types[name]}"
    if signature.extras is None:
        for name in event.types.keys() - signature.fields.keys():
            yield f"refuses '{name}', which is sent"
        if event.takes_extras:
            yield "refuses fields that it does not name"


def _takes(annotation: Any, locked: str) -> bool:
    """Return whether a parameter accepts a type that is sent; True if the text does not tell."""
    alternatives = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    sent = locked.split(" | ")
    if not all(each in _COMPARED for each in alternatives) or not all(each in _TAKEN_AS for each in sent):
        return True
    return all(any(kind in alternatives for kind in _TAKEN_AS[each]) for each in sent)


def _shown(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)
