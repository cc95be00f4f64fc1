"""The JSON of a payload, made once at the sender and refused there if it would not arrive as it was sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from pydantic_core import PydanticSerializationError, from_json, to_json

from upnext.errors import PayloadError, PayloadProblem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from upnext.signature import Signature

MAX_BYTES = 1_000_000
"""Default limit of a payload, in bytes of JSON."""


def encode(
    subject: str, fields: Mapping[str, Any], signatures: Sequence[Signature], max_bytes: int = MAX_BYTES
) -> bytes:
    """Return the JSON of a payload that every known handler takes.

    Args:
        subject: The event's or task's name, for messages.
        fields: The payload.
        signatures: Those of the handlers that this process knows.
        max_bytes: The largest payload allowed.

    Raises:
        PayloadError: If a handler would refuse it, if it is no JSON, too large, or nested deeper than 200 levels,
            or if something in it would not arrive equal (NaN, keys that are no strings, an iterator).
    """
    for signature in signatures:
        signature.check(fields)
    try:
        body = to_json(fields)
        plain = from_json(body, allow_inf_nan=False)
    except (PydanticSerializationError, ValueError, RecursionError):
        problems = [problem for name, value in fields.items() for problem in _unsendable(name, value)]
        raise PayloadError(subject, tuple(problems) or _NOT_JSON) from None
    if len(body) > max_bytes:
        problem = PayloadProblem("", f"may have {max_bytes:,} bytes of JSON", f"{len(body):,}")
        raise PayloadError(subject, (problem,))
    # Equal on arrival is the common case, told by one comparison; only what differs is looked at.
    if plain != fields:
        _check_arrival(subject, {n: v for n, v in fields.items() if plain[n] != v}, body, signatures)
    return body


_NOT_JSON = (PayloadProblem("", "must be JSON of at most 200 levels", "something else"),)


def _unsendable(name: str, value: object) -> Iterable[PayloadProblem]:
    try:
        from_json(to_json({name: value}), allow_inf_nan=False)
    except PydanticSerializationError:
        yield PayloadProblem(name, "must be something that JSON can carry", type(value).__name__)
    except (ValueError, RecursionError):
        yield PayloadProblem(name, "must hold finite numbers and at most 200 levels", type(value).__name__)


def _check_arrival(subject: str, changed: Mapping[str, Any], body: bytes, signatures: Sequence[Signature]) -> None:
    problems: list[PayloadProblem] = []
    for name, value in changed.items():
        hints = [signature.fields[name][0] for signature in signatures if name in signature.fields]
        typed = [hint for hint in hints if hint is not Any and hint is not object]
        if hints and not typed:
            expected = "would arrive as plain JSON; annotate it in a handler, or send plain JSON"
            problems.append(PayloadProblem(name, expected, type(value).__name__))
        else:
            problems += _unfaithful(name, value, keys_are_typed=bool(typed))
    if problems:
        raise PayloadError(subject, tuple(problems))
    for signature in signatures:
        signature.decode(body)


def _unfaithful(name: str, value: object, *, keys_are_typed: bool) -> Iterable[PayloadProblem]:
    if isinstance(value, Iterator):
        yield PayloadProblem(name, "must be a collection, which can be read twice", _type_name(cast("object", value)))
    elif isinstance(value, Mapping):
        mapping = cast("Mapping[object, object]", value)
        wrong = next((key for key in mapping if not isinstance(key, str)), None)
        if wrong is not None and not keys_are_typed:
            yield PayloadProblem(name, "must have string keys, as JSON has", _type_name(wrong))
        for item in mapping.values():
            yield from _unfaithful(name, item, keys_are_typed=keys_are_typed)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in cast("Iterable[object]", value):
            yield from _unfaithful(name, item, keys_are_typed=keys_are_typed)


def _type_name(value: object) -> str:
    return type(value).__name__
