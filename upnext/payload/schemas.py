"""Adjusts pydantic's schemas: what type checkers accept is accepted, and what was written can be read."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, cast

from pydantic_core import PydanticKnownError, core_schema, to_jsonable_python

from upnext.annotations import concrete
from upnext.payload.generic_models import GenericModel, generic_origin
from upnext.payload.type_adapters import type_adapter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic_core import CoreSchema

# The schema of a user's class is changed only where its JSON could not be read: its validators may rely on the rest.
_PLAIN = frozenset({
    "any", "bool", "dict", "float", "int", "list", "none", "nullable", "str", "typed-dict", "typed-dict-field",
})  # fmt: skip
_FIELD_LISTS = frozenset({"model-fields", "dataclass-args", "typed-dict"})
_FUNCTIONS = frozenset({"function-before", "function-wrap", "function-plain"})
# Keys of a schema whose values are data, not schemas.
_DATA = frozenset({"metadata", "config", "default", "expected", "members", "serialization"})
_BOOL = core_schema.bool_schema(strict=True)
# Type checkers accept a bool for both; pydantic's strict numbers refuse it.
_NUMBERS: dict[str, CoreSchema] = {
    "int": core_schema.union_schema(
        [core_schema.int_schema(strict=True), _BOOL], mode="left_to_right", custom_error_type="int_type"
    ),
    "float": core_schema.union_schema(
        [core_schema.float_schema(strict=True), core_schema.no_info_after_validator_function(float, _BOOL)],
        mode="left_to_right",
        custom_error_type="float_type",
    ),
}


class SchemaRewriter:
    """Rewrites the schema of a payload, once.

    Args:
        extra_keys: What is done with keys that a TypedDict in it does not have, "allow" or "forbid".

    Attributes:
        changed_classes: Whether the schema of a user's class was changed too, so that the validator that pydantic
            built with the class must not be used.
    """

    def __init__(self, extra_keys: str) -> None:
        self._extra_keys = extra_keys
        self.changed_classes = False

    def rewrite(self, schema: CoreSchema, extras: Any) -> CoreSchema:
        """Return the schema of a payload that accepts what type checkers accept for its fields.

        Args:
            schema: That of a TypedDict.
            extras: What `**kwargs` takes: an annotation, None if there are no further fields.
        """
        rewritten = cast("CoreSchema", self._rewrite(schema))
        payload = cast("dict[str, Any]", rewritten)
        while payload["type"] != "typed-dict":
            payload = payload["schema"]
        payload["extra_behavior"] = "forbid" if extras is None else "allow"
        if extras not in (None, Any, object):
            payload["extras_schema"] = _shared(self._rewrite(type_adapter(concrete(extras)).core_schema), rewritten)
        return rewritten

    def _rewrite(self, node: Any) -> Any:
        if isinstance(node, list):
            return [self._rewrite(item) for item in cast("list[object]", node)]
        if not isinstance(node, dict):
            return node
        schema = cast("dict[str, Any]", node)
        kind = kind_of(schema)
        if kind in _NUMBERS and not schema.keys() - {"type", "metadata"}:
            return _NUMBERS[kind]
        if kind == "literal":
            return _exact_literal(schema)
        if kind == "enum":
            return _readable_enum(schema)
        if kind == "json":  # for a type checker `Json[T]` is T
            return self._rewrite(schema.get("schema", core_schema.any_schema()))
        if kind == "model" or (kind == "dataclass" and hasattr(schema["cls"], "__pydantic_validator__")):
            schema = self._readable_class(schema)
        else:
            schema = {**schema, **{key: self._rewrite(value) for key, value in children(schema).items()}}
        schema = _accept_written(schema)
        sets_extras = "extras_schema" in schema or "extra_fields_behavior" in schema.get("config", {})
        if kind == "typed-dict" and not sets_extras:
            schema["extra_behavior"] = self._extra_keys
        cls = schema["cls"] if kind in {"model", "named-tuple"} else _named_tuple(schema)
        return schema if cls is None else _instance_of_class(schema, cls)

    def _readable_class(self, schema: dict[str, Any]) -> dict[str, Any]:
        readable = cast("dict[str, Any]", _readable(schema))
        self.changed_classes |= readable != schema
        return {**readable}


def _shared(part: Any, whole: Any) -> Any:
    """Return a part without the definitions that the whole has too: a recursive type is defined once in a schema."""
    if kind_of(part) != "definitions" or kind_of(whole) != "definitions":
        return part
    known = {definition["ref"] for definition in whole["definitions"]}
    whole["definitions"] += [definition for definition in part["definitions"] if definition["ref"] not in known]
    return part["schema"]


def is_plain(node: Any) -> bool:
    """Return whether a schema only contains JSON's own types, and no user code."""
    if isinstance(node, dict):
        part = cast("dict[str, Any]", node)
        kind = kind_of(part)
        return (not kind or kind in _PLAIN) and all(map(is_plain, children(part).values()))
    return all(map(is_plain, cast("list[object]", node))) if isinstance(node, list) else True


