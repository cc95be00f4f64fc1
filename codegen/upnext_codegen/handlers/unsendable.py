"""Classes that cannot travel as JSON, whatever they contain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upnext_codegen.handlers.canonical import cannot_travel
from upnext_codegen.types.traversal import classes_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from upnext_codegen.types import ClassFacts, ClassType, Type


def unsendable(
    written: Type, known: Mapping[str, ClassFacts], above: frozenset[ClassType] = frozenset()
) -> tuple[ClassType, str] | None:
    """Find a class in a type that cannot travel as JSON, and the reason.

    Args:
        written: The type.
        known: Facts of the project's classes, by "module:qualname".
        above: The new types that it is inside.
    """
    for each in classes_in(written):
        own = known.get(f"{each.module}:{each.qualname}")
        if own is not None and own.kind == "newtype":
            bases = () if each in above else own.bases
            inner = next((found for base in bases if (found := unsendable(base, known, above | {each}))), None)
            if inner is not None:
                return inner
        elif own is not None and not own.json:
            return each, "it is a plain class of the project"
        elif own is None and (reason := cannot_travel(each.module, each.qualname)):
            return each, reason
    return None
