"""`upnext dead replay --edit FILE`: run a dead letter again with a payload that its handler can take."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from upnext.broker.handler_id import HandlerId
from upnext.cli import exits, lock_contract
from upnext.cli.connection import ask
from upnext.cli.dead_list import refusals
from upnext.cli.json_object import read_input, read_object
from upnext.cli.paths import reason_of
from upnext.cli.terminal import visible
from upnext.errors import ConfigError
from upnext.payload.encoding import encode

if TYPE_CHECKING:
    from upnext.broker.claims import DeadLetter
    from upnext.broker.namespace import Namespace


def replay_edited(arguments: argparse.Namespace) -> int:
    """Run the command; exit code 1 if there is no such dead letter."""
    if len(arguments.job_id) != 1 or arguments.all:
        raise ConfigError("--edit takes exactly one job id.")
    from upnext_codegen.files.whole_file import read_whole  # noqa: PLC0415 - commands import what they need

    try:
        text = read_input() if arguments.edit == "-" else read_whole(Path(arguments.edit))
    except (OSError, ValueError) as error:
        raise ConfigError(f"--edit {arguments.edit}: the file cannot be read: {reason_of(error)}.") from error
    payload, (job_id,) = read_object(text), arguments.job_id
    again, refused = ask(arguments, lambda namespace: _replay(namespace, job_id, payload, arguments.service))
    if again is None:
        print("\n".join(f"upnext: {reason}" for reason in refused), file=sys.stderr)
        return exits.FINDINGS
    print(f"{visible(job_id)} will run again{'' if again == job_id else f' as {again}'} with the edited payload.")
    return exits.CLEAN


async def _replay(
    namespace: Namespace, job_id: str, payload: dict[str, Any], service: Path | None
) -> tuple[str | None, list[str]]:
    """Return the id under which it runs, or None and the reason."""
    found = await namespace.dead_letters.letter(job_id)
    if found is None:
        return None, await refusals(namespace, [job_id])
    letter, _ = found
    body = encode(letter.event, payload, ())
    print(_check(letter, payload, body, service), file=sys.stderr)
    again = await namespace.dead_letters.replay_with(job_id, body)
    return again, await refusals(namespace, [job_id]) if again is None else []


def _check(letter: DeadLetter, payload: dict[str, Any], body: bytes, service: Path | None) -> str:
    """Check the payload by the handler itself if a service file has it, else by the lock; return which.

    Raises:
        PayloadError: If the handler would refuse it.
        ConfigError: If the lock says so, or an upcaster raises.
    """
    if service is not None:
        from upnext import upcasting  # noqa: PLC0415 - few runs ask for it
        from upnext.runner.service_loader import load_services  # noqa: PLC0415
        from upnext.worker import Worker  # noqa: PLC0415

        workers = [one for one in load_services(service) if isinstance(one, Worker)]
        handlers = [worker.registry.handlers.get(letter.handler_id) for worker in workers]
        for handler in handlers:
            if handler is not None:
                try:
                    upcasting.decode(handler, body)  # as its worker reads it
                except upcasting.UpcastError as error:
                    raised = type(error.raised).__name__
                    raise ConfigError(f"The payload is refused: {error} raised {raised}.") from error
                return f"The payload was checked by the handler in {service}."
    try:
        contract = lock_contract.event_contract(letter.event, None)
    except ConfigError:
        return "The payload is not checked: no upnext.lock here has its event, and no --service its handler."
    identity = HandlerId.parse(letter.handler_id)
    faults = lock_contract.handler_problems(contract, identity.worker, identity.name, payload)
    if faults is None:
        return "The payload is not checked: neither upnext.lock here nor a --service has its handler."
    if faults:
        raise ConfigError(
            f"Payload of {letter.event!r} for handler {letter.handler!r}, by upnext.lock: {'; '.join(faults)}. "
            "If the handler takes it all the same, pass --service FILE: then it checks the payload itself."
        )
    return "The payload was checked by upnext.lock."