def holds_kind(schema: CoreSchema, kind: str) -> bool:
    """Return whether a schema contains a part of one kind."""
    return any(kind_of(node) == kind for node in _nodes(schema))


def fields_with_user_code(schema: CoreSchema) -> frozenset[str]:
    """Return the fields of a payload whose JSON passes through user code before it has its type.

    Args:
        schema: That of a TypedDict, as pydantic made it.
    """
    payload, definitions = cast("dict[str, Any]", schema), list[Any]()
    while payload["type"] != "typed-dict":
        definitions += payload.get("definitions", [])
        payload = payload["schema"]
    is_shared = any(runs_user_code(node) for part in definitions for node in _nodes(part))
    return frozenset(
        name
        for name, field in payload["fields"].items()
        if any(runs_user_code(node) or (is_shared and kind_of(node) == "definition-ref") for node in _nodes(field))
    )


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    """Iterate over the schemas inside a schema for JSON."""
    if isinstance(node, list):
        for item in cast("list[object]", node):
            yield from _nodes(item)
    elif isinstance(node, dict):
        part = cast("dict[str, Any]", node)
        yield part
        for key, value in children(part).items():
            if key != "python_schema":
                yield from _nodes(value)


def runs_user_code(node: dict[str, Any]) -> bool:
    """Return whether a schema calls user code before, around or instead of another schema."""
    if kind_of(node) not in _FUNCTIONS:
        return False
    function: Any = node["function"]["function"]
    module: object = getattr(getattr(function, "func", function), "__module__", None)
    return not (isinstance(module, str) and module.partition(".")[0] in {"pydantic", "upnext"})


def kind_of(schema: dict[str, Any]) -> str:
    """Return the type of a schema, "" for a mapping that is not a schema."""
    kind: object = schema.get("type")
    return kind if isinstance(kind, str) else ""


def _named_tuple(schema: dict[str, Any]) -> type | None:
    """Return the class of a named tuple whose schema is a call of it, as earlier pydantic versions have it."""
    called: Any = schema.get("function") if kind_of(schema) == "call" else None
    is_tuple = isinstance(called, type) and issubclass(called, tuple)
    return cast("type", called) if is_tuple else None


def children(part: dict[str, Any]) -> dict[str, Any]:
    """Return the parts that may contain schemas: everything but data in a schema, all values in a mapping of names."""
    return {key: value for key, value in part.items() if not kind_of(part) or key not in _DATA}


def _readable(node: Any) -> Any:
    """Return the schema of a user's class that reads the JSON which the class writes."""
    if isinstance(node, list):
        return [_readable(item) for item in cast("list[object]", node)]
    if not isinstance(node, dict):
        return node
    schema = cast("dict[str, Any]", node)
    kind = kind_of(schema)
    if kind == "literal":
        exact = _exact_literal(schema)
        return schema if exact is schema else core_schema.json_or_python_schema(exact, cast("CoreSchema", schema))
    if kind == "enum":
        return _readable_enum(schema)
    schema = {**schema, **{key: _readable(value) for key, value in children(schema).items()}}
    return _accept_written(schema)


