"""`upnext pull`: bring the contracts of other projects into upnext.imports.lock."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from upnext.cli import exits
from upnext.cli.extras import extra
from upnext.cli.parser import examples
from upnext.cli.terminal import visible
from upnext.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upnext.cli.commands import Subparsers
    from upnext_codegen.contract import Contract, EventContract
    from upnext_codegen.pulled.imports_lock import Pulled, Source

_DESCRIPTION = """\
Writes the contracts of another project's handlers to upnext.imports.lock, so that `upnext gen` types what is sent to
them without their code. `upnext gen --check` then reports when they differ from what SOURCE has."""


def register(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "pull",
        help="bring the contracts of other projects",
        description=_DESCRIPTION,
        epilog=examples("upnext pull ../orders/upnext.lock", "upnext pull 'git:../orders#upnext.lock'", "upnext pull"),
    )
    parser.add_argument(
        "source",
        nargs="?",
        metavar="SOURCE",
        help="a server whose workers publish their contracts (redis://...), an upnext.lock, or git:REPOSITORY#PATH "
        "(default: all that were pulled before)",
    )
    parser.add_argument("--namespace", metavar="NAME", help="the namespace of a server (default: UPNEXT_NAMESPACE)")
    parser.add_argument("--remove", action="store_true", help="drop what was pulled from SOURCE")
    parser.set_defaults(command=pull)


def pull(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from upnext_codegen.errors import ConfigurationError  # noqa: PLC0415 - commands import what they need

    if arguments.source is None and (arguments.remove or arguments.namespace is not None):
        raise ConfigError("--remove and --namespace need the SOURCE that they are about.")
    if arguments.source is not None and not arguments.source.strip():
        raise ConfigError("SOURCE is empty; it is the address of a server, a file, or git:REPOSITORY#PATH.")
    with extra("gen", "libcst", "jinja2"):
        try:
            return _pull(arguments)
        except ConfigurationError as error:
            raise ConfigError(str(error)) from error


def _pull(arguments: argparse.Namespace) -> int:
    from upnext.cli.pulled_contracts import read_source, source_of  # noqa: PLC0415 - commands import what they need
    from upnext_codegen.catalog.lock import FILE_NAME  # noqa: PLC0415
    from upnext_codegen.catalog.writer import Output, write  # noqa: PLC0415
    from upnext_codegen.project import IMPORTS_LOCK, find_project  # noqa: PLC0415
    from upnext_codegen.pulled.imports_lock import Pulled, Source, read, render  # noqa: PLC0415

    root = find_project().root
    known = {each.source: each for each in read(root)}
    named = None if arguments.source is None else source_of(arguments.source, arguments.namespace, root)
    if named is None and not known:
        raise ConfigError("Nothing was pulled before: name a SOURCE.")
    lines: list[str] = []
    if arguments.remove and named is not None:
        if known.pop(named, None) is None:
            raise ConfigError(f"Nothing was pulled from {named}; {IMPORTS_LOCK} has {_listed(known)}.")
        lines.append(f"{IMPORTS_LOCK}: dropped what was pulled from {visible(str(named))}")
    elif named == Source(FILE_NAME):
        raise ConfigError(
            f"{named} is this project's own: what it has is in the sources. SOURCE is that of another project."
        )
    else:
        for source in [*known] if named is None else [named]:
            contract = read_source(source, root, given=arguments.source)
            lines += _summary(source, known.get(source), contract)
            known[source] = Pulled(source, contract, {})
    write([Output(root / IMPORTS_LOCK, render(known.values()))], root)
    print("\n".join(lines))
    print("Run `upnext gen`, which merges them with the handlers of this project.", file=sys.stderr)
    return exits.CLEAN


def _listed(known: dict[Source, Pulled]) -> str:
    return ", ".join(map(str, known)) or "nothing"


def _summary(source: Source, before: Pulled | None, now: Contract) -> Iterator[str]:
    handlers = sum(len(event.receivers) for event in now.events)
    yield (
        f"{visible(str(source))}: {len(now.events)} event{'' if len(now.events) == 1 else 's'}, "
        f"{handlers} handler{'' if handlers == 1 else 's'}"
    )
    for event in now.events:
        yield f"  {visible(_signature(event))}"
    gone = {each.name for each in before.contract.events} - {each.name for each in now.events} if before else set[str]()
    for name in sorted(gone):
        yield f"  {visible(name)} is not there any more"


def _signature(event: EventContract) -> str:
    from upnext_codegen.types.format import short_name, spell  # noqa: PLC0415 - commands import what they need

    fields = [
        f"{each.name}: {spell(each.type, short_name)}{'' if each.required else ' = ...'}" for each in event.fields
    ]
    receivers = ", ".join(f"{each.name} of {each.worker}" for each in event.receivers)
    return f"{event.name}({', '.join([*fields, *([] if event.extras is None else ['...'])])}) <- {receivers}"
