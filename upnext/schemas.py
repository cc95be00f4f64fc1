"""Small changes to pydantic's schemas, and their errors in our words."""

from __future__ import annotations

import types
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Union, cast, get_args, get_origin

from pydantic import TypeAdapter
from pydantic_core import PydanticKnownError, core_schema, to_jsonable_python

from upnext.errors import PayloadProblem
from upnext.hints import concrete

if TYPE_CHECKING:
    from pydantic_core import CoreSchema, ErrorDetails, ValidationError

# Schemas of users' classes are left as they are: their validators may count on it.
_OPAQUE = frozenset({"model", "enum"})
_PLAIN = frozenset({
    "any", "bool", "dict", "float", "int", "list", "none", "nullable", "str", "typed-dict", "typed-dict-field",
})  # fmt: skip
# What stands in a schema beside the schemas in it.
_DATA = frozenset({"metadata", "config", "default", "expected", "members", "serialization"})
# Messages of a validator that users wrote may say anything, and these parts of pydantic's own quote the value.
_PYDANTICS = frozenset(get_args(core_schema.ErrorType))
_QUOTES = ("error", "encoding_error", "tz_actual")
_BOOL = core_schema.bool_schema(strict=True)
# What every type checker takes for them; pydantic's strict numbers refuse a bool.
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


def context_class(hint: object, context: type) -> type | None:
    """Return the class of context that an annotation asks for: ours or a subclass, optional or `Annotated`, or None."""
    if get_origin(hint) is Annotated:
        return context_class(get_args(hint)[0], context)
    if get_origin(hint) in (Union, types.UnionType):
        others = [member for member in get_args(hint) if member is not type(None)]
        return context_class(others[0], context) if len(others) == 1 else None
    return hint if isinstance(hint, type) and issubclass(hint, context) else None


def as_checked(schema: CoreSchema, keys: str, extras: Any) -> CoreSchema:
    """Return the schema of a payload that takes what type checkers take for its fields.

    Args:
        schema: That of a TypedDict.
        keys: What is done with keys that a TypedDict in it does not have, "allow" or "forbid".
        extras: What `**kwargs` takes: an annotation, None if there are no further fields.
    """
    checked = cast("CoreSchema", _as_checked(schema, keys))
    payload = cast("dict[str, Any]", checked)
    while payload["type"] != "typed-dict":
        payload = payload["schema"]
    payload["extra_behavior"] = "forbid" if extras is None else "allow"
    if extras not in (None, Any, object):
        payload["extras_schema"] = _as_checked(TypeAdapter(concrete(extras)).core_schema, keys)
    return checked


def is_plain(node: Any) -> bool:
    """Say whether a schema, or a part of one, has no other types than JSON, and no code of users."""
    if isinstance(node, dict):
        part = cast("dict[str, Any]", node)
        kind = part.get("type")
        return (not isinstance(kind, str) or kind in _PLAIN) and all(map(is_plain, _inside(part).values()))
    return all(map(is_plain, cast("list[object]", node))) if isinstance(node, list) else True


def _inside(part: dict[str, Any]) -> dict[str, Any]:
    """Return what may hold schemas: of a schema all but its data, of a mapping of names (any names) all."""
    return {key: value for key, value in part.items() if not isinstance(part.get("type"), str) or key not in _DATA}


def _as_checked(node: Any, keys: str) -> Any:
    if isinstance(node, list):
        return [_as_checked(item, keys) for item in cast("list[object]", node)]
    if not isinstance(node, dict):
        return node
    schema = cast("dict[str, Any]", node)
    kind = schema.get("type")
    if not isinstance(kind, str):
        kind = ""
    if kind in _NUMBERS and not schema.keys() - {"type", "metadata"}:
        return _NUMBERS[kind]
    if kind == "literal":
        return _exact_literal(schema)
    inside = {} if kind in _OPAQUE else _inside(schema)
    schema = {**schema, **{key: _as_checked(value, keys) for key, value in inside.items()}}
    if kind == "typed-dict" and "extra_fields_behavior" not in schema.get("config", {}):
        schema["extra_behavior"] = keys
    return _of_class(schema) if kind in {"model", "named-tuple"} else schema


def _of_class(schema: dict[str, Any]) -> Any:
    """Refuse what is no instance: pydantic takes a dict for a model, and any tuple for a named one."""
    kind: type = schema["cls"]
    ref = schema.pop("ref", None)
    inner = cast("CoreSchema", schema)
    known = core_schema.chain_schema([core_schema.is_instance_schema(kind, cls_repr=kind.__name__), inner])
    return core_schema.json_or_python_schema(inner, known, ref=ref)


def _exact_literal(schema: dict[str, Any]) -> Any:
    """Tell True from 1, and give the members of enums back, of which JSON has the values only."""
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


def name_problems(error: ValidationError) -> tuple[PayloadProblem, ...]:
    """Say what is wrong field by field, with types and without values."""
    details = error.errors(include_url=False)
    problems = {(problem.field, problem.expected): problem for problem in map(_name_problem, details)}
    return tuple(problems.values())


def _name_problem(detail: ErrorDetails) -> PayloadProblem:
    # Below the top level only list positions are shown: keys of a dict are the user's data.
    field = ".".join(str(part) for n, part in enumerate(detail["loc"]) if n == 0 or isinstance(part, int))
    kind = detail["type"]
    inside = len(detail["loc"]) - 1
    if kind == "missing":
        return PayloadProblem(field, "is missing" if inside == 0 else "lacks a key that its type requires", "")
    if kind in {"extra_forbidden", "unexpected_keyword_argument"}:
        return PayloadProblem(field, "is not taken" if inside == 0 else "holds a key that its type does not have", "")
    if kind in {"value_error", "assertion_error"}:
        return PayloadProblem(field, "is refused by a validator of its type", type(detail["input"]).__name__)
    if kind in {"json_invalid", "recursion_loop"}:
        return PayloadProblem(field, "is not valid JSON", "")
    return PayloadProblem(field, _expected(kind, detail), type(detail["input"]).__name__)


def _expected(kind: str, detail: ErrorDetails) -> str:
    """Return pydantic's sentence without what it quotes of the value."""
    if kind not in _PYDANTICS:
        return "is refused by a validator of its type"
    context: dict[str, Any] = detail.get("ctx", {})
    if kind == "union_tag_invalid":
        return f"should be one of {context['expected_tags']} by {context['discriminator']}"
    sentence = detail["msg"].replace("Input should", "should", 1)
    quoted = next((context[name] for name in _QUOTES if name in context), None)
    return sentence if not quoted else sentence.partition(str(quoted))[0].rstrip(" ,:").removesuffix(", error")
