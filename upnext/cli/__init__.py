"""The command line: `upnext gen`, `upnext explain`, `upnext run`, `upnext status`, `upnext dead`, and others."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from functools import cache
from importlib import import_module
from typing import TextIO

from upnext import __version__
from upnext.cli import exits
from upnext.cli.parser import Parser, examples, parse
from upnext.cli.terminal import escaped_streams
from upnext.errors import BrokerError, ConfigError, ServiceImportError, UpnextError

COMMANDS = (
    "gen",
    "graph",
    "celery",
    "export",
    "pull",
    "rename",
    "explain",
    "run",
    "status",
    "send",
    "dead",
    "jobs",
    "handlers",
    "outbox",
    "contracts",
    "schedules",
    "doctor",
    "unsubscribe",
    "top",
    "dashboard",
    "exporter",
    "init",
    "completion",
)
"""Each is a module here."""

_UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EBADF}
"""What a write fails with where the device, and no fault of upnext, is the reason."""

_UNUSABLE = {errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.EMFILE}
"""What a path fails with that cannot be used as it was named: its rights, or what stands there."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: The arguments, those of the process by default.

    Returns:
        The exit code: 0 clean or warnings only, 1 at least one error, 2 usage or configuration, 3 Redis unreachable,
        4 output that cannot be written, 130 interrupted.
    """
    _open_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a character must not stop the report.
            stream.reconfigure(errors="backslashreplace")
    wanted, debug = _without_debug(sys.argv[1:] if argv is None else argv)
    try:
        try:
            with escaped_streams():
                arguments = parse(_parser(wanted), wanted)
        except SystemExit as stop:
            _flush()
            return exits.USAGE if stop.code else exits.CLEAN
        # What a service prints while it runs is not handled here.
        with nullcontext() if wanted[0] == "run" else escaped_streams():
            code: int = arguments.command(arguments)
        # Here a closed pipe is noticed, and not only when the interpreter exits.
        _flush()
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except BrokenPipeError:
        return _reader_gone()
    except Exception as error:  # noqa: BLE001 - the last door: whatever it is, the user gets one line
        return _fault(error, debug=debug)
    return code


def _open_streams() -> None:
    """Discard output to streams that a shell has closed (`>&-`), for which Python has None."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - for as long as this runs


def _flush() -> None:
    streams: tuple[TextIO | None, ...] = (sys.stdout, sys.stderr)
    for stream in streams:
        if stream is not None and not stream.closed:  # a job may have closed it, or put None there
            stream.flush()


def _parser(wanted: Sequence[str]) -> Parser:
    """Create the parser of the wanted command, or of all of them if it is unclear which."""
    first = wanted[0] if wanted else ""
    return _parser_of(() if first == "--version" else (first,) if first in COMMANDS else COMMANDS)


def full_parser() -> Parser:
    """Return the parser of all commands."""
    return _parser_of(COMMANDS)


@cache
def _parser_of(names: tuple[str, ...]) -> Parser:
    parser = Parser(
        prog="upnext",
        description="Events whose sends are checked against every handler, and never lost.",
        epilog=examples("upnext gen", "upnext run service.py", "upnext status", "upnext status --help"),
    )
    parser.add_argument("--version", action="version", version=f"upnext {__version__}")
    parser.add_argument("--debug", action="store_true", help="show a traceback with a fault; also after the command")
    commands = parser.add_subparsers(metavar="COMMAND", title="commands")
    for command in names:
        import_module(f"upnext.cli.{command}").register(commands)
    return parser


def _without_debug(argv: Sequence[str]) -> tuple[list[str], bool]:
    """Remove `--debug` from the arguments, so that every command knows it without declaring it."""
    end = argv.index("--") if "--" in argv else len(argv)
    options = [argument for argument in argv[:end] if argument != "--debug"]
    return [*options, *argv[end:]], len(options) < end


def _fault(error: Exception, *, debug: bool) -> int:
    if isinstance(error, FileNotFoundError) and _current_folder_is_gone():
        error = ConfigError("The current folder does not exist any more: change to one that does.")
    if isinstance(error, OSError) and error.errno in _UNWRITABLE:
        return _unwritable(error)
    if isinstance(error, OSError) and error.errno in _UNUSABLE and error.filename is not None:
        error = ConfigError(f"{os.fsdecode(error.filename)!r} cannot be used: {error.strerror}.")
    known = isinstance(error, UpnextError)
    text = str(error) if known else f"internal fault: {type(error).__name__}: {error}"
    hint = "" if known or debug else " (run it again with --debug and report what it prints)"
    with escaped_streams():
        if debug:
            import traceback  # noqa: PLC0415 - a run without a fault does without

            traceback.print_exception(error)
        print(f"upnext: {text}{hint}", file=sys.stderr)
    if isinstance(error, BrokerError):
        return exits.UNREACHABLE
    return exits.FINDINGS if isinstance(error, ServiceImportError) else exits.USAGE


def _unwritable(error: OSError) -> int:
    """Exit with a line about an unwritable output, if standard error accepts one."""
    what = "The output" if error.filename is None else f"{os.fsdecode(error.filename)!r}"
    sys.stdout = io.StringIO()  # otherwise the rest would be written again, and fail again, when the interpreter exits
    try:
        with escaped_streams():
            print(f"upnext: {what} cannot be written: {error.strerror}", file=sys.stderr)
    except OSError:
        sys.stderr = io.StringIO()
    return exits.UNWRITABLE


def _current_folder_is_gone() -> bool:
    try:
        os.getcwd()  # noqa: PTH109 - one question
    except FileNotFoundError:
        return True
    return False


def _reader_gone() -> int:
    """Exit quietly when the reader of a pipe, such as `head`, has closed it."""
    sys.stdout = io.StringIO()
    return exits.CLEAN
