"""Stand-ins for classes in a schema, so that pydantic uses the schemas of the classes themselves.

Where a model or a pydantic dataclass is part of another schema, pydantic 2.11 and later ignore its schema and use the
validator that was built with the class, so changes to the schema have no effect. pydantic looks for such a validator
only in the class that the schema names; naming a stand-in class there is enough to avoid it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from pydantic_core import core_schema

from upnext.payload.schemas import children, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic_core import CoreSchema


class _StandIn(type):
    """The metaclass of stand-ins, which create instances of another class and accept its instances as their own."""

    stands_for: type

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, cls.stands_for)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:  # for models that have an `__init__` of their own
        return cls.stands_for(*args, **kwargs)


def with_stand_ins(schema: CoreSchema) -> CoreSchema:
    """Return an equivalent schema without classes that have a validator."""
    return cast("CoreSchema", _replaced(schema))


def _replaced(node: Any) -> Any:
    if isinstance(node, (list, tuple)):  # a tuple is a choice of a union with its label
        items = cast("list[object] | tuple[object, ...]", node)
        return type(items)(map(_replaced, items))
    if not isinstance(node, dict):
        return node
    part = cast("dict[str, Any]", node)
    schema = {**part, **{key: _replaced(value) for key, value in children(part).items()}}
    if kind_of(schema) in {"model", "dataclass"} and "__pydantic_validator__" in vars(schema["cls"]):
        return _with_stand_in(schema)
    return schema


def _with_stand_in(schema: dict[str, Any]) -> Any:
    kind: Any = schema["cls"]

    def make(_: type) -> object:
        return kind.__new__(kind)

    replaced: dict[str, Any] = {**schema, "cls": _StandIn(kind.__name__, (), {"stands_for": kind, "__new__": make})}
    config: dict[str, Any] = schema.get("config", {})
    if schema.get("revalidate_instances", config.get("revalidate_instances")) != "subclass-instances":
        return replaced
    # Nothing is an instance of exactly the stand-in, so that pydantic would validate all of them once more.
    ref = replaced.pop("ref", None)
    inner = cast("CoreSchema", replaced)

    def revalidate(value: object, validate: Callable[[Any], Any]) -> object:
        return value if type(value) is kind else validate(value)

    return core_schema.json_or_python_schema(
        inner, core_schema.no_info_wrap_validator_function(revalidate, inner), ref=ref
    )
