"""What pydantic reads and writes values of a type with.

It evaluates what classes have as text in the names of their modules, but names of whoever asks come first: so it is
asked where there are none, or only those that have to.
"""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, PydanticUndefinedAnnotation, TypeAdapter
from typing_extensions import TypeAliasType

from upnext.names_in_classes import names_in_classes

_LATER = ConfigDict(defer_build=True)


def type_adapter(kind: Any) -> TypeAdapter[Any]:
    """Return what reads and writes values of a type.

    Raises:
        RecursionError: If an alias in a class mentions itself, and its name means something else in another class.
        PydanticUndefinedAnnotation: If something in a class is not defined.
        PydanticSchemaGenerationError: If pydantic does not know it.
    """
    try:
        return _built(kind, {})
    except (RecursionError, PydanticUndefinedAnnotation):
        names = names_in_classes(kind)
        if not names:
            raise
    return _built(kind, names)


def _built(kind: Any, names: dict[str, Any]) -> TypeAdapter[Any]:
    # Only an alias takes a configuration whatever it stands for. Nothing else has a name like that.
    alias: Any = TypeAliasType  # checkers want the name of a variable
    adapter: TypeAdapter[Any] = TypeAdapter(alias("<type>", kind), config=_LATER)
    adapter.rebuild(_types_namespace=names)
    if not adapter.pydantic_complete:
        raise PydanticUndefinedAnnotation("", "something in a class is not defined")
    return adapter
