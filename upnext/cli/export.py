"""`upnext export`: write the contracts of upnext.lock in open formats."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from upnext.cli import exits
from upnext.cli.contracts import read_lock
from upnext.cli.parser import examples
from upnext.cli.paths import reason_of, to_path
from upnext.cli.terminal import visible
from upnext.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from upnext.cli.commands import Subparsers

_JSON_SCHEMA = """\
Writes a JSON Schema (2020-12) for the payload of each event that has a handler, one file per event: what a sender in
another language may send."""
_ASYNCAPI = """\
Writes an AsyncAPI 3.1 document: a channel for each event that has a handler, a `receive` operation for each handler,
and a `send` operation for each event that the sources certainly send (not with --lock)."""
_CLOUDEVENTS = """\
Writes a JSON Schema (2020-12) for each event that has a handler as a CloudEvent (1.0, JSON format), one file per event:
its `type` is the event's name, its `data` the payload, and `dataschema` changes with the contract."""
_TYPESCRIPT = """\
Writes a TypeScript declaration of the payload of each event that has a handler, and `Events`, which maps event names to
payloads."""


def register(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "export",
        help="write the contracts of upnext.lock in an open format",
        description="Writes the contents of upnext.lock for programs that do not read it.",
        epilog=examples("upnext export jsonschema", "upnext export jsonschema --out schemas --check"),
    )
    formats = parser.add_subparsers(metavar="FORMAT", title="formats")
    one = formats.add_parser(
        "jsonschema",
        help="a JSON Schema for each event",
        description=_JSON_SCHEMA,
        epilog=examples("upnext export jsonschema --out schemas", "upnext export jsonschema --out schemas --check"),
    )
    one.add_argument(
        "--out", type=to_path, default=Path("schemas"), metavar="DIR", help="the folder (default: schemas)"
    )
    one.set_defaults(command=jsonschema)
    whole = formats.add_parser(
        "asyncapi",
        help="an AsyncAPI document of all events",
        description=_ASYNCAPI,
        epilog=examples("upnext export asyncapi", "upnext export asyncapi --out docs/asyncapi.json --check"),
    )
    whole.add_argument(
        "--out", type=to_path, default=Path("asyncapi.json"), metavar="FILE", help="the file (default: asyncapi.json)"
    )
    whole.set_defaults(command=asyncapi)
    for each in (one, whole, _cloudevents(formats), _typescript(formats)):
        each.add_argument("--lock", type=to_path, metavar="FILE", help="the upnext.lock (default: this project's)")
        each.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is out of date")


def _cloudevents(formats: Subparsers) -> argparse.ArgumentParser:
    parser = formats.add_parser(
        "cloudevents",
        help="a JSON Schema for each event as a CloudEvent",
        description=_CLOUDEVENTS,
        epilog=examples("upnext export cloudevents --type-prefix com.example. --source urn:example:shop"),
    )
    parser.add_argument(
        "--out", type=to_path, default=Path("cloudevents"), metavar="DIR", help="the folder (default: cloudevents)"
    )
    parser.add_argument(
        "--type-prefix", default="", metavar="TEXT", help="prefix of an event's name in `type`: com.example."
    )
    parser.add_argument("--source", default="", metavar="URI", help="the `source` of the events (default: any)")
    parser.set_defaults(command=cloudevents)
    return parser


def _typescript(formats: Subparsers) -> argparse.ArgumentParser:
    parser = formats.add_parser(
        "typescript",
        help="TypeScript declarations of all payloads",
        description=_TYPESCRIPT,
        epilog=examples("upnext export typescript", "upnext export typescript --out web/events.d.ts --check"),
    )
    parser.add_argument(
        "--out", type=to_path, default=Path("events.d.ts"), metavar="FILE", help="the file (default: events.d.ts)"
    )
    parser.set_defaults(command=typescript)
    return parser


def jsonschema(arguments: argparse.Namespace) -> int:
    """Run `upnext export jsonschema`; with `--check`, exit code 1 if a file is out of date."""
    from upnext_codegen.export.json_schema import SUFFIX, schemas  # noqa: PLC0415 - commands import what they need

    return _folder(arguments, schemas(read_lock(arguments.lock)), SUFFIX)


def cloudevents(arguments: argparse.Namespace) -> int:
    """Run `upnext export cloudevents`; with `--check`, exit code 1 if a file is out of date."""
    from upnext_codegen.export.cloudevents import SUFFIX, schemas  # noqa: PLC0415 - commands import what they need

    return _folder(arguments, schemas(read_lock(arguments.lock), arguments.type_prefix, arguments.source), SUFFIX)


def _folder(arguments: argparse.Namespace, schemas: Mapping[str, object], suffix: str) -> int:
    """Write schemas, one per file, or compare them."""
    folder: Path = arguments.out
    wanted = {name: _text(schema) for name, schema in schemas.items()}
    with _usable(folder):
        result = _compared(folder, wanted, sorted(folder.glob(f"*{suffix}")), arguments)
    if result is None:
        return exits.FINDINGS
    if not arguments.check:
        print(f"{visible(str(folder))}: {len(wanted)} schema{'' if len(wanted) == 1 else 's'}, {result}")
    return exits.CLEAN


