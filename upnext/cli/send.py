"""`upnext send`: send one event from the command line, checked against upnext.lock."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from upnext.broker.handler_id import HandlerId
from upnext.cli import exits
from upnext.cli.connection import add_server_options, ask, described
from upnext.cli.json_object import TooDeepError, read_input, read_json, read_object
from upnext.cli.parser import examples
from upnext.cli.paths import to_path
from upnext.cli.terminal import visible
from upnext.errors import ConfigError

if TYPE_CHECKING:
    from upnext.broker.namespace import Namespace
    from upnext.broker.publish_batcher import Published
    from upnext.cli.commands import Subparsers

_DESCRIPTION = """\
Sends one event. Values are read according to the types in upnext.lock: `key=value` takes the text itself if the type
allows that, else parses it as JSON; `key:=value` takes JSON. Classes of the project are not imported; the worker that
runs a handler checks them. Without a Redis URL this starts the embedded server, like any send."""


def register(subparsers: Subparsers) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "send",
        help="send an event",
        description=_DESCRIPTION,
        epilog=examples(
            "upnext send order.placed order_id=123 count=2",
            'upnext send order.placed --json \'{"order_id": "123"}\' --delay 60',
        ),
    )
    parser.add_argument("event", metavar="EVENT", help="the event's name")
    parser.add_argument("fields", nargs="*", metavar="KEY=VALUE", help="a field of the payload, or KEY:=JSON")
    parser.add_argument("--json", metavar="TEXT", help="the whole payload as a JSON object, or - to read it from stdin")
    parser.add_argument("--delay", type=float, metavar="SECONDS", help="delay the jobs by this time")
    parser.add_argument("--key", metavar="KEY", help="send only once with this key, within 24 hours")
    parser.add_argument("--lock", type=to_path, metavar="FILE", help="the lock (default: upnext.lock here, or above)")
    parser.add_argument(
        "--unchecked", action="store_true", help="send without a lock; values that are JSON are parsed as JSON"
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="output format (default: text)")
    add_server_options(parser)
    parser.set_defaults(command=send, words="fields")


def send(arguments: argparse.Namespace) -> int:
    """Run the command; nothing is sent that the lock refuses."""
    from upnext.names import check_name  # noqa: PLC0415 - commands import what they need
    from upnext.payload.encoding import encode  # noqa: PLC0415
    from upnext.sending import check_delay, check_key  # noqa: PLC0415

    event = check_name("event", arguments.event)
    delay, key = check_delay(arguments.delay), check_key(arguments.key)
    body = encode(event, read_payload(arguments), ())
    where, published = ask(arguments, lambda namespace: _send(namespace, event, body, delay, key), start_embedded=True)
    handlers = [HandlerId.parse(handler) for handler in published.handlers]
    jobs = [
        {"job_id": f"{published.event_id}.{n}", "worker": handler.worker, "handler": handler.name}
        for n, handler in enumerate(handlers)
    ]
    if arguments.format == "json":
        shown = {**where, "event_id": published.event_id, "repeated": published.repeated, "jobs": jobs}
        print(json.dumps(shown, indent=2))
        return exits.CLEAN
    stored = "was sent before with this key" if published.repeated else "is sent"
    print(f"{event} {stored}: event {published.event_id}, {len(jobs)} job(s)")
    for job in jobs:
        print(f"  {job['job_id']}  {visible(job['worker'])}  {visible(job['handler'])}")
    if not jobs:
        print("No handler has ever connected: the event waits for the first one.", file=sys.stderr)
    return exits.CLEAN


async def _send(
    namespace: Namespace, event: str, body: bytes, delay: float, key: str | None
) -> tuple[dict[str, str], Published]:
    return described(namespace), await namespace.publisher.publish(event, body, delay=delay, key=key)


def read_payload(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the payload given by the arguments.

    Raises:
        ConfigError: If it cannot be read, or the lock refuses it.
    """
    from upnext.cli import lock_contract  # noqa: PLC0415 - commands import what they need

    contract = None if arguments.unchecked else lock_contract.event_contract(arguments.event, arguments.lock)
    whole = read_input() if arguments.json == "-" else arguments.json
    payload: dict[str, Any] = {} if whole is None else read_object(whole)
    faults: list[str] = []
    for field in arguments.fields:
        name, equals, text = field.partition("=")
        if not equals or not name.removesuffix(":"):
            raise ConfigError(f"Field {field!r} cannot be used: write it as KEY=VALUE or KEY:=JSON.")
        as_json, name = name.endswith(":"), name.removesuffix(":")
        try:
            value = read_json(text) if as_json else lock_contract.read_value(text, _type_of(name, contract))
        except ValueError as error:
            is_syntax = as_json and not isinstance(error, TooDeepError)
            faults.append(f"field {name!r} {'is not JSON: ' if is_syntax else ''}{error}")
            continue
        if name in payload:
            raise ConfigError(f"Field {name!r} is given twice.")
        payload[name] = value
    if contract is not None and not faults:
        faults = lock_contract.problems(contract, payload)
    if faults:
        raise ConfigError(f"Payload of {arguments.event!r}: {'; '.join(faults)}.")
    return payload


def _type_of(name: str, contract: dict[str, Any] | None) -> str:
    field = None if contract is None else contract["fields"].get(name)
    return "object" if field is None else str(field["type"])
