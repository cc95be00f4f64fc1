"""Former names of a field: payloads that use them are still accepted."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Annotated, Any, Union, cast, get_args, get_origin

from upnext.annotations import ALIASES
from upnext.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Formerly:
    """Declares, in `Annotated`, the former names of a field of a handler or a task.

    Jobs that are queued, and senders of an earlier release, give the field under one of them: the handler gets it
    under its name of today. Where a payload holds both, today's counts.

    Args:
        names: The names, in any order.

    Raises:
        ConfigError: If there is none, or one is not a name that a keyword can have.
    """

    def __init__(self, *names: str) -> None:
        shown = ", ".join(map(repr, names))
        given = cast("tuple[object, ...]", names)
        if not names or not all(isinstance(name, str) and name for name in given):
            raise ConfigError(f"Formerly({shown}) cannot be used: give the names that the field had before.")
        self.names = names

    def __repr__(self) -> str:
        """Show the names."""
        return f"Formerly({', '.join(map(repr, self.names))})"

    def __eq__(self, other: object) -> bool:
        """Return whether it has the same names."""
        return isinstance(other, Formerly) and other.names == self.names

    def __hash__(self) -> int:
        """Hash the names."""
        return hash(self.names)


def former_names(fields: Mapping[str, tuple[Any, bool]], handler: str) -> dict[str, str]:
    """Return the fields by their former names.

    Args:
        fields: Field name -> (annotation, whether it is required).
        handler: The function's name, for messages.

    Raises:
        ConfigError: If one of the names is that of another field, or two fields had it.
    """
    found: dict[str, str] = {}
    for field, (annotation, _) in fields.items():
        for former in _formerly(annotation):
            for name in former.names:
                if name in fields or found.get(name, field) != field:
                    raise ConfigError(
                        f"{former!r} of field {field!r} cannot be used in {handler!r}: {name!r} is the name of another "
                        "field, now or before."
                    )
                found[name] = field
    return found


def _formerly(annotation: Any) -> Iterator[Formerly]:
    while isinstance(annotation, ALIASES):
        annotation = annotation.__value__
    if get_origin(annotation) in (Union, types.UnionType):
        sides = [side for side in get_args(annotation) if side is not type(None)]
        if len(sides) == 1:
            yield from _formerly(sides[0])
    if get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        yield from (each for each in metadata if isinstance(each, Formerly))
        yield from _formerly(inner)