def typescript(arguments: argparse.Namespace) -> int:
    """Run `upnext export typescript`; with `--check` exit code 1 if the file is out of date."""
    from upnext_codegen.export.typescript import declarations  # noqa: PLC0415 - commands import what they need

    return _file(arguments, declarations(read_lock(arguments.lock)))


def asyncapi(arguments: argparse.Namespace) -> int:
    """Run `upnext export asyncapi`; with `--check` exit code 1 if the file is out of date."""
    from upnext_codegen.errors import ConfigurationError  # noqa: PLC0415 - commands import what they need
    from upnext_codegen.export.asyncapi import document  # noqa: PLC0415
    from upnext_codegen.export.sources import application, sent_events  # noqa: PLC0415

    contract = read_lock(arguments.lock)
    try:
        title, version = application(Path.cwd())
        sent = sent_events(Path.cwd()) if arguments.lock is None else frozenset[str]()
    except ConfigurationError as error:
        raise ConfigError(str(error)) from error
    return _file(arguments, _text(document(contract, title, version, sent)))


def _file(arguments: argparse.Namespace, text: str) -> int:
    """Write one file, or compare it."""
    file: Path = arguments.out
    with _usable(file):
        result = _compared(file.parent, {file.name: text}, [file] if file.is_file() else [], arguments)
    if result is None:
        return exits.FINDINGS
    if not arguments.check:
        print(f"{visible(str(file))}: {result}")
    return exits.CLEAN


@contextmanager
def _usable(path: Path) -> Generator[None]:
    """Turn an unusable path into one sentence with the reason."""
    from upnext_codegen.errors import ConfigurationError  # noqa: PLC0415 - commands import what they need

    try:
        yield
    except ConfigurationError as error:
        raise ConfigError(str(error)) from error
    except OSError as error:
        raise ConfigError(f"{str(path)!r} cannot be used: {reason_of(error)}.") from error


def _text(data: object) -> str:
    return json.dumps(data, indent=2, sort_keys=True) + "\n"


def _compared(folder: Path, wanted: dict[str, str], files: list[Path], arguments: argparse.Namespace) -> str | None:
    """Write the wanted files, or compare them; return what was done in words, None if something is out of date.

    Args:
        folder: Where it belongs.
        wanted: Texts by the names of their files.
        files: The files there that may have been written by this command.
        arguments: What the command was called with.

    Raises:
        ConfigError: If upnext did not write what is there; nothing is written then.
        ConfigurationError: If what is there cannot be replaced; nothing is written then either.
    """
    from upnext_codegen.catalog.writer import Output, remove, write  # noqa: PLC0415 - commands import what they need

    present = _generated(files)
    in_the_way = sorted(name for name in wanted if name not in present and (folder / name).exists())
    if in_the_way:
        named = ", ".join(map(visible, in_the_way))
        raise ConfigError(f"{str(folder)!r} has files that upnext did not write: {named}. Move them, or use --out.")
    stale = sorted(name for name, text in wanted.items() if present.get(name) != text)
    left = sorted(present.keys() - wanted.keys())
    if arguments.check:
        for name in (*stale, *left):
            print(f"{visible(str(folder / name))} is out of date", file=sys.stderr)
        if stale or left:
            print(f"Run: {visible(_command(arguments))}", file=sys.stderr)
        return None if stale or left else ""
    write([Output(folder.absolute() / name, wanted[name]) for name in stale], folder.absolute())
    remove(folder / name for name in left)
    return f"wrote {len(stale)}, removed {len(left)}" if stale or left else "up to date"


def _command(arguments: argparse.Namespace) -> str:
    """Return the command that writes the files."""
    words = ["upnext", "export", arguments.command.__name__, "--out", str(arguments.out)]
    for option in ("type_prefix", "source"):
        if value := getattr(arguments, option, ""):
            words += [f"--{option.replace('_', '-')}", value]
    return shlex.join(words if arguments.lock is None else [*words, "--lock", str(arguments.lock)])


def _generated(files: list[Path]) -> dict[str, str]:
    """Return those files that this command has written, with Unix line ends."""
    from upnext_codegen.export.json_schema import is_generated  # noqa: PLC0415 - commands import what they need
    from upnext_codegen.export.typescript import MARK  # noqa: PLC0415

    found: dict[str, str] = {}
    for path in files:
        text = path.read_bytes().decode(errors="replace").replace("\r\n", "\n")
        try:
            is_from_upnext = text.startswith(MARK) or is_generated(json.loads(text))
        except (ValueError, RecursionError):
            is_from_upnext = False
        if is_from_upnext:
            found[path.name] = text
    return found