def _accept_written(schema: dict[str, Any]) -> dict[str, Any]:
    """Make a schema accept the keys and tags with which its values are written."""
    kind = kind_of(schema)
    if kind in _FIELD_LISTS:
        return {**schema, "fields": _accept_written_keys(schema)}
    if kind == "model" and schema.get("config", {}).get("validate_by_alias") is False:
        return {**schema, "config": {**schema["config"], "validate_by_alias": True}}
    if kind == "tagged-union":
        choices: dict[Any, Any] = schema["choices"]
        written = {to_jsonable_python(tag): choice for tag, choice in choices.items() if isinstance(tag, Enum)}
        return {**schema, "choices": {**choices, **written}}
    return schema


def _accept_written_keys(schema: dict[str, Any]) -> Any:
    """Return the fields of a class or a TypedDict, readable from the keys under which they are written."""
    fields: Any = schema["fields"]
    # Pydantic's classes write aliases; dicts and standard dataclasses write names in a payload, aliases in a model.
    is_model = schema["type"] == "model-fields"
    if isinstance(fields, dict):
        named = cast("dict[str, dict[str, Any]]", fields)
        return {name: _accept_written_key(field, name, is_model) for name, field in named.items()}
    return [_accept_written_key(field, field["name"], is_model) for field in fields]


def _accept_written_key(field: dict[str, Any], name: str, is_model: bool) -> dict[str, Any]:
    alias: Any = field.get("validation_alias")
    paths = _alias_paths(name if alias is None else alias)
    written = [[field.get("serialization_alias", name)]] + ([] if is_model else [[name]])
    added = [path for n, path in enumerate(written) if path not in paths and path not in written[:n]]
    return {**field, "validation_alias": [*paths, *added]} if added else field


def _alias_paths(alias: Any) -> list[list[str | int]]:
    """Return an alias, in any of its three forms, as alternatives of paths."""
    if isinstance(alias, str):
        return [[alias]]
    return [alias] if alias and not isinstance(alias[0], list) else alias


def _instance_of_class(schema: dict[str, Any], kind: type) -> Any:
    """Refuse values that are not instances: pydantic accepts a dict for a model, and any tuple for a named one."""
    ref = schema.pop("ref", None)
    inner = cast("CoreSchema", schema)
    if generic_origin(kind) is None:
        instance = core_schema.is_instance_schema(kind, cls_repr=kind.__name__)
        known: CoreSchema = core_schema.chain_schema([instance, inner])
    else:
        known = core_schema.no_info_wrap_validator_function(GenericModel(kind, schema).validate, inner)
    return core_schema.json_or_python_schema(inner, known, ref=ref)


def _readable_enum(schema: dict[str, Any]) -> Any:
    """Read enum members whose values JSON writes in another form: tuples, dates, decimals."""
    members: list[Enum] = schema["members"]
    written = [(to_jsonable_python(member, fallback=repr), member) for member in members]
    if all(plain == member.value for plain, member in written):
        return schema

    def find(value: object) -> object:
        return next((member for plain, member in written if plain == value), value)

    bare = {**schema}
    ref = bare.pop("ref", None)
    inner = cast("CoreSchema", bare)
    read = core_schema.no_info_before_validator_function(find, inner)
    return core_schema.json_or_python_schema(read, inner, ref=ref)


def _exact_literal(schema: dict[str, Any]) -> Any:
    """Distinguish True from 1, and read the members of enums, of which JSON only contains the values."""
    expected: list[Any] = schema["expected"]
    if all(type(value) is str for value in expected):
        return schema
    members = [(to_jsonable_python(value), value) for value in expected if isinstance(value, Enum)]

    def find(value: object, info: core_schema.ValidationInfo) -> object:
        if info.mode != "python":
            return next((member for plain, member in members if plain == value), value)
        if not any(type(value) is type(one) and value == one for one in expected):
            raise PydanticKnownError("literal_error", {"expected": " or ".join(map(repr, expected))})
        return value

    return core_schema.with_info_before_validator_function(find, cast("CoreSchema", schema))
