"""Validation errors of pydantic as `PayloadProblem`s: fields and types, but no values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, get_args

from pydantic_core import core_schema

from upnext.errors import PayloadProblem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic_core import ErrorDetails, ValidationError

# A user's validator may put anything into its message, and these parts of pydantic's own messages quote the value.
_PYDANTIC_TYPES = frozenset(get_args(core_schema.ErrorType))
_QUOTING_CONTEXT = ("error", "encoding_error", "tz_actual")

_SURROGATE: Final = re.compile("[\ud800-\udfff]")

REFUSED_BY_CODE: Final = "is refused by a validator of its type"
"""What a problem says is expected where the user's own code decides."""


_OPTIONS: Final = frozenset({"delay", "at", "key", "wait"})
"""Options of sends and submissions, which other libraries take in the same call as the arguments."""


def untaken(name: str) -> PayloadProblem:
    """Return the problem of a field that is not accepted."""
    hint = f"; options go into .options({name}=...)" if name in _OPTIONS else ""
    return PayloadProblem(name, f"is not taken{hint}", "")


def describe_errors(error: ValidationError) -> tuple[PayloadProblem, ...]:
    """Return one problem per field and cause."""
    details = error.errors(include_url=False)
    problems = {(problem.field, problem.expected): problem for problem in map(_describe, details)}
    return tuple(problems.values())


def unwritable_names(fields: Iterable[str]) -> tuple[PayloadProblem, ...]:
    """Return a problem for each field whose name cannot be encoded; pydantic only says that there is one."""
    expected = "must have a name without lone surrogates, which UTF-8 cannot have"
    return tuple(PayloadProblem(name, expected, "") for name in fields if _SURROGATE.search(name))


def top_level_field(problem: PayloadProblem) -> str:
    """Return the field that a problem belongs to, without positions inside it."""
    return problem.field.partition(".")[0]


def _describe(detail: ErrorDetails) -> PayloadProblem:
    # Below the top level only list positions are shown: the keys of a dict are the user's data.
    field = ".".join(str(part) for n, part in enumerate(detail["loc"]) if n == 0 or isinstance(part, int))
    kind = detail["type"]
    is_nested = len(detail["loc"]) > 1
    if kind == "missing":
        return PayloadProblem(field, "lacks a key that its type requires" if is_nested else "is missing", "")
    if kind in {"extra_forbidden", "unexpected_keyword_argument"}:
        return PayloadProblem(field, "holds a key that its type does not have", "") if is_nested else untaken(field)
    if kind in {"value_error", "assertion_error"}:
        return PayloadProblem(field, REFUSED_BY_CODE, type(detail["input"]).__name__)
    if kind in {"json_invalid", "recursion_loop"}:
        return PayloadProblem(field, "is not valid JSON", "")
    return PayloadProblem(field, _expected(kind, detail), type(detail["input"]).__name__)


def _expected(kind: str, detail: ErrorDetails) -> str:
    """Return pydantic's message without the parts that quote the value."""
    if kind not in _PYDANTIC_TYPES:
        return REFUSED_BY_CODE
    context: dict[str, Any] = detail.get("ctx", {})
    if kind == "union_tag_invalid":
        return f"should be one of {context['expected_tags']} by {context['discriminator']}"
    sentence = detail["msg"].replace("Input should", "should", 1)
    quoted = next((context[name] for name in _QUOTING_CONTEXT if name in context), None)
    return sentence if not quoted else sentence.partition(str(quoted))[0].rstrip(" ,:").removesuffix(", error")
