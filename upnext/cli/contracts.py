"""`upnext contracts`: what deployed handlers take, as published by their workers."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from upnext.broker.handler_id import HandlerId
from upnext.cli import exits
from upnext.cli.connection import add_server_options, ask, described
from upnext.cli.moments import age, moment
from upnext.cli.parser import examples
from upnext.cli.paths import reason_of, to_path
from upnext.cli.table import table
from upnext.cli.terminal import terminal_width, visible
from upnext.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from upnext.broker.contracts import DeployedContract, Fleet
    from upnext.broker.namespace import Namespace
    from upnext.cli.commands import Subparsers
    from upnext_codegen.contract import Contract
    from upnext_codegen.deployed.fleet import PublishedContract

_DESCRIPTION = """\
When workers start, they publish what their handlers take: the JSON Schema of the payload, the module, and the release
(UPNEXT_RELEASE). A contract disappears with the last worker that has it, and never contains a payload."""


def register(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "contracts",
        help="show what the deployed handlers take",
        description=_DESCRIPTION,
        epilog=examples("upnext contracts list", "upnext contracts show order.placed", "upnext contracts diff"),
    )
    actions = parser.add_subparsers(metavar="ACTION", title="actions")
    listing = actions.add_parser(
        "list", help="list the deployed handlers", epilog=examples("upnext contracts list --format json")
    )
    listing.set_defaults(command=list_all)
    one = actions.add_parser(
        "show", help="show what handlers take", epilog=examples("upnext contracts show order.placed")
    )
    one.add_argument("name", metavar="NAME", help="the name of an event or a handler, or worker|event|handler")
    one.set_defaults(command=show)
    compared = actions.add_parser(
        "diff",
        help="compare what is deployed with upnext.lock; exit 1 if they differ",
        epilog=examples("upnext contracts diff", "upnext contracts diff --lock upnext.lock"),
    )
    compared.add_argument("--lock", type=to_path, metavar="FILE", help="the upnext.lock (default: this project's)")
    compared.set_defaults(command=diff)
    for action in (listing, one, compared):
        action.add_argument("--format", choices=("text", "json"), default="text", help="output format (default: text)")
        add_server_options(action)


def list_all(arguments: argparse.Namespace) -> int:
    """Run `upnext contracts list`."""
    where, fleet = ask(arguments, _read)
    if arguments.format == "json":
        rows = [as_json(each) for each in fleet.contracts]
        print(json.dumps({**where, "processes": fleet.processes, "silent": fleet.silent, "contracts": rows}, indent=2))
        return exits.CLEAN
    if fleet.contracts:
        head = ("event", "handler", "worker", "further fields", "release", "processes", "since", "module")
        cells = [row for each in fleet.contracts for row in _rows(each, fleet.now)]
        for line in table(head, cells, terminal_width(), ("event", "handler", "worker", "module")):
            print(line)
    else:
        print("No contracts: no worker of this namespace runs, or none that publishes them.")
    _warn_of_silent(fleet)
    return exits.CLEAN


async def _read(namespace: Namespace) -> tuple[dict[str, str], Fleet]:
    from upnext.broker.contracts import ContractStore  # noqa: PLC0415 - commands import what they need

    return described(namespace), await ContractStore(namespace.partition(0)).read()


def as_json(deployed: DeployedContract) -> dict[str, Any]:
    """Return a contract in the JSON form of the commands."""
    identity = HandlerId.parse(deployed.contract.handler)
    return {
        "worker": identity.worker,
        "event": identity.event or None,
        "handler": identity.name,
        "module": deployed.contract.module,
        "closed": deployed.contract.closed,
        "deployed": [
            {"release": each.release, "processes": each.processes, "since": moment(each.since * 1000, "seconds")}
            for each in deployed.deployments
        ],
        "schema": deployed.contract.schema,
        **({"upcasts": list(deployed.contract.upcasts)} if deployed.contract.upcasts else {}),
    }


def _rows(deployed: DeployedContract, now: float) -> Iterator[list[object]]:
    identity, closed = HandlerId.parse(deployed.contract.handler), deployed.contract.closed
    further = {True: "refused", False: "taken", None: "unknown"}[closed]
    for each in deployed.deployments:
        started = age(now - each.since)
        row = [identity.event or "-", identity.name, identity.worker, further, each.release or "-", each.processes]
        yield [*row, f"{started} ago", deployed.contract.module]


def _warn_of_silent(fleet: Fleet) -> None:
    if fleet.silent:
        named = ", ".join(f"{visible(worker)} ({count})" for worker, count in fleet.silent.items())
        print(
            f"Processes that publish no contracts: {named}. They have only just started, or run an earlier upnext.",
            file=sys.stderr,
        )


def show(arguments: argparse.Namespace) -> int:
    """Run `upnext contracts show`; exit code 1 if nothing deployed has that name."""
    where, fleet = ask(arguments, _read)
    wanted: str = arguments.name
    found = [each for each in fleet.contracts if wanted in _names(each)]
    if not found:
        near = _near(wanted, fleet.contracts)
        print(f"upnext: Nothing that is deployed is called {visible(wanted)!r}{near}", file=sys.stderr)
        return exits.FINDINGS
    if arguments.format == "json":
        print(json.dumps({**where, "contracts": [as_json(each) for each in found]}, indent=2))
        return exits.CLEAN
    for number, each in enumerate(found):
        for line in ("",) * (number > 0) + tuple(_described(each)):
            print(line)
    return exits.CLEAN


def _names(deployed: DeployedContract) -> set[str]:
    identity = HandlerId.parse(deployed.contract.handler)
    return {identity.subject, identity.name, deployed.contract.handler}


def _near(wanted: str, contracts: Sequence[DeployedContract]) -> str:
    import difflib  # noqa: PLC0415 - commands import what they need

    names = sorted({name for each in contracts for name in _names(each)})
    near = difflib.get_close_matches(wanted, names, n=1)
    return f"; did you mean {visible(near[0])!r}?" if near else ". See `upnext contracts list`."


def _described(deployed: DeployedContract) -> Iterator[str]:
    from upnext_codegen.deployed.fleet import deployed_handlers  # noqa: PLC0415
    from upnext_codegen.types.format import short_name, spell  # noqa: PLC0415 - commands import what they need

    identity, contract = HandlerId.parse(deployed.contract.handler), deployed.contract
    kind = "task" if identity.is_task else f"handler of {identity.event}"
    yield f"{visible(identity.name)}, {visible(kind)}, on worker {visible(identity.worker)}"
    for each in deployed.deployments:
        release = f"release {visible(each.release)}" if each.release else "no release (UPNEXT_RELEASE)"
        yield f"  {release}, {each.processes} process(es), since {moment(each.since * 1000, 'seconds')}"
    yield f"  module {visible(contract.module)}"
    if contract.schema is None:
        yield "  what it takes is not known: its worker could not say it, or it is too large or nested too deeply"
        return
    (handler,) = deployed_handlers([published(deployed)]).handlers
    rows = [
        (each.name, spell(each.type, short_name), "required" if each.required else "optional")
        for each in handler.parameters
    ]
    further = "refused" if handler.extras is None else spell(handler.extras, short_name)
    if contract.upcasts:
        named = ", ".join(str(each.get("name", "?")) for each in contract.upcasts)
        yield f"  takes old payloads as well, through upcaster {visible(named)}"
    for line in table(("field", "type", ""), [*rows, ("(further fields)", further, "")], terminal_width(), ("type",)):
        yield f"  {line}".rstrip()


def published(deployed: DeployedContract) -> PublishedContract:
    """Return a contract in the form that the scanner's comparisons take."""
    from upnext_codegen.deployed.fleet import PublishedContract  # noqa: PLC0415 - commands import what they need

    identity, contract = HandlerId.parse(deployed.contract.handler), deployed.contract
    return PublishedContract(
        worker=identity.worker,
        event=identity.event,
        name=identity.name,
        module=contract.module,
        schema=contract.schema,
        releases=tuple(each.release for each in deployed.deployments),
        since=min((each.since for each in deployed.deployments), default=0.0),
        upcasts=contract.upcasts,
    )


