"""Reports a failure in full but bounded: type, message, causes, notes, group members and traceback.

Everything here reads objects of users' classes, which may raise, lie, be cyclic or huge. The attributes of an exception
are read through the slots of `BaseException`, whatever its class puts in their place, and the report says what could
not be read. Nothing here raises.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sysconfig
import traceback
from collections import deque
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from upnext.places import relative

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType, TracebackType

_MESSAGE_LIMIT = 2000  # characters, of all messages together
_FURTHER_LIMIT = 300  # characters, of each message but the first
_TRACEBACK_LIMIT = 6000  # characters
_LINE_LIMIT = 200  # characters of a line of source, or of a path
_EXCEPTIONS = 20  # of one failure: causes, contexts and members
_NOTES = 5  # of one exception
_FRAMES = 5000  # of one traceback, that are looked at
_FIRST_FRAMES, _LAST_FRAMES = 8, 24  # of one traceback
_NAMED_MEMBERS = 3  # in one line

_UNREADABLE = "(its message cannot be read)"
# Not by a statement: type checkers would then recheck this and its importers whenever a handler changes.
_CATALOG = str(importlib.import_module("upnext_catalog").__file__)
_OWN = tuple(str(Path(file).parent) + os.sep for file in (__file__, _CATALOG))
_PACKAGES = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


def _folders(*names: str) -> tuple[str, ...]:
    return tuple({path + os.sep for name in names if (path := sysconfig.get_path(name))})


_STANDARD = _folders("stdlib", "platstdlib")
_LIBRARIES = _folders("stdlib", "platstdlib", "purelib", "platlib")


@dataclass(frozen=True, slots=True)
class FailureReport:
    """A failure as text.

    Attributes:
        error: Types and messages of the exception, its notes, members and causes, a line each. Messages may quote
            anything.
        where: The exception's type and its last place in the user's code, without any message, in one line.
        traceback: Types, frames and lines of source, without any message.
        full_traceback: The same with messages, for the log.
    """

    error: str
    where: str
    traceback: str = ""
    full_traceback: str = ""


class _Related(NamedTuple):
    """An exception that belongs to a failure: the exception itself, a member, a cause or a context."""

    depth: int
    relation: str
    error: BaseException


def report(error: BaseException, function: Callable[..., Any] | None = None) -> FailureReport:
    """Describe an exception that user code raised.

    Args:
        error: What was raised.
        function: The handler's function, which tells where the user's own code is if that is installed as a package.
    """
    try:
        related = list(islice(_related(error), _EXCEPTIONS))
        root = _package_root(function)
        blocks = [(one, list(_frame_lines(_foreign_frames(one.error)))) for one in related]
        return FailureReport(
            error=_describe(related),
            where=_locate(related, root),
            traceback=_render(blocks, messages=False),
            full_traceback=_render(blocks, messages=True),
        )
    except BaseException:  # noqa: BLE001  # whatever it is: the job must end
        return FailureReport(_UNREADABLE, "an exception that cannot be read")


def describe(error: BaseException) -> str:
    """Return types and messages of an exception, its notes, members and causes, cut to a length that can be stored."""
    return report(error).error


def message(error: BaseException) -> str:
    """Return an exception's own message, cut to a length that can be stored; never raises."""
    return _text(error, _MESSAGE_LIMIT)


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the members of an exception group and of nested groups; for any other exception, the exception itself."""
    left = [error]
    while left:
        one = left.pop()
        members = _members(one)
        left.extend(reversed(members))
        if not members:
            yield one


def only_leaf(error: BaseException) -> BaseException | None:
    """Return the only member of an exception group, None if there are more."""
    first, *more = islice(leaves(error), 2)
    return None if more else first


def stack(frame: FrameType) -> str:
    """Return where a thread is now, as a traceback."""
    try:
        frames = list(traceback.walk_stack(frame))[::-1]
        return _cut("\n".join(_frame_lines([one for one in frames if not is_runtimes(one[0])])), _TRACEBACK_LIMIT)
    except BaseException:  # noqa: BLE001  # as above
        return ""


def _slot(name: str, of: type[BaseException] = BaseException) -> Callable[[BaseException], Any]:
    descriptor: Any = of.__dict__[name]
    getter: Callable[[BaseException], Any] = descriptor.__get__
    return getter


_TRACEBACK = _slot("__traceback__")
_CAUSE = _slot("__cause__")
_CONTEXT = _slot("__context__")
_SUPPRESS_CONTEXT = _slot("__suppress_context__")
_MEMBERS = _slot("exceptions", BaseExceptionGroup)
_TYPE_NAME: Callable[[type], str] = type.__dict__["__name__"].__get__


def _members(error: BaseException) -> tuple[BaseException, ...]:
    return _MEMBERS(error) if issubclass(type(error), BaseExceptionGroup) else ()


def _related(error: BaseException) -> Iterator[_Related]:
    """Yield the exception, its members, its cause or context, and theirs; each once, however they are linked."""
    seen: set[int] = set()
    left = deque([_Related(0, "", error)])
    while left:
        one = left.popleft()
        if id(one.error) in seen:
            continue
        seen.add(id(one.error))
        yield one
        further = [_Related(one.depth + 1, "", member) for member in _members(one.error)[:_EXCEPTIONS]]
        cause = _CAUSE(one.error)
        context = None if cause is not None or _SUPPRESS_CONTEXT(one.error) else _CONTEXT(one.error)
        if cause is not None:
            further.append(_Related(one.depth + 1, "caused by ", cause))
        elif context is not None:
            further.append(_Related(one.depth + 1, "while handling ", context))
        left.extendleft(reversed(further))


def _describe(related: list[_Related]) -> str:
    lines: list[str] = []
    for one in related:
        indent = "  " * min(one.depth, 5)
        lines.append(f"{indent}{one.relation}{_headline(one.error, _FURTHER_LIMIT if lines else _MESSAGE_LIMIT)}")
        lines += [f"{indent}  note: {note}" for note in _notes(one.error)]
    return _cut("\n".join(lines), _MESSAGE_LIMIT)


def _headline(error: BaseException, limit: int) -> str:
    message = _text(error, limit)
    return f"{type_name(error)}: {message}" if message else type_name(error)


def _locate(related: list[_Related], root: str) -> str:
    outer = related[0].error
    leaves = [one for one in related[1:] if not one.relation and not _members(one.error)] if _members(outer) else []
    named = ", ".join(_name_and_place(leaf.error, root) for leaf in leaves[:_NAMED_MEMBERS])
    more = f" and {len(leaves) - _NAMED_MEMBERS} more" if len(leaves) > _NAMED_MEMBERS else ""
    return f"{_name_and_place(outer, root)}{f' ({named}{more})' if named else ''}"


def _name_and_place(error: BaseException, root: str) -> str:
    """Return the type and the last frame in the user's code, or in a library if there is no other."""
    place = place_of_error(error, root)
    return f"{type_name(error)} at {place}" if place else type_name(error)


