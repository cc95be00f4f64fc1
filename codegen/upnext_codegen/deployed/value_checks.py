"""Checks of single values, and the interface of every such check."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from pydantic_core import core_schema

from upnext_codegen.changes.constraints import satisfies
from upnext_codegen.changes.scalars import may_be_text_of
from upnext_codegen.changes.shapes import class_key, typed
from upnext_codegen.types import UNKNOWN_CONSTRAINT, ClassType, EnumMember, Type
from upnext_codegen.types.format import short_name, spell

if TYPE_CHECKING:
    from typing import Self


class Problem(NamedTuple):
    """A fault in a value, and where it is inside it: the names of fields, "[]" for an item."""

    path: str
    text: str

    def within(self, name: str) -> Problem:
        """Return the same problem inside a containing value."""
        joint = "" if not self.path or self.path.startswith("[") else "."
        return Problem(f"{name}{joint}{self.path}", self.text)


class Check(NamedTuple):
    """Checks a value, in two equivalent ways.

    Attributes:
        problem: Says what is wrong with a value, None if nothing is.
        schema: Takes none with which something is wrong. pydantic-core looks through a million payloads with it in a
            second; what it does not take, `problem` decides.
    """

    problem: Callable[[Any], Problem | None]
    schema: core_schema.CoreSchema

    @classmethod
    def of(cls, problem: Callable[[Any], Problem | None]) -> Self:
        """Create a check that pydantic-core does not provide."""

        def validated(value: Any) -> Any:
            if problem(value) is not None:
                raise ValueError
            return value

        return cls(problem, core_schema.no_info_plain_validator_function(validated))


_NUMERIC = frozenset({"decimal:Decimal", "builtins:complex"})
_SCHEMAS: dict[str, Callable[[], core_schema.CoreSchema]] = {
    "builtins:None": core_schema.none_schema,
    "builtins:bool": lambda: core_schema.bool_schema(strict=True),
    "builtins:int": lambda: core_schema.int_schema(strict=True),
    "builtins:float": lambda: core_schema.float_schema(strict=True),
    "builtins:str": lambda: core_schema.str_schema(strict=True),
}


def one_of(plain: Type, values: Sequence[Any]) -> Check | None:
    """Return the check of an enum or a Literal; None if its JSON values are unknown."""
    if any(isinstance(value, EnumMember | bytes) for value in values):
        return None
    is_enum, text = isinstance(plain, ClassType), spell(plain, short_name)
    refusal = Problem("", f"is not a member of {text}" if is_enum else f"is not {text}")
    members, literals = set(values), {typed(value) for value in values}

    def check(value: Any) -> Problem | None:
        if value is not None and not isinstance(value, str | int | float):
            return refusal
        # An enum accepts 1.0 and true as 1; a Literal does not accept true.
        is_one = value in members if is_enum or isinstance(value, float) else typed(value) in literals
        return None if is_one else refusal

    if all(isinstance(value, str) for value in values):
        return Check(check, core_schema.literal_schema(list(values)))
    return Check.of(check)


def scalar(plain: Type, *, takes_bools: bool) -> Check:
    """Return the check of a value that is neither an array nor an object."""
    key, refusal = class_key(plain), Problem("", f"is not {spell(plain, short_name)}")
    is_read = _reader(key, takes_bools)

    def check(value: Any) -> Problem | None:
        return None if is_read(value) else refusal

    return Check(check, _SCHEMAS[key]()) if key in _SCHEMAS else Check.of(check)


def _reader(key: str, takes_bools: bool) -> Callable[[Any], bool]:
    match key:
        case "builtins:None":
            return lambda value: value is None
        case "builtins:bool":
            return lambda value: isinstance(value, bool)
        case "builtins:int":
            return lambda value: takes_bools if isinstance(value, bool) else isinstance(value, int)
        case "builtins:float":
            return lambda value: takes_bools if isinstance(value, bool) else isinstance(value, int | float)
        case "builtins:str":
            return lambda value: isinstance(value, str)
        case _:
            numbers = key in _NUMERIC
            return lambda value: (
                may_be_text_of(value, key)
                if isinstance(value, str)
                else numbers and isinstance(value, int | float) and not isinstance(value, bool)
            )


def limited(check: Check, plain: Type, constraints: frozenset[str]) -> Check:
    """Return a check that includes the limits of a value, as far as they are known."""
    key = class_key(plain) if isinstance(plain, ClassType) else ""
    pairs = [(name, text) for name, _, text in (each.partition("=") for each in sorted(constraints))]
    known = [(name, text) for name, text in pairs if name != UNKNOWN_CONSTRAINT]
    # For values written as text, and for sets, the limit does not apply to the JSON value.
    if not known or key not in {"builtins:int", "builtins:float", "builtins:str", "builtins:list", "builtins:dict"}:
        return check

    def within_limits(value: Any) -> Problem | None:
        problem = check.problem(value)
        if problem is not None:
            return problem
        for name, text in known:
            measured = len(cast("list[Any]", value)) if isinstance(value, list | dict) else value
            is_length = isinstance(value, list | dict)
            if is_length and name not in {"min_length", "max_length"}:
                continue
            kind = {"min_length": "ge", "max_length": "le"}[name] if is_length else name
            if not satisfies(measured, kind, text):
                return Problem("", f"does not satisfy {name}={text}")
        return None

    return Check.of(within_limits)
