"""The options after the ? of an address: each of redis-py's does what it does there, or is refused by name."""

from __future__ import annotations

import importlib.metadata
import inspect
from collections.abc import Callable
from typing import TypeAlias

import pytest
from redis.asyncio import Redis
from redis.asyncio.connection import URL_QUERY_ARGUMENT_PARSERS, SSLConnection, UnixDomainSocketConnection

import upnext
from tests.runtime.proxy import proxy_to
from tests.runtime.running import running
from upnext.broker.address import Address
from upnext.broker.url_options import read_options
from upnext.settings import Settings, load

Command: TypeAlias = "Callable[..., tuple[int, str, str]]"

WORKING = {
    "client_name": "billing",
    "db": "0",
    "password": "",
    "protocol": "3",
    "socket_connect_timeout": "2.5",
    "socket_timeout": "2.5",
    "username": "",
}
PARAMETERS = {
    name
    for connection in (SSLConnection, UnixDomainSocketConnection)
    for base in connection.__mro__
    for name in inspect.signature(base.__init__).parameters
}
"""Every option that one of redis-py's connections has."""


def every_option() -> list[str]:
    """Return all that may stand in an address for redis-py, and a few that nothing knows."""
    return sorted((PARAMETERS | set(URL_QUERY_ARGUMENT_PARSERS) | {"nonsense", "a b"}) - {"self", "args", "kwargs"})


@pytest.mark.parametrize("name", every_option())
@pytest.mark.parametrize("scheme", ["redis", "rediss", "unix"])
def test_an_option_is_taken_or_refused_by_its_name(scheme: str, name: str) -> None:
    """Whatever its value; what is taken makes a connection, and is never found wanting when one is made."""
    host = "/nothing.sock" if scheme == "unix" else "127.0.0.1:1"
    for value in ("1", "x", "true", "none", "-1", "0.5", "%F0%9F%98%80", ""):
        url = f"{scheme}://{host}?{name}={value}"
        refusal, address = refused(url)
        if address is None:
            assert name in refusal or "an option after the ?" in refusal or "database" in refusal, url
        else:
            where = {} if scheme == "unix" else {"host": "127.0.0.1", "port": 1}
            address.connection(**address.options, **where, client_name="x", socket_timeout=1, socket_connect_timeout=1)


def refused(url: str) -> tuple[str, Address | None]:
    """Return why an address is refused, or what it is read as."""
    try:
        return "", Address.parse(url)
    except ValueError as error:
        return str(error), None


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("max_connections=5", "option 'max_connections': upnext has no pool"),
        ("decode_responses=true", "option 'decode_responses': upnext reads the server's replies itself"),
        ("health_check_interval=5", "option 'health_check_interval': upnext watches its connections itself"),
        ("retry_on_timeout=true", "option 'retry_on_timeout': upnext decides itself what is tried again"),
        ("timout=5", "option 'timout': there is no such option"),
        ("socket_timeout=0", "option 'socket_timeout' must be seconds between 0.1 and 3600"),
        ("socket_timeout=nan", "option 'socket_timeout' must be seconds between 0.1 and 3600"),
        ("socket_timeout=", "option 'socket_timeout' has no value"),
        ("socket_timeout=1&socket_timeout=2", "option 'socket_timeout' is given twice"),
        ("client_name=a%20b", "option 'client_name' must be printable ASCII characters without spaces"),
        ("protocol=4", "option 'protocol' must be 2 or 3"),
        ("socket_keepalive=perhaps", "option 'socket_keepalive' must be true or false"),
        ("ssl_cert_reqs=none", "option 'ssl_cert_reqs' is for addresses that begin with rediss"),
        ("sentinel_password=x", "option 'sentinel_password' is for addresses that begin with redis+sentinel"),
        ("db=0#x", "a # in it must be written as %23"),
    ],
)
def test_a_refusal_says_which_option_and_why(query: str, message: str, command: Command) -> None:
    """As an error of configuration: exit code 2 of a command."""
    url = f"redis://127.0.0.1:1/0?{query}"
    with pytest.raises(upnext.ConfigError) as raised:
        upnext.Worker("shop", redis_url=url)
    assert message in str(raised.value)
    code, _, err = command("status", url=url)
    assert (code, message in err) == (2, True)


async def test_options_do_what_they_say(redis_url: str) -> None:
    """A worker runs jobs with all of them, under the name that it was given."""
    query = "&".join(f"{name}={value}" for name, value in WORKING.items() if value)
    assert Address.parse("redis://h?socket_keepalive=true").options["socket_keepalive"] is True
    worker = upnext.Worker("shop", redis_url=f"{redis_url}?{query}", lease=1)

    @worker.task
    async def double(n: int) -> int:
        return 2 * n

    async with Redis.from_url(redis_url) as client:
        earlier = {each["id"] for each in await client.client_list()}  # of other tests, and their children
        async with running(worker):
            assert await double.wait(2) == 4
            names = {each["name"] for each in await client.client_list() if each["id"] not in earlier}
    assert "billing" in names
    assert not {name for name in names if name.startswith("upnext")}
    assert set(read_options(query, tls=False, sentinel=False)) == {name for name, value in WORKING.items() if value}


async def test_a_short_socket_timeout_lets_a_worker_wait_for_work(redis_url: str) -> None:
    """Its own waits of a second are not silence of the server."""
    worker = upnext.Worker("shop", redis_url=f"{redis_url}?socket_timeout=0.3", lease=1)

    @worker.task
    async def double(n: int) -> int:
        return 2 * n

    async with running(worker) as service:
        for n in range(3):
            assert await double.wait(n) == 2 * n
        assert service.trouble() == ""


async def test_the_socket_timeout_is_how_long_the_server_may_be_silent(valkey_url: str) -> None:
    """Then the connection is given up, and what was sent on it is sent again."""
    async with proxy_to(valkey_url) as proxy:
        event = upnext.Worker("shop", redis_url=f"{proxy.url}?socket_timeout=0.5").event("order.placed")
        await event.send(n=1)
        proxy.silence()
        await event.send(n=2)


def test_no_password_is_shown_by_what_holds_an_address() -> None:
    """In assertions that fail, reports of errors, and prints."""
    url = "redis://user:s3cret@h:1/0?client_name=x"
    shown = repr(load(redis_url=url)) + repr(Address.parse(url)) + repr(Settings(redis_url="unix:///s?password=s3cret"))
    shown += repr(Address.parse("redis+sentinel://u:s3cret@h/name?sentinel_password=s3cret"))
    assert "s3cret" not in shown
    assert "redis_url='redis://h:1/0?client_name=x'" in shown


def test_no_connection_reads_from_the_disk_which_version_redis_py_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """It did for a greeting that none sends, which was more than half of the time that connecting took."""
    read: list[str] = []
    monkeypatch.setattr(importlib.metadata, "version", read.append)
    for url in ("redis://h", "unix:///h", "rediss+sentinel://h/name", "redis+cluster://h"):
        address = Address.parse(url)
        for options in (address.options, address.sentinel_options):
            address.connection(**options)
    assert read == []
