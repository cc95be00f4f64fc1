"""Encodes a payload to JSON once, at the sender, and refuses what would not arrive as it was sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_core import PydanticSerializationError

from upnext.errors import PayloadError, PayloadProblem, UpnextError
from upnext.payload.digits import lost_digits
from upnext.payload.equality import CHANGED, difference
from upnext.payload.limits import MAX_BYTES, MAX_LEVELS
from upnext.payload.problems import top_level_field, unwritable_names
from upnext.payload.round_trip import read, write, write_some
from upnext.payload.sets import with_ordered_sets
from upnext.payload.unannotated import unsendable
from upnext.payload.unset import unset_fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from upnext.payload.codec import Codec
    from upnext.payload.round_trip import Validated


def encode(
    subject: str,
    fields: Mapping[str, Any],
    codecs: Sequence[Codec],
    max_bytes: int | None = MAX_BYTES,
    *,
    keep_unset: bool = True,
) -> bytes:
    """Return the JSON of a payload that every known handler takes.

    Args:
        subject: The event's or task's name, for messages.
        fields: The payload.
        codecs: Those of the handlers that this process knows.
        max_bytes: The largest payload allowed; None for any size.
        keep_unset: Whether fields of models that were not set are left out, where that is how they stay unset.

    Raises:
        PayloadError: If a handler would refuse it, if it is not JSON, too large, or nested deeper than 200 levels,
            or if something in it would not arrive equal (NaN, keys that are not strings, an iterator).
    """
    try:
        return _encode(subject, fields, codecs, max_bytes, keep_unset)
    except UpnextError:
        raise
    except Exception as error:  # noqa: BLE001  # code of users: validators, serializers
        problem = PayloadProblem("", "cannot be checked: the code of a type in it raised", type(error).__name__)
        raise PayloadError(subject, (problem,)) from None  # its own message may quote the value


def _encode(
    subject: str, fields: Mapping[str, Any], codecs: Sequence[Codec], max_bytes: int | None, keep_unset: bool
) -> bytes:
    validated: list[Validated] = []
    are_plain = True
    for codec in codecs:
        sent = codec.check(fields)
        validated.append(sent)
        are_plain = are_plain and codec.is_plain and not sent.extra_keys
    try:
        body = write(fields)
        plain = read(body)
    except (PydanticSerializationError, ValueError, RecursionError):
        problems = [problem for name, value in fields.items() for problem in _not_json(name, value)]
        raise PayloadError(subject, unwritable_names(fields) or tuple(problems) or _NOT_JSON) from None
    if max_bytes is not None and len(body) > max_bytes:
        problem = PayloadProblem("", f"may have {max_bytes:,} bytes of JSON", f"{len(body):,}")
        raise PayloadError(subject, (problem,))
    if problems := lost_digits(body, plain, codecs):
        raise PayloadError(subject, tuple(problems))
    # The common case: what JSON carries unchanged, for handlers that need nothing else.
    if are_plain and _is_equal(plain, fields):
        return body
    trip = _RoundTrip(subject, fields, plain, list(zip(codecs, validated, strict=True)))
    sparse = trip.without_unset_fields(body) if keep_unset and any(codec.has_models for codec in codecs) else None
    if sparse is None:
        trip.check(body)
    return with_ordered_sets(fields, plain, body if sparse is None else sparse)


def _is_equal(plain: object, fields: object) -> bool:
    try:
        return bool(plain == fields)
    except Exception:  # noqa: BLE001  # a user's class may raise anything
        return False


_NOT_JSON = (PayloadProblem("", f"must be JSON of at most {MAX_LEVELS} levels", "something else"),)


_LEVELS = f"must have at most {MAX_LEVELS} levels"
_CAUSES = (
    ("surrogates not allowed", "must hold text without lone surrogates, which UTF-8 cannot have"),
    ("invalid utf-8 sequence", "must hold bytes that are UTF-8, as all text in JSON is"),
    ("(id repeated)", "must not hold itself"),
    ("depth exceeded", _LEVELS),  # when it is written
    ("recursion limit exceeded", _LEVELS),  # when it is read
    ("number out of range", "must hold integers of at most 4,300 digits"),
    ("expected value", "must hold finite numbers only"),  # NaN, Infinity
    ("invalid number", "must hold finite numbers only"),  # -Infinity
)
"""What pydantic says where it cannot write a value, or read what it has written, and what that means for the value."""


def _not_json(name: str, value: object) -> Iterable[PayloadProblem]:
    try:
        read(write({name: value}))
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        message = str(error)
        otherwise = "must be something that JSON can carry"
        expected = next((expected for words, expected in _CAUSES if words in message), otherwise)
        yield PayloadProblem(name, expected, type(value).__name__)


class _RoundTrip:
    """A payload that JSON changes, and what each known handler would receive.

    Args:
        subject: The event's or task's name.
        fields: The payload.
        plain: What its JSON says by itself.
        handlers: The codec of each handler, and what it makes of the payload.
    """

    def __init__(
        self,
        subject: str,
        fields: Mapping[str, Any],
        plain: Mapping[str, Any],
        handlers: Sequence[tuple[Codec, Validated]],
    ) -> None:
        self._subject = subject
        self._fields = fields
        self._plain = plain
        self._handlers = handlers

    def without_unset_fields(self, full: bytes) -> bytes | None:
        """Return JSON that leaves unset fields unset at every handler; None if there is no such field.

        What is left out must come back as it was, so each field is written as sparsely as its handlers bear: without
        all that is unset; without what is certainly made the same again (see `unset_fields`); or in full.
        """
        if write_some(self._fields, None) == full or any(map(self._unnamed_problems, self._fields)):
            return None
        versions = {name: self._versions(name, value) for name, value in self._fields.items()}
        texts = {name: next(of_field) for name, of_field in versions.items()}
        while True:
            body = b"{%b}" % b",".join(b"%b:%b" % (write(name), text) for name, text in texts.items())
            wrong = self._wrong_fields(body)
            if not wrong:
                return body
            denser = {name: text for name in wrong if (text := next(versions[name], None)) is not None}
            if not denser:
                return None
            texts.update(denser)

    def _versions(self, name: str, value: object) -> Iterator[bytes]:
        """Yield versions of one field's JSON, sparsest first; handlers in other processes may read it as plain JSON."""
        if any(codec.names(name) for codec, _ in self._handlers):
            yield write_some(value, None)
            yield write_some(value, unset_fields(value))
        yield write(self._plain[name])  # an iterator is empty by now

    def _wrong_fields(self, body: bytes) -> list[str]:
        """Return the fields that a handler which names them would not receive as they were sent."""
        wrong: set[str] = set()
        for codec, sent in self._handlers:
            try:
                arrived = codec.decode(body)
            except PayloadError as error:
                wrong.update(map(top_level_field, error.problems))
                continue
            named = filter(codec.names, self._fields)
            wrong.update(name for name in named if not sent.field_arrives_whole(name, arrived))
        return [name for name in self._fields if name in wrong]

    def check(self, body: bytes) -> None:
        """Raise PayloadError for fields that no handler which names them would receive as they were sent.

        Others may ask for less: for a base class, or for anything.
        """
        handlers = [(codec, sent, self._arrive(codec, body)) for codec, sent in self._handlers]
        problems: list[PayloadProblem] = []
        for name, value in self._fields.items():
            naming = [handler for handler in handlers if handler[0].names(name)]
            if not naming:
                problems += self._unnamed_problems(name)
            elif not any(sent.field_arrives_whole(name, arrived) for _, sent, arrived in naming):
                _, sent, arrived = naming[0]
                extra = next((more.extra_keys[name] for _, more, _ in naming if name in more.extra_keys), None)
                annotations = [codec.annotation(name) for codec, _, _ in naming]
                problems.append(extra or _changed(name, value, annotations, sent.values[name], arrived[name]))
        if problems:
            raise PayloadError(self._subject, tuple(problems))

    def _unnamed_problems(self, name: str) -> list[PayloadProblem]:
        """Return the problems of a field that no known handler names; there are none if one does."""
        if any(codec.names(name) for codec, _ in self._handlers) or _is_equal(self._plain[name], self._fields[name]):
            return []
        return list(unsendable(name, self._fields[name]))

    def _arrive(self, codec: Codec, body: bytes) -> Mapping[str, Any]:
        try:
            return codec.decode(body)
        except PayloadError as error:
            # The handler accepts the value, but cannot read the JSON that the value's own type produces.
            problems = tuple(map(_unreadable, error.problems))
            raise PayloadError(self._subject, problems, error.handler) from None


def _unreadable(problem: PayloadProblem) -> PayloadProblem:
    return PayloadProblem(problem.field, f"cannot be read back from its JSON, which {problem.expected}", problem.actual)


def _changed(name: str, value: object, annotations: Sequence[object], sent: object, arrived: object) -> PayloadProblem:
    if all(annotation is Any or annotation is object for annotation in annotations):
        expected = "would arrive as plain JSON; annotate it in a handler, or send plain JSON"
    elif type(sent) is type(arrived):
        expected = difference(sent, arrived) or CHANGED
    else:
        expected = f"would arrive as {type(arrived).__name__}; annotate it so that JSON can tell them apart"
    return PayloadProblem(name, expected, type(value).__name__)