def place_of_error(error: BaseException, root: str = "") -> str:
    """Return `file:line` of the last frame in the user's code, or in a library; "" if there is neither.

    Args:
        error: What was raised.
        root: The folder of the user's code, if it is installed as a package.
    """
    foreign = [(frame.f_code.co_filename, line) for frame, line in _foreign_frames(error)]
    users = [place for place in foreign if _is_users(place[0], root)]
    for filename, line in (users or foreign)[-1:]:
        return f"{relative(filename)}:{line}"
    return ""


def _render(blocks: list[tuple[_Related, list[str]]], *, messages: bool) -> str:
    lines: list[str] = []
    for one, frames in blocks:
        indent = "  " * min(one.depth, 5)
        relation = one.relation or ("member " if one.depth else "")
        lines.append(f"{indent}{relation}{_headline(one.error, _FURTHER_LIMIT) if messages else type_name(one.error)}")
        if messages:
            lines += [f"{indent}note: {note}" for note in _notes(one.error)]
        lines += [f"{indent}  {line}" for line in frames]
    # Lone surrogates cannot be encoded: writing a log as UTF-8 would fail.
    text = "\n".join(lines).encode(errors="backslashreplace").decode()
    return _cut(text, _TRACEBACK_LIMIT)


def _foreign_frames(error: BaseException) -> list[tuple[FrameType, int]]:
    """Return the frames outside the runtime and the import system."""
    trace: TracebackType | None = _TRACEBACK(error)
    return [one for one in deque(traceback.walk_tb(trace), _FRAMES) if not is_runtimes(one[0])]


