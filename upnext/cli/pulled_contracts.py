"""Fetches the current contracts from the sources of pulled ones: servers, files, repositories."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import sys
from typing import TYPE_CHECKING

from upnext.cli.connection import ask_at
from upnext.cli.contracts import published
from upnext.errors import BrokerError, ConfigError, UpnextError
from upnext_codegen.errors import ConfigurationError
from upnext_codegen.pulled.imports_lock import Source, read
from upnext_codegen.pulled.sources import contract_of, is_server, local_source, read_local

if TYPE_CHECKING:
    from pathlib import Path

    from upnext.broker.contracts import Fleet
    from upnext.broker.namespace import Namespace
    from upnext.settings import Settings
    from upnext_codegen.contract import Contract

_URL = "UPNEXT_REDIS_URL"


def source_of(given: str, namespace: str | None, root: Path) -> Source:
    """Return a source in the form in which it is stored, without credentials.

    Args:
        given: What a user named.
        namespace: The namespace of a server, None for that of the environment.
        root: The project root.

    Raises:
        ConfigError: If it cannot be used.
    """
    from upnext.settings import without_password  # noqa: PLC0415 - redis-py takes long to import

    if given.startswith(("http://", "https://")):
        address = without_password(given)
        raise ConfigError(
            f"{address} cannot be pulled: SOURCE is the address of a server (redis://...), a file, or "
            f"git:REPOSITORY#PATH, as in git:{address}."
        )
    if is_server(given):
        return Source(without_password(given), _settings(given, namespace).namespace)
    if namespace is not None:
        raise ConfigError(f"--namespace belongs to a server, and {given!r} is none.")
    return local_source(given, root)


def read_source(source: Source, root: Path, *, given: str | None = None) -> Contract:
    """Read the current contracts of a source.

    Args:
        source: Which one.
        root: The project root.
        given: The address of a server with its credentials. Without it they are taken from `UPNEXT_REDIS_URL`, if that
            is the address of the same server.

    Raises:
        ConfigError: If it cannot be read, or has no contracts.
    """
    try:
        return _of_server(source, given) if is_server(source.address) else read_local(source, root)
    except ConfigurationError as error:
        raise ConfigError(str(error)) from error
    except BrokerError as error:
        raise ConfigError(f"{source}: {error}") from error


def current_contracts(root: Path) -> dict[Source, Contract | str]:
    """Return the current contracts of a project's sources, or the reason if one cannot be read.

    Raises:
        ConfigurationError: If what was pulled cannot be read.
    """
    found: dict[Source, Contract | str] = {}
    for each in read(root):
        try:
            found[each.source] = read_source(each.source, root)
        except UpnextError as error:
            found[each.source] = str(error).rstrip(".")
    return found


def _settings(url: str, namespace: str | None) -> Settings:
    from upnext.settings import load  # noqa: PLC0415 - redis-py takes long to import

    settings = load(redis_url=url)
    return settings if namespace is None else dataclasses.replace(settings, namespace=namespace)


def _of_server(source: Source, given: str | None) -> Contract:
    from upnext.settings import without_password  # noqa: PLC0415 - redis-py takes long to import

    candidates = (given or "", os.environ.get(_URL, ""), source.address)
    url = next(each for each in candidates if each and without_password(each) == source.address)
    fleet = asyncio.run(ask_at(_settings(url, source.namespace), _fleet, say=False))
    if not fleet.contracts:
        raise ConfigError(
            f"{source} has no contracts: no worker runs there, or none that publishes them. Start one, or pull its "
            "upnext.lock."
        )
    for worker, count in fleet.silent.items():
        processes = f"{count} {'process' if count == 1 else 'processes'} of worker {worker}"
        print(f"upnext: {processes} publish no contracts, so they are left out.", file=sys.stderr)
    unknown = sorted({each.contract.handler for each in fleet.contracts if each.contract.schema is None})
    for handler in unknown:
        print(f"upnext: {handler} does not say what it takes, so it is left out.", file=sys.stderr)
    return contract_of(map(published, fleet.contracts))


async def _fleet(namespace: Namespace) -> Fleet:
    from upnext.broker.contracts import ContractStore  # noqa: PLC0415 - redis-py takes long to import

    return await ContractStore(namespace.partition(0)).read()
