"""The type adapters with which pydantic reads and writes values.

pydantic evaluates string annotations of classes in their modules, but the caller's names come first. So adapters are
made where there are no other names, or only those that are needed.
"""

from __future__ import annotations

from itertools import count
from typing import Any

from pydantic import ConfigDict, PydanticUndefinedAnnotation, TypeAdapter
from typing_extensions import TypeAliasType

from upnext.names_in_classes import names_in_classes

_LATER = ConfigDict(defer_build=True)
_numbers = count(1)


def type_adapter(kind: Any) -> TypeAdapter[Any]:
    """Return the type adapter for a type.

    Raises:
        RecursionError: If an alias in a class mentions itself, and its name means something else in another class.
        PydanticUndefinedAnnotation: If something in a class is not defined.
        PydanticSchemaGenerationError: If pydantic does not know it.
    """
    try:
        adapter = _by_pydantic(kind)
    except RecursionError:
        names = names_in_classes(kind)
        if not names:
            raise
    else:
        if adapter.pydantic_complete:
            return adapter
        names = names_in_classes(kind)
    return _built(kind, names)


def _by_pydantic(__kind: Any) -> TypeAdapter[Any]:  # noqa: PYI063  # no class is called that, as pydantic sees the name
    return TypeAdapter(__kind)


def _built(kind: Any, names: dict[str, Any]) -> TypeAdapter[Any]:
    # Only an alias accepts a configuration for any type. Pydantic distinguishes aliases by name and address, and
    # addresses are used again: so each has a unique name.
    alias: Any = TypeAliasType  # checkers want the name of a variable
    adapter: TypeAdapter[Any] = TypeAdapter(alias(f"<type {next(_numbers)}>", kind), config=_LATER)
    adapter.rebuild(_types_namespace=names)
    if not adapter.pydantic_complete:
        raise PydanticUndefinedAnnotation("", "something in a class is not defined")
    return adapter