def _frame_lines(frames: list[tuple[FrameType, int]]) -> Iterator[str]:
    omitted = len(frames) - _FIRST_FRAMES - _LAST_FRAMES
    for number, (frame, line) in enumerate(frames):
        if omitted > 0 and number == _FIRST_FRAMES:
            yield f"... {omitted} more frames ..."
        if omitted > 0 and _FIRST_FRAMES <= number < _FIRST_FRAMES + omitted:
            continue
        code = frame.f_code
        yield f'File "{_cut(code.co_filename, _LINE_LIMIT)}", line {line}, in {_cut(code.co_name, _LINE_LIMIT)}'
        source = _source(frame, line)
        if source:
            yield f"  {source}"


def _source(frame: FrameType, line: int) -> str:
    try:
        (summary,) = traceback.StackSummary.extract(iter([(frame, line)]))
        return _cut(summary.line or "", _LINE_LIMIT)
    except BaseException:  # noqa: BLE001  # a module's loader is asked for its source, and may be anybody's
        return ""


def is_runtimes(frame: FrameType) -> bool:
    """Return whether a frame belongs to upnext itself or to the import system."""
    name = frame.f_code.co_filename
    return name.startswith((*_OWN, "<frozen importlib", importlib.__file__))


def is_standard(frame: FrameType) -> bool:
    """Return whether a frame belongs to Python's standard library."""
    name = frame.f_code.co_filename
    return name.startswith(_STANDARD) and not any(part in name for part in _PACKAGES)


def _is_users(filename: str, root: str) -> bool:
    if root and filename.startswith(root):
        return True
    installed = filename.startswith(_LIBRARIES) or any(part in filename for part in _PACKAGES)
    return not installed and not filename.startswith("<")


def _package_root(function: Callable[..., Any] | None) -> str:
    """Return the folder of the user's code if it is installed among other packages, else ""."""
    try:
        filename: str = inspect.unwrap(cast("Any", function)).__code__.co_filename
        for part in _PACKAGES:
            before, found, inside = filename.rpartition(part)
            if found:
                return f"{before}{found}{inside.partition(os.sep)[0]}"
    except BaseException:  # noqa: BLE001  # a callable of a user's class
        return ""
    return ""


def type_name(value: object) -> str:
    """Return the name of a value's type, whatever its class claims."""
    return _cut(_TYPE_NAME(type(value)), _LINE_LIMIT)


def _notes(error: BaseException) -> list[str]:
    try:
        notes: Any = error.__notes__
        few = cast("list[object]", notes[:_NOTES]) if isinstance(notes, (list, tuple)) else []
        return [_text(note, _FURTHER_LIMIT) for note in few]
    except BaseException:  # noqa: BLE001  # most have none; and a user's class may raise anything
        return []


def _text(value: object, limit: int) -> str:
    try:
        return _cut(str(value), limit)
    except BaseException:  # noqa: BLE001  # an exception whose own message raises
        return _UNREADABLE


def _cut(text: str, limit: int) -> str:
    """Return a plain string of at most so many characters, even for a subclass with overridden methods."""
    return str.__getitem__(text, slice(limit))
