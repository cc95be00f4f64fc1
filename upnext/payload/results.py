"""Results, under the same rule as payloads: what would not come back as it was returned is refused by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json

from upnext.errors import PayloadError, PayloadProblem, ResultTypeError
from upnext.log import log
from upnext.payload.codec import Codec
from upnext.payload.encoding import encode

if TYPE_CHECKING:
    from collections.abc import Iterable

_FIELD = "result"
_NOTHING = (Any, None, type(None))  # annotations of functions that may return nothing
_HEAD = b'{"result":'
_REFUSAL = b"\x00"  # never begins JSON: an earlier release reports an error and does not take it as a value


def result_codec(annotation: Any, function: str) -> Codec:
    """Return the codec of a function's results.

    Args:
        annotation: What it says it returns; Any if it does not.
        function: Its name, for messages.
    """
    return Codec({_FIELD: (annotation, True)}, None, function, function)


def is_nothing(codec: Codec, value: object) -> bool:
    """Return whether a function returned None and may; a fast path, because most handlers do."""
    return value is None and codec.fields[_FIELD][0] in _NOTHING


def encode_result(codec: Codec, handler: str, value: object, *, keep_unset: bool) -> bytes | None:
    """Return the JSON of a handler's result, None for null.

    Args:
        codec: That of the handler's results.
        handler: The handler's name, for messages.
        value: What it returned.
        keep_unset: Whether fields of models that were not set may be left out, so that they are unset when the result
            is read by its type. Otherwise all are written, for readers of plain JSON.

    Raises:
        ResultTypeError: If it is not what the handler says it returns, if JSON cannot carry it, or if it would not
            come back equal.
    """
    if is_nothing(codec, value):
        return None
    annotation = codec.fields[_FIELD][0]
    if isinstance(value, bool) and annotation in (bool, Any):
        return b"true" if value else b"false"
    try:
        body = encode(handler, {_FIELD: value}, (codec,), None, keep_unset=keep_unset)
    except PayloadError as error:
        raise ResultTypeError(handler, _named(error.problems)) from None
    except BaseException as error:  # noqa: BLE001  # a model's serializers are user code, which may even call sys.exit
        problem = PayloadProblem("", "cannot be written: the code of a type in it raised", type(error).__name__)
        raise ResultTypeError(handler, (problem,)) from None
    text = body[len(_HEAD) : -1]
    return None if text == b"null" else text


def stored_result(codec: Codec, handler: str, value: object, *, keep_unset: bool) -> bytes | None:
    """Return what is stored for a result: its JSON, or else why it was refused; arguments as above."""
    try:
        return encode_result(codec, handler, value, keep_unset=keep_unset)
    except ResultTypeError as error:
        # The work is done: a result that cannot be kept must not make it run again.
        log.warning("%s The job is done; a caller that waits for its result gets this error.", error)
        return _refusal(error)


def decode_result(codec: Codec | None, handler: str, stored: bytes | None) -> Any:
    """Return a handler's result.

    Args:
        codec: That of its results; None to get plain JSON.
        handler: The handler's name, for messages.
        stored: What was kept of it; None for null.

    Raises:
        ResultTypeError: If it is not what the handler says it returns, or was refused when it was written.
    """
    text = b"null" if stored is None else stored
    if text.startswith(_REFUSAL):
        raise ResultTypeError(handler, tuple(PayloadProblem(*parts) for parts in from_json(text[len(_REFUSAL) :])))
    if codec is None:
        return from_json(text)
    try:
        return codec.decode(_HEAD + text + b"}")[_FIELD]
    except PayloadError as error:
        raise ResultTypeError(handler, _named(error.problems)) from None


def _refusal(error: ResultTypeError) -> bytes:
    return _REFUSAL + to_json([(problem.field, problem.expected, problem.actual) for problem in error.problems])


def _named(problems: Iterable[PayloadProblem]) -> tuple[PayloadProblem, ...]:
    """Return problems with positions inside the result, which has no name itself."""
    return tuple(
        PayloadProblem(problem.field.removeprefix(_FIELD).removeprefix("."), problem.expected, problem.actual)
        for problem in problems
    )
