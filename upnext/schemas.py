"""Small changes to pydantic's schemas, and their errors in our words."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Annotated, Any, Union, cast, get_args, get_origin

from pydantic import TypeAdapter
from pydantic_core import core_schema

from upnext.errors import PayloadProblem

if TYPE_CHECKING:
    from pydantic_core import CoreSchema, ErrorDetails, ValidationError

# Schemas of users' classes are left as they are: their validators may count on it.
_OPAQUE = frozenset({"model", "dataclass", "model-fields", "dataclass-args", "literal", "enum", "call"})
# Messages of a validator that users wrote may say anything, and these parts of pydantic's own quote the value.
_PYDANTICS = frozenset(get_args(core_schema.ErrorType))
_QUOTES = ("error", "encoding_error", "tz_actual")
_BOOL_OR_INT = core_schema.union_schema(
    [core_schema.int_schema(strict=True), core_schema.bool_schema(strict=True)],
    mode="left_to_right",
    custom_error_type="int_type",
)


def is_context(hint: object, context: type) -> bool:
    """Say whether an annotation asks for the job's context: the class, a subclass, optional or `Annotated`."""
    if get_origin(hint) is Annotated:
        return is_context(get_args(hint)[0], context)
    if get_origin(hint) in (Union, types.UnionType):
        others = [member for member in get_args(hint) if member is not type(None)]
        return len(others) == 1 and is_context(others[0], context)
    return isinstance(hint, type) and issubclass(hint, context)


def accept_bool_for_int(schema: CoreSchema) -> CoreSchema:
    """Let a bool pass where an int is asked for, as every type checker does; pydantic's strict int refuses it."""
    return cast("CoreSchema", _accept_bool_for_int(schema))


def _accept_bool_for_int(node: Any) -> Any:
    if isinstance(node, list):
        return [_accept_bool_for_int(item) for item in cast("list[object]", node)]
    if not isinstance(node, dict):
        return node
    schema = cast("dict[str, Any]", node)
    kind = schema.get("type")
    if kind == "int" and not schema.keys() - {"type", "metadata"}:
        return _BOOL_OR_INT
    if kind in _OPAQUE:
        return schema
    return {key: value if key == "metadata" else _accept_bool_for_int(value) for key, value in schema.items()}


def with_extras(schema: CoreSchema, extras: Any) -> CoreSchema:
    """Check fields beyond the named ones against the annotation of `**kwargs`."""
    if extras is None or extras is Any or extras is object:
        return schema
    target = cast("dict[str, Any]", schema)
    while target["type"] != "typed-dict":
        target = target["schema"]
    target["extras_schema"] = accept_bool_for_int(TypeAdapter(extras).core_schema)
    return schema


def name_problems(error: ValidationError) -> tuple[PayloadProblem, ...]:
    """Say what is wrong field by field, with types and without values."""
    details = error.errors(include_url=False)
    problems = {(problem.field, problem.expected): problem for problem in map(_name_problem, details)}
    return tuple(problems.values())


def _name_problem(detail: ErrorDetails) -> PayloadProblem:
    # Below the top level only list positions are shown: keys of a dict are the user's data.
    field = ".".join(str(part) for n, part in enumerate(detail["loc"]) if n == 0 or isinstance(part, int))
    kind = detail["type"]
    if kind == "missing":
        return PayloadProblem(field, "is missing", "")
    if kind == "extra_forbidden":
        return PayloadProblem(field, "is not taken", "")
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
