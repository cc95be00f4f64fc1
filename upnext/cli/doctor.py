"""`upnext doctor`: what could break the delivery guarantee, and how to fix it."""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from upnext.broker import server_checks
from upnext.broker.protocols import DeadLetterFilter
from upnext.cli import checks, exits
from upnext.cli.connection import add_server_options, ask, described
from upnext.cli.extras import extra
from upnext.cli.parser import examples
from upnext.cli.terminal import coloured, visible

if TYPE_CHECKING:
    from upnext.broker.broker import Broker
    from upnext.broker.namespace import Namespace
    from upnext.broker.server_checks import Check
    from upnext.cli.commands import Subparsers

_RECENT = 86_400_000  # ms
_MOST_LETTERS = 20_000
_DESCRIPTION = """\
Looks for what could lose or delay jobs: the server's version, persistence, eviction and clock, this client's rights,
whether sends are refused, dead workers, and jobs that no worker takes.
Each line is ok, warn or fail with advice; the exit code is 1 if a check failed.
`upnext doctor types` instead asks each installed type checker which catalog it reads, and needs no server."""


def register(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "doctor",
        help="look for what could lose or hold up jobs",
        description=_DESCRIPTION,
        epilog=examples("upnext doctor", "upnext doctor --format json", "upnext doctor types"),
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="output format (default: text)")
    add_server_options(parser, file=True)
    parser.set_defaults(command=doctor)


def doctor(arguments: argparse.Namespace) -> int:
    """Run the command."""
    if arguments.file == Path("types"):
        from upnext.cli.doctor_types import doctor_types  # noqa: PLC0415 - commands import what they need

        with extra("gen", "libcst", "jinja2"):
            return doctor_types(arguments.format)
    where, checks = ask(arguments, _examine)
    failed = sum(check.status == "fail" for check in checks)
    warned = sum(check.status == "warn" for check in checks)
    if arguments.format == "json":
        rows = [{"name": c.name, "status": c.status, "message": c.message, "help": c.help} for c in checks]
        print(json.dumps({**where, "checks": rows, "failed": failed, "warnings": warned}, indent=2))
    else:
        for check in checks:
            print(f"{coloured(check.status, check.status.ljust(4))}  {check.name.ljust(11)}  {visible(check.message)}")
            if check.help:
                print(f"      {'':11}  help: {visible(check.help)}")
    return exits.FINDINGS if failed else exits.CLEAN


async def _examine(namespace: Namespace) -> tuple[dict[str, str], list[Check]]:
    return described(namespace), await _checks(namespace)


async def _checks(namespace: Namespace) -> list[Check]:
    from upnext.runner.unimported import Lock, current_folder  # noqa: PLC0415 - commands import what they need
    from upnext.settings import load  # noqa: PLC0415

    partitions = await namespace.partitions()
    servers: dict[str, list[Broker]] = {}
    for partition in partitions:
        servers.setdefault((await _info(partition)).get("run_id", ""), []).append(partition)
    found: list[Check] = []
    for of in servers.values():
        results = await _server(of[0])
        if len(servers) > 1:
            where = ", ".join(str(partition.keys.partition) for partition in of)
            results = [replace(check, message=f"{check.message} (partition {where})") for check in results]
        found += results
    if len(partitions) > 1:
        found.append(checks.partitions(load().partitions, len(partitions)))
    if any(check.name == "rights" and check.status == "fail" for check in found):
        return [*found, checks.libraries()]  # more cannot be read
    status, lock = await namespace.status_reader.read(), Lock.beside(current_folder()).handlers
    return [*found, *checks.fleet(status, namespace.name, lock, await _crashed(namespace)), checks.libraries()]


async def _crashed(namespace: Namespace) -> Counter[str]:
    """Count the jobs that killed their workers within a day, among as many dead letters as can be read at once."""
    since = await namespace.dead_letters.now() - _RECENT
    crashed, read = Counter[str](), 0
    async for page in namespace.dead_letters.dated_pages(DeadLetterFilter(died_since=since)):
        crashed.update(letter.handler for letter, _ in page if letter.reason == "crashed")
        read += len(page)
        if read >= _MOST_LETTERS:
            break
    return crashed


async def _server(broker: Broker) -> list[Check]:
    before = time.time()
    server = await broker.dead_letters.now() / 1000
    after = time.time()
    info = await _info(broker)
    names = ("appendfsync", "save", "min-replicas-to-write", "stop-writes-on-bgsave-error")
    configured = await _configured(broker, *names, "client-output-buffer-limit")
    return [
        server_checks.version(info),
        await _rights(broker),
        server_checks.writes(info, configured),
        server_checks.persistence(info, configured),
        server_checks.eviction(info),
        *server_checks.answers(configured),
        server_checks.role(info),
        checks.clock(server - (before + after) / 2, after - before),
    ]


async def _rights(broker: Broker) -> Check:
    from upnext.broker.preflight import missing_rights  # noqa: PLC0415
    from upnext.broker.redis_types import ResponseError  # noqa: PLC0415 - commands import what they need

    try:
        return server_checks.rights(await missing_rights(broker.link, broker.keys))
    except ResponseError as error:
        return server_checks.rights((), str(error))


async def _info(broker: Broker) -> dict[str, str]:
    return server_checks.read_info(await broker.link.command("INFO"))


async def _configured(broker: Broker, *names: str) -> dict[str, str]:
    """Read settings of the server; if it hides them, do not ask again."""
    from upnext.broker.redis_types import ResponseError  # noqa: PLC0415 - commands import what they need
    from upnext.broker.replies import pairs  # noqa: PLC0415

    found: dict[str, str] = {}
    for name in names:
        try:
            reply = pairs(await broker.link.command("CONFIG", "GET", name))
        except ResponseError:
            continue
        found.update({_text(setting): _text(value) for setting, value in reply})
    return found


def _text(reply: Any) -> str:
    return reply.decode(errors="replace") if isinstance(reply, bytes) else str(reply)
