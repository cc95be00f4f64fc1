"""Defaults that are not values: objects that libraries have users write after `=` to describe a parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upnext.errors import ConfigError

if TYPE_CHECKING:
    import inspect

_CLASSES = frozenset(
    {
        "attr._make._CountingAttr",
        "dataclasses.Field",
        "fastapi.params.Depends",
        "msgspec._core.Field",
        "pydantic.fields.FieldInfo",  # those of FastAPI's Query and Body, and of SQLModel's Field, are below it
        "pydantic.fields.ModelPrivateAttr",
        "upnext.formerly.Formerly",
        "upnext.provide.Provide",
        "upnext.provide._Provided",
    }
)
"""Their classes, by name: most of these libraries are not imported, nor need they be there."""


def refuse_marker(parameter: inspect.Parameter, function: str) -> None:
    """Refuse a default that the runtime would not interpret.

    A function whose parameter has `Field(gt=0)` as its default gets that object when the argument is omitted, and
    the limit counts for nothing.

    Args:
        parameter: A parameter that its function gets by keyword.
        function: The function's name, for messages.

    Raises:
        ConfigError: If it has such a default.
    """
    default: object = parameter.default
    kind = type(default)
    if any(f"{each.__module__}.{each.__qualname__}" in _CLASSES for each in kind.__mro__):
        raise ConfigError(
            f"The default of parameter {parameter.name!r} of {function!r} is a {kind.__name__} and no value: the "
            "function would get that object. Write it in the annotation, as in Annotated[int, Field(gt=0)], and the "
            "default behind it; have a parameter that nobody sends provided: Annotated[Session, upnext.Provide(...)]."
        )
