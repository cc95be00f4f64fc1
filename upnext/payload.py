"""The JSON of a payload, made once at the sender and refused there if it would not arrive as it was sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from pydantic_core import PydanticSerializationError

from upnext.arrival import Taken, read, same, write
from upnext.errors import PayloadError, PayloadProblem, UpnextError

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
    try:
        return _encode(subject, fields, signatures, max_bytes)
    except UpnextError:
        raise
    except Exception as error:  # noqa: BLE001  # code of users: validators, serializers
        problem = PayloadProblem("", "cannot be checked: the code of a type in it raised", type(error).__name__)
        raise PayloadError(subject, (problem,)) from None  # its own words may quote the value


def _encode(subject: str, fields: Mapping[str, Any], signatures: Sequence[Signature], max_bytes: int) -> bytes:
    taken = [signature.check(fields) for signature in signatures]
    try:
        body = write(fields)
        plain = read(body)
    except (PydanticSerializationError, ValueError, RecursionError):
        problems = [problem for name, value in fields.items() for problem in _unsendable(name, value)]
        raise PayloadError(subject, tuple(problems) or _NOT_JSON) from None
    if len(body) > max_bytes:
        problem = PayloadProblem("", f"may have {max_bytes:,} bytes of JSON", f"{len(body):,}")
        raise PayloadError(subject, (problem,))
    as_sent = same(plain, fields)
    # The common case: what JSON carries unchanged, for handlers that ask for nothing else.
    if as_sent and all(signature.is_plain for signature in signatures) and not any(sent.beyond for sent in taken):
        return body
    arrived = [
        sent.values if as_sent and signature.is_plain else signature.decode(body)
        for signature, sent in zip(signatures, taken, strict=True)
    ]
    if not (taken and all(map(Taken.arrives_whole, taken, arrived))):
        _check_arrival(subject, fields, plain, list(zip(signatures, taken, arrived, strict=True)))
    return body


_NOT_JSON = (PayloadProblem("", "must be JSON of at most 200 levels", "something else"),)


def _unsendable(name: str, value: object) -> Iterable[PayloadProblem]:
    try:
        read(write({name: value}))
    except PydanticSerializationError:
        yield PayloadProblem(name, "must be something that JSON can carry", type(value).__name__)
    except (ValueError, RecursionError):
        yield PayloadProblem(name, "must hold finite numbers and at most 200 levels", type(value).__name__)


def _check_arrival(
    subject: str,
    fields: Mapping[str, Any],
    plain: Mapping[str, Any],
    handlers: Sequence[tuple[Signature, Taken, Mapping[str, Any]]],
) -> None:
    problems: list[PayloadProblem] = []
    for name, value in fields.items():
        asked = [(signature.hint(name), sent, there) for signature, sent, there in handlers if signature.names(name)]
        if not asked:
            problems += [] if same(value, plain[name]) else _unfaithful(name, value)
        # Other handlers may ask for less: for a base class, or for anything. What none of them gets whole is refused.
        elif not any(sent.field_arrives_whole(name, there) for _, sent, there in asked):
            beyond = next((sent.beyond[name] for _, sent, _ in asked if name in sent.beyond), None)
            hints = [hint for hint, _, _ in asked]
            problems.append(beyond or _changed(name, value, hints, asked[0][2][name]))
    if problems:
        raise PayloadError(subject, tuple(problems))


def _changed(name: str, value: object, hints: Sequence[object], arrived: object) -> PayloadProblem:
    if all(hint is Any or hint is object for hint in hints):
        expected = "would arrive as plain JSON; annotate it in a handler, or send plain JSON"
    elif type(value) is type(arrived):
        expected = "would not arrive equal; annotate what it holds, or send what JSON can carry"
    else:
        expected = f"would arrive as {type(arrived).__name__}; annotate it so that JSON can tell them apart"
    return PayloadProblem(name, expected, type(value).__name__)


def _unfaithful(name: str, value: object) -> Iterable[PayloadProblem]:
    """Find what no handler anywhere can get as it is; this process knows none that names the field."""
    if isinstance(value, Iterator):
        yield PayloadProblem(name, "must be a collection, which can be read twice", _type_name(cast("object", value)))
    elif isinstance(value, Mapping):
        mapping = cast("Mapping[object, object]", value)
        wrong = next((key for key in mapping if not isinstance(key, str)), None)
        if wrong is not None:
            yield PayloadProblem(name, "must have string keys, as JSON has", _type_name(wrong))
        for item in mapping.values():
            yield from _unfaithful(name, item)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in cast("Iterable[object]", value):
            yield from _unfaithful(name, item)


def _type_name(value: object) -> str:
    return type(value).__name__
