"""The runtime's logger. Delivery does not depend on logging: no logging handler or filter can stop a job."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from types import TracebackType

_LINE_LIMIT = 4000  # characters of a line that could not be logged


class SafeLogger:
    """Logs like `logging.Logger`, and never raises.

    Handlers, filters, formatters and `extra` of an application may raise anything, also SystemExit. What they refuse is
    written to stderr, with what they raised: neither the line nor the fault is lost in silence.

    Args:
        name: The logger's name.
    """

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)
        self._keepers = 0

    @contextmanager
    def enabled(self) -> Generator[None]:
        """Enable the logger again within the block, whenever a logging configuration has disabled it.

        `logging.config` does that by default with each logger that it does not name. A level or a filter silences it.
        """
        self._keepers += 1
        self._enable()
        try:
            yield
        finally:
            self._keepers -= 1

    def debug(self, message: str, *arguments: object) -> None:
        """Log a detail."""
        self.log(logging.DEBUG, message, *arguments, stacklevel=2)

    def info(self, message: str, *arguments: object) -> None:
        """Log something that happens normally."""
        self.log(logging.INFO, message, *arguments, stacklevel=2)

    def warning(self, message: str, *arguments: object) -> None:
        """Log something that people on call may want to know."""
        self.log(logging.WARNING, message, *arguments, stacklevel=2)

    def error(self, message: str, *arguments: object) -> None:
        """Log a failure."""
        self.log(logging.ERROR, message, *arguments, stacklevel=2)

    def exception(self, message: str, *arguments: object) -> None:
        """Log a failure with the traceback of the exception that is being handled."""
        self.log(logging.ERROR, message, *arguments, error=sys.exc_info()[1], stacklevel=2)

    def log(
        self,
        level: int,
        message: str,
        *arguments: object,
        error: BaseException | None = None,
        traceback: str | None = None,
        extra: Mapping[str, object] | None = None,
        stacklevel: int = 1,
    ) -> None:
        """Log one line.

        Args:
            level: As `logging` numbers them.
            message: The line, with %-placeholders.
            arguments: What fills them.
            error: The exception that the line is about; the record's `exc_info`.
            traceback: Its text, for formatters that write text; by default they make it themselves.
            extra: Further attributes of the record.
            stacklevel: Whose line it is: 1 for the caller's.
        """
        try:
            self._emit(
                level, message, arguments, error=error, traceback=traceback, extra=extra, stacklevel=stacklevel + 1
            )
        except BaseException as fault:  # noqa: BLE001  # an application's handler may raise anything
            _to_stderr(message, arguments, fault, traceback)

    def _emit(
        self,
        level: int,
        message: str,
        arguments: tuple[object, ...],
        *,
        error: BaseException | None,
        traceback: str | None,
        extra: Mapping[str, object] | None,
        stacklevel: int,
    ) -> None:
        logger = self._logger
        if logger.disabled and self._keepers:
            self._enable()
        if not logger.isEnabledFor(level):
            return
        file, line, function, _ = logger.findCaller(stacklevel=stacklevel + 1)
        trace = None if error is None else traceback_of(error)
        exc_info: Any = None if error is None else (type(error), error, trace)
        record = logger.makeRecord(logger.name, level, file, line, message, arguments, exc_info, function, extra)
        if traceback is not None:
            record.exc_text = traceback  # formatters use this text instead of building their own
        logger.handle(record)

    def _enable(self) -> None:
        if self._logger.disabled:
            self._logger.disabled = False
            self.warning(
                "The logger %r was disabled, as logging.config.dictConfig and fileConfig do with loggers that they do "
                "not name, and is enabled again: dead letters would go unseen. Pass disable_existing_loggers=False; to "
                "silence it, set its level",
                self._logger.name,
            )


# The slot itself: a class may hide it behind a property, which may raise.
traceback_of: Callable[[BaseException], TracebackType | None] = BaseException.__dict__["__traceback__"].__get__
"""Returns where an exception was raised, whatever its class says."""

log = SafeLogger("upnext")
"""What the runtime logs with."""


def _to_stderr(message: str, arguments: tuple[object, ...], fault: BaseException, traceback: str | None) -> None:
    try:
        try:
            line = message % arguments if arguments else message
        except BaseException:  # noqa: BLE001  # one of the arguments is a user's object
            line = message
        text = f"upnext: {line[:_LINE_LIMIT]} (logging this raised {type(fault).__name__})\n{traceback or ''}"
        sys.stderr.write(text.rstrip("\n") + "\n")
    except BaseException:  # noqa: BLE001, S110  # stderr is gone as well: there is nowhere left to report it
        pass
