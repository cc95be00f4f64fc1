"""The plugin's error codes, and how an error is reported with its notes."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from functools import partial

from mypy.errorcodes import ARG_TYPE, CALL_ARG, ErrorCode
from mypy.nodes import Context
from mypy.plugin import CheckerPluginInterface

MISSING = ErrorCode(
    "upnext-missing", "A send leaves out a field that a handler requires", "upnext", sub_code_of=CALL_ARG
)
UNKNOWN = ErrorCode("upnext-unknown", "A send has a field that no handler takes", "upnext", sub_code_of=CALL_ARG)
TYPE = ErrorCode(
    "upnext-type", "A send gives a field another type than its handlers take", "upnext", sub_code_of=ARG_TYPE
)
CONFLICT = ErrorCode("upnext-conflict", "An error that `upnext gen` reports", "upnext")
STALE = ErrorCode("upnext-stale", "The generated catalog is out of date", "upnext")


def report(
    api: CheckerPluginInterface,
    message: str,
    context: Context,
    code: ErrorCode,
    *,
    notes: Iterable[str] = (),
    within: Context | None = None,
) -> None:
    """Report an error with notes, and one more that names the page about its code.

    Args:
        api: The checker.
        message: The error.
        context: Where.
        code: Its code; the notes have it as well, so that they come and go with the error.
        notes: What else is to say, a line each.
        within: The call that `context` is in: a comment in its lines silences the error, too.
    """
    lines = [line for place in (context, within) if place is not None for line in _lines(place)]
    say = partial(
        api.msg.errors.report,
        context.line,
        context.column,
        code=code,
        origin_span=lines,
        end_line=context.end_line,
        end_column=context.end_column,
    )
    say(message)
    # Without `parent_error`: an error that mypy finds twice, as in a call of an overloaded function, would lose its
    # notes. So notes are matched by text, and the last of several errors in one line names the command.
    for note in notes:
        say(note, severity="note")
    say(f'run "upnext explain {code.code}" for the rule', severity="note")


@contextmanager
def aside(api: CheckerPluginInterface) -> Generator[None]:
    """Report errors that are not about the expression which mypy is checking.

    While it tries overloads one after the other, it takes any error for a sign that the one at hand does not fit.
    """
    watchers = list(api.msg.errors.get_watchers())
    for watcher in watchers:
        watcher.__exit__(None, None, None)
    try:
        yield
    finally:
        for watcher in reversed(watchers):
            watcher.__enter__()


def _lines(context: Context) -> range:
    return range(context.line, (context.end_line or context.line) + 1)