def diff(arguments: argparse.Namespace) -> int:
    """Run `upnext contracts diff`; exit code 1 if what is deployed differs from the lock."""
    from upnext_codegen.deployed.differences import differences  # noqa: PLC0415 - commands import what they need

    contract = read_lock(arguments.lock)
    where, fleet = ask(arguments, _read)
    found = differences(map(published, fleet.contracts), contract)
    if arguments.format == "json":
        rows = [{"event": each.event, "handler": each.handler, "change": each.change} for each in found]
        print(json.dumps({**where, "silent": fleet.silent, "differences": rows}, indent=2))
    else:
        for each in found:
            print(f"{visible(each.event)}: {visible(each.handler)}: {visible(each.change)}")
        if not found:
            print("What is deployed is what the lock says.")
        _warn_of_silent(fleet)
    return exits.FINDINGS if found else exits.CLEAN


def read_lock(path: Path | None) -> Contract:
    """Read a lock.

    Args:
        path: The file; None to look for it in this folder and those above it.

    Raises:
        ConfigError: If there is none, or it cannot be read.
    """
    from upnext_codegen.catalog import lock  # noqa: PLC0415 - commands import what they need
    from upnext_codegen.files.whole_file import read_whole  # noqa: PLC0415

    folders = (Path.cwd(), *Path.cwd().parents)
    found = path or next((each / lock.FILE_NAME for each in folders if (each / lock.FILE_NAME).is_file()), None)
    if found is None:
        raise ConfigError(f"There is no {lock.FILE_NAME} here: run `upnext gen`, or pass --lock FILE.")
    try:
        return lock.read(read_whole(found))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{str(found)!r} cannot be read: {reason_of(error)}.") from error
