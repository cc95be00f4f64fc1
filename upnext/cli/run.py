"""`upnext run FILE`: run every worker, API and relay of a file."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from typing import TYPE_CHECKING

from upnext.cli.connection import add_server_options, addressed, check_file
from upnext.cli.loading import seldom_collected
from upnext.cli.parser import examples
from upnext.cli.paths import to_path

if TYPE_CHECKING:
    from upnext.cli.commands import Subparsers
    from upnext.runner.service import Service
    from upnext.runner.signals import StopSignals

_MOST_PROCESSES = 256
_STDIN = 0
_DESCRIPTION = """\
Runs every upnext.Worker, every upnext.Api and every relay of an outbox that a Python file defines or imports, until
SIGTERM or Ctrl-C. Running jobs then get their grace period; a second signal ends the process at once, and other workers
take over its jobs."""


def register(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "run",
        help="run every worker, API and relay of a file",
        description=_DESCRIPTION,
        epilog=examples(
            "upnext run service.py",
            "upnext run service.py --reload",
            "upnext run service.py --processes 4 --probe 0.0.0.0:8100",
        ),
    )
    parser.add_argument("file", type=to_path, help="the Python file, for example service.py")
    parser.add_argument("--processes", type=_processes, default=1, metavar="N", help="how many processes (default: 1)")
    parser.add_argument("--reload", action="store_true", help="start again when a Python file of its project changes")
    parser.add_argument(
        "--probe",
        metavar="[HOST:]PORT",
        help="answer HTTP there: 200 while all workers take jobs, else 503 (further processes: the next ports), and "
        "/livez, and /metrics for Prometheus",
    )
    where = "which server (default: the workers' own, else UPNEXT_REDIS_URL and UPNEXT_NAMESPACE)"
    add_server_options(parser, where, service=False)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from upnext.log_format import configure_logging  # noqa: PLC0415 - commands import what they need

    configure_logging()
    check_file(arguments.file)
    with seldom_collected():
        address = _address(arguments)
    if arguments.processes > 1 or arguments.reload:
        from upnext.runner.supervisor import supervise  # noqa: PLC0415 - commands import what they need

        return supervise(
            arguments.file, arguments.processes, reload=arguments.reload, probe=arguments.probe, options=address
        )
    from upnext.runner.exiting import overdue  # noqa: PLC0415
    from upnext.runner.signals import StopSignals  # noqa: PLC0415

    # Before anything else, as importing a large application takes seconds.
    signals = StopSignals(overdue)
    signals.__enter__()  # for the rest of this process: a second signal ends it at any time
    return _run_here(arguments, signals)


def _address(arguments: argparse.Namespace) -> list[str]:
    """Make every worker use the given server and namespace; returns these options for other processes."""
    from upnext.registry import declarations  # noqa: PLC0415 - commands import what they need
    from upnext.settings import Settings  # noqa: PLC0415

    addressed(Settings(), arguments)  # rejects unusable settings before anything starts
    declarations.adjust_settings(lambda settings: addressed(settings, arguments))
    options: list[str] = []
    for name, value in (("redis-url", arguments.redis_url), ("namespace", arguments.namespace)):
        if value is not None:
            options.append(f"--{name}={value}")
            # For code that reads the environment itself: programs that the service starts, receipts of earlier sends.
            os.environ[f"UPNEXT_{name.upper().replace('-', '_')}"] = value
    return options


def _run_here(arguments: argparse.Namespace, signals: StopSignals) -> int:
    with seldom_collected():
        from upnext.runner.service import serve  # noqa: PLC0415

        service = _service(arguments, signals)
    gc.freeze()  # What is loaded stays in use: the collector need not traverse it, neither while jobs run nor at exit.
    exiting = serve(service, signals, arguments.probe)
    return exiting.code


def _service(arguments: argparse.Namespace, signals: StopSignals) -> Service:
    from upnext.runner.listeners import listen  # noqa: PLC0415
    from upnext.runner.service import Service  # noqa: PLC0415
    from upnext.runner.service_loader import load_services  # noqa: PLC0415
    from upnext.runner.supervised import supervised_process  # noqa: PLC0415
    from upnext.runner.unimported import Lock  # noqa: PLC0415

    supervisor = supervised_process()
    if supervisor is not None:
        supervisor.stop_with_it(signals.ask)
    else:
        _detach_input()
    members = load_services(arguments.file)
    service = Service(members, Lock.beside(arguments.file.resolve()), supervisor.listen if supervisor else listen)
    if supervisor is not None:
        supervisor.introduce(service.addresses, service.longest_stop)
    return service


def _detach_input() -> None:
    """Put standard input at its end, as with `--processes`, unless it is a terminal, perhaps for a debugger.

    Jobs have no business with a pipe that this process was started with: what they start would read from it, and wait.
    """
    if sys.stdin is None or os.isatty(_STDIN):  # None: the shell closed it, and the number may be another file's by now
        return
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, _STDIN)
    os.close(nothing)


def _processes(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_PROCESSES:
        raise argparse.ArgumentTypeError(f"{text!r} must be between 1 and {_MOST_PROCESSES}")
    return int(text)
