"""A server for the test session, and a separate namespace for each test."""

from __future__ import annotations

import dataclasses
import os
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from upnext import embedded
from upnext.connect import broker_for, disconnect, run_blocking
from upnext.errors import ConfigError
from upnext.registry import declarations
from upnext.settings import Settings, check_url
from upnext.transport import use_transport

_GRACE = 1.0  # seconds; a test that has failed does not wait long for its handlers


def server_url(configured: str, temporary: Path) -> str:
    """Return the configured address, or else that of an embedded server, started if necessary.

    Args:
        configured: A setting's; the environment's UPNEXT_TEST_REDIS_URL comes first.
        temporary: The folder for the embedded server; the processes of one run share it.
    """
    url = os.environ.get("UPNEXT_TEST_REDIS_URL") or configured
    try:
        return check_url(url) if url else embedded.server_url(temporary, folder=temporary / "upnext-server")
    except ConfigError as error:
        pytest.fail(
            f"{error} For tests: set UPNEXT_TEST_REDIS_URL, or upnext_redis_url in pytest's settings.", pytrace=False
        )


@contextmanager
def clean_namespace(url: str) -> Generator[str]:
    """Point every worker of the process to an unused namespace, and delete it in the end."""
    settings = Settings(redis_url=url, namespace=f"test_{uuid.uuid4().hex}")

    def adjust(own: Settings) -> Settings:
        grace = min(own.grace, _GRACE)
        return dataclasses.replace(own, redis_url=url, namespace=settings.namespace, grace=grace)

    declarations.adjust_settings(adjust)
    try:
        with use_transport(None):
            yield settings.namespace
    finally:
        declarations.adjust_settings(None)
        run_blocking(_delete(settings))
        disconnect(url, settings.namespace)


async def _delete(settings: Settings) -> None:
    for partition in await (await broker_for(settings)).partitions():
        cursor, tag = b"0", f"{{{settings.namespace}:{partition.keys.partition}}}"
        while True:
            cursor, found = await partition.link.command("SCAN", cursor, "MATCH", f"upnext:{tag}:*", "COUNT", 1000)
            if found:
                await partition.link.command("UNLINK", *found)
            if int(cursor) == 0:
                break
