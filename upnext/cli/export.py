"""`upnext export`: the contracts of upnext.lock in open formats."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from upnext.cli import exits
from upnext.cli.contracts import read_lock
from upnext.cli.parser import examples
from upnext.cli.terminal import visible
from upnext.errors import ConfigError

if TYPE_CHECKING:
    from upnext.cli.commands import Subparsers

_JSON_SCHEMA = """\
Writes a JSON Schema (2020-12) for the payload of each event that has a handler, a file an event: what a sender in
another language may send."""
_ASYNCAPI = """\
Writes an AsyncAPI 3.1 document: a channel for each event that has a handler, a `receive` operation for each handler,
and a `send` operation for each event that the sources certainly send (not with --lock)."""


def register(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "export",
        help="write the contracts of upnext.lock in an open format",
        description="Writes what upnext.lock says for programs that do not read it.",
        epilog=examples("upnext export jsonschema", "upnext export jsonschema --out schemas --check"),
    )
    formats = parser.add_subparsers(metavar="FORMAT", title="formats")
    one = formats.add_parser(
        "jsonschema",
        help="a JSON Schema for each event",
        description=_JSON_SCHEMA,
        epilog=examples("upnext export jsonschema --out schemas", "upnext export jsonschema --out schemas --check"),
    )
    one.add_argument("--out", type=Path, default=Path("schemas"), metavar="DIR", help="the folder (default: schemas)")
    one.set_defaults(command=jsonschema)
    whole = formats.add_parser(
        "asyncapi",
        help="an AsyncAPI document of all events",
        description=_ASYNCAPI,
        epilog=examples("upnext export asyncapi", "upnext export asyncapi --out docs/asyncapi.json --check"),
    )
    whole.add_argument(
        "--out", type=Path, default=Path("asyncapi.json"), metavar="FILE", help="the file (default: asyncapi.json)"
    )
    whole.set_defaults(command=asyncapi)
    for each in (one, whole):
        each.add_argument("--lock", type=Path, metavar="FILE", help="the upnext.lock (default: this project's)")
        each.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is out of date")


def jsonschema(arguments: argparse.Namespace) -> int:
    """Run `upnext export jsonschema`; with `--check` exit code 1 if a file is not what the lock gives."""
    from upnext_codegen.export.json_schema import SUFFIX, schemas  # noqa: PLC0415 - commands import what they need

    folder: Path = arguments.out
    wanted = {name: _text(schema) for name, schema in schemas(read_lock(arguments.lock)).items()}
    try:
        result = _compared(folder, wanted, sorted(folder.glob(f"*{SUFFIX}")), arguments)
    except OSError as error:
        raise ConfigError(f"{str(folder)!r} cannot be used: {error.strerror or error}.") from error
    if result is None:
        return exits.FINDINGS
    if not arguments.check:
        print(f"{visible(str(folder))}: {len(wanted)} schema{'' if len(wanted) == 1 else 's'}, {result}")
    return exits.CLEAN


def asyncapi(arguments: argparse.Namespace) -> int:
    """Run `upnext export asyncapi`; with `--check` exit code 1 if the file is out of date."""
    from upnext_codegen.errors import ConfigurationError  # noqa: PLC0415 - commands import what they need
    from upnext_codegen.export.asyncapi import document  # noqa: PLC0415
    from upnext_codegen.export.sources import application, sent_events  # noqa: PLC0415

    contract = read_lock(arguments.lock)
    file: Path = arguments.out
    try:
        title, version = application(Path.cwd())
        sent = sent_events(Path.cwd()) if arguments.lock is None else frozenset[str]()
        text = _text(document(contract, title, version, sent))
        result = _compared(file.parent, {file.name: text}, [file] if file.is_file() else [], arguments)
    except ConfigurationError as error:
        raise ConfigError(str(error)) from error
    except OSError as error:
        raise ConfigError(f"{str(file)!r} cannot be used: {error.strerror or error}.") from error
    if result is None:
        return exits.FINDINGS
    if not arguments.check:
        print(f"{visible(str(file))}: {result}")
    return exits.CLEAN


def _text(data: object) -> str:
    return json.dumps(data, indent=2, sort_keys=True) + "\n"


def _compared(folder: Path, wanted: dict[str, str], files: list[Path], arguments: argparse.Namespace) -> str | None:
    """Write what is wanted, or compare it; return what was done in words, None if something is out of date.

    Args:
        folder: Where it belongs.
        wanted: Texts by the names of their files.
        files: The files there that may have been written by this command.
        arguments: What the command was called with.
    """
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
            kind = arguments.command.__name__
            print(f"Run: upnext export {kind} --out {visible(str(arguments.out))}", file=sys.stderr)
        return None if stale or left else ""
    folder.mkdir(parents=True, exist_ok=True)
    for name in stale:
        (folder / name).write_text(wanted[name], encoding="utf-8")
    for name in left:
        (folder / name).unlink()
    return f"wrote {len(stale)}, removed {len(left)}" if stale or left else "up to date"


def _generated(files: list[Path]) -> dict[str, str]:
    """Return those of some files that this command has written."""
    from upnext_codegen.export.json_schema import is_generated  # noqa: PLC0415 - commands import what they need

    found: dict[str, str] = {}
    for path in files:
        text = path.read_bytes().decode(errors="replace")
        try:
            is_ours = is_generated(json.loads(text))
        except (ValueError, RecursionError):
            is_ours = False
        if is_ours:
            found[path.name] = text
    return found
