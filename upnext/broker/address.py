"""A server address as users write it: one server, sentinels, or nodes of a cluster."""

from __future__ import annotations

import os
import re
import ssl
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit, urlunsplit

from upnext.broker.redis_types import ConnectionPool, RedisError, SSLConnection
from upnext.broker.url_options import read_options, take_timeout

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMES: Final = (
    "redis",
    "rediss",
    "unix",
    "redis+sentinel",
    "rediss+sentinel",
    "redis+cluster",
    "rediss+cluster",
)

_PORTS = {"": 6379, "cluster": 6379, "sentinel": 26379}
_SENTINEL_OPTIONS = ("sentinel_username", "sentinel_password")
# Otherwise redis-py reads its own version from the disk for each connection, for a greeting that none of them sends.
_NAMELESS: Final[dict[str, Any]] = {"driver_info": None} if find_spec("redis.driver_info") else {}
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")


@dataclass(frozen=True, slots=True)
class Node:
    """The address of one process."""

    host: str
    port: int

    @classmethod
    def of(cls, text: str, port: int) -> Node:
        """Read `host`, `host:port` or `[v6]:port`; raises ValueError."""
        parts = urlsplit(f"//{text}")
        if not parts.hostname or parts.path or parts.port == 0:
            raise ValueError(text)
        return cls(parts.hostname, parts.port or port)

    def __str__(self) -> str:
        """Return it in the form used in an address."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed address.

    Attributes:
        kind: "" for one server, "sentinel" or "cluster".
        nodes: The server, the sentinels, or some nodes of the cluster; empty for a Unix socket.
        service: What the sentinels call the server.
        connection: redis-py's class for connections to the server.
        options: What that class takes, without host, port, name and timeouts.
        sentinel_options: The same for connections to sentinels.
        timeout: Seconds without an answer after which a connection is given up; None for upnext's own.
        connect_timeout: Seconds that connecting may take; None for `timeout`.
        client_name: What the server's list of clients shows; "" for upnext's own names.
    """

    kind: str
    nodes: tuple[Node, ...]
    service: str
    connection: Any
    options: Mapping[str, Any] = field(repr=False)  # with the password
    sentinel_options: Mapping[str, Any] = field(repr=False)
    timeout: float | None = None
    connect_timeout: float | None = None
    client_name: str = ""

    @classmethod
    def parse(cls, url: str) -> Address:
        """Read an address.

        Raises:
            ValueError: If it cannot be used; the message says why, in a clause without its password ("" if it is no
                address at all).
        """
        try:
            parts = urlsplit(url)
        except ValueError:
            raise ValueError("") from None  # its own message quotes the password
        if parts.scheme not in SCHEMES:
            raise ValueError("")
        scheme, _, kind = parts.scheme.partition("+")
        service, path = "", parts.path
        if kind == "sentinel":
            service, _, db = path.strip("/").partition("/")
            path = f"/{db}"
            if not service:
                raise ValueError("the sentinels' name of the server comes after the hosts, as in host:26379/name/0")
        if control := _CONTROL.search(url):  # urlsplit drops most of these, and another server could be meant
            raise ValueError(f"a control character in it, here {control[0]!r}, must be left out or written as %XX")
        if "#" in url:
            raise ValueError("a # in it must be written as %23")
        query = read_options(parts.query, tls=scheme == "rediss", sentinel=kind == "sentinel", unix=scheme == "unix")
        database = query.get("db", "" if scheme == "unix" else path.strip("/"))
        if database and not (database.isascii() and database.isdecimal()):
            raise ValueError("the database is a number, as in redis://host:6379/0")
        sentinel = {name.removeprefix("sentinel_"): query.pop(name, None) for name in _SENTINEL_OPTIONS}
        _check_files({name: query[name] for name in _FILES if name in query}, query.get("ssl_password", ""))
        credentials, _, hosts = parts.netloc.rpartition("@")
        nodes = () if scheme == "unix" else tuple(_node(host, kind) for host in hosts.split(","))
        if len(nodes) > 1 and not kind:
            raise ValueError("several hosts are nodes of redis+cluster://, or sentinels of redis+sentinel://")
        if scheme == "unix" and not path:
            raise ValueError("")
        netloc = f"{credentials}@{nodes[0] if nodes else ''}" if credentials else str(nodes[0] if nodes else "")
        timeout, connect_timeout = take_timeout(query, "socket_timeout"), take_timeout(query, "socket_connect_timeout")
        client_name = query.pop("client_name", "")
        connection, options = _options(urlunsplit((scheme, netloc, path, urlencode(query), "")))
        shared = {name: value for name, value in options.items() if name.startswith("ssl_")}
        credentials_there = {name: value for name, value in sentinel.items() if value}
        there = {**shared, **credentials_there, **_NAMELESS}
        return cls(kind, nodes, service, connection, options, there, timeout, connect_timeout, client_name)


def _check_files(files: Mapping[str, str], password: str) -> None:
    """Read files that each connection will read: for connections, a bad file looks like an unreachable server."""
    for name, file in files.items():
        if not os.path.isfile(file):  # noqa: PTH113 - of a folder that may not be entered, it says no
            raise ValueError(f"{name}: there is no file {file!r}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authorities, own, key = (files.get(name) for name in _FILES)
    try:
        if authorities:
            context.load_verify_locations(authorities)
    except OSError as error:
        raise ValueError(f"ssl_ca_certs: {authorities!r} holds no certificate that can be read ({error})") from None
    try:
        if own:
            context.load_cert_chain(own, key, password)
    except OSError as error:
        raise ValueError(f"ssl_certfile: {own!r} and its key cannot be used ({error})") from None
    if key and not own:
        raise ValueError("ssl_keyfile: the certificate that belongs to it comes as ssl_certfile")


def _node(text: str, kind: str) -> Node:
    try:
        return Node.of(text, _PORTS[kind])
    except ValueError:
        raise ValueError("") from None


def _options(url: str) -> tuple[Any, dict[str, Any]]:
    """Let redis-py parse the rest, and return the settings of each connection."""
    try:
        pool = ConnectionPool.from_url(url)
        given = {name: value for name, value in pool.connection_kwargs.items() if name not in {"host", "port"}}
        options = given | _NAMELESS
        connection = pool.connection_class(**options)
        if pool.connection_class is SSLConnection:
            connection.ssl_context.get()
    except (TypeError, ValueError, OSError, RedisError) as error:
        raise ValueError(f"an option after the ? cannot be used ({error})") from None
    return pool.connection_class, options
