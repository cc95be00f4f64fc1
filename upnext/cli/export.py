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

_DESCRIPTION = """\
Writes a JSON Schema (2020-12) for the payload of each event that has a handler, a file an event: what a sender in
another language may send."""


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
        description=_DESCRIPTION,
        epilog=examples("upnext export jsonschema --out schemas", "upnext export jsonschema --out schemas --check"),
    )
    one.add_argument("--out", type=Path, default=Path("schemas"), metavar="DIR", help="the folder (default: schemas)")
    one.add_argument("--lock", type=Path, metavar="FILE", help="the upnext.lock (default: this project's)")
    one.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is out of date")
    one.set_defaults(command=jsonschema)


def jsonschema(arguments: argparse.Namespace) -> int:
    """Run `upnext export jsonschema`; with `--check` exit code 1 if a file is not what the lock gives."""
    from upnext_codegen.export.json_schema import schemas  # noqa: PLC0415 - commands import what they need

    folder: Path = arguments.out
    wanted = {
        name: json.dumps(schema, indent=2, sort_keys=True) + "\n"
        for name, schema in schemas(read_lock(arguments.lock)).items()
    }
    try:
        return _compared(folder, wanted, check=arguments.check)
    except OSError as error:
        raise ConfigError(f"{str(folder)!r} cannot be used: {error.strerror or error}.") from error


def _compared(folder: Path, wanted: dict[str, str], *, check: bool) -> int:
    present = _generated(folder)
    in_the_way = sorted(name for name in wanted if name not in present and (folder / name).exists())
    if in_the_way:
        named = ", ".join(map(visible, in_the_way))
        raise ConfigError(f"{str(folder)!r} has files that upnext did not write: {named}. Move them, or use --out DIR.")
    stale = sorted(name for name, text in wanted.items() if present.get(name) != text)
    left = sorted(present.keys() - wanted.keys())
    if check:
        for name in (*stale, *left):
            print(f"{visible(str(folder / name))} is out of date", file=sys.stderr)
        if stale or left:
            print(f"Run: upnext export jsonschema --out {visible(str(folder))}", file=sys.stderr)
        return exits.FINDINGS if stale or left else exits.CLEAN
    folder.mkdir(parents=True, exist_ok=True)
    for name in stale:
        (folder / name).write_text(wanted[name], encoding="utf-8")
    for name in left:
        (folder / name).unlink()
    done = f"wrote {len(stale)}, removed {len(left)}" if stale or left else "up to date"
    print(f"{visible(str(folder))}: {len(wanted)} schema{'' if len(wanted) == 1 else 's'}, {done}")
    return exits.CLEAN


def _generated(folder: Path) -> dict[str, str]:
    """Return the files of a folder that this command has written."""
    from upnext_codegen.export.json_schema import SUFFIX, is_generated  # noqa: PLC0415 - commands import what they need

    found: dict[str, str] = {}
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        text = path.read_bytes().decode(errors="replace")
        try:
            is_ours = is_generated(json.loads(text))
        except (ValueError, RecursionError):
            is_ours = False
        if is_ours:
            found[path.name] = text
    return found
