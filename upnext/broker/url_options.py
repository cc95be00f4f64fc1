"""The options after the ? of an address: what each redis-py option does here, or why it is refused."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Callable

_TRUE, _FALSE = {"1", "t", "true", "y", "yes", "on"}, {"0", "f", "false", "n", "no", "off"}
_LONGEST_TIMEOUT = 3600.0


def _text(value: str) -> str:
    return value


def _client_name(value: str) -> str:
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("printable ASCII characters without spaces")
    return value


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not 0.1 <= seconds <= _LONGEST_TIMEOUT:
        raise ValueError(f"seconds between 0.1 and {_LONGEST_TIMEOUT:g}")
    return seconds


def _switch(value: str) -> bool:
    if value.lower() not in _TRUE | _FALSE:
        raise ValueError("true or false")
    return value.lower() in _TRUE


def _one_of(*allowed: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in allowed:
            raise ValueError(" or ".join(allowed))
        return value

    return read


def _whole(value: str) -> str:
    if not (value.isascii() and value.isdecimal() and len(value) < 10):
        raise ValueError("a whole number")
    return value


_OPTIONS: dict[str, Callable[[str], object]] = {
    "db": _text,
    "username": _text,
    "password": _text,
    "client_name": _client_name,
    "protocol": _one_of("2", "3"),
    "socket_timeout": _seconds,
    "socket_connect_timeout": _seconds,
    "socket_keepalive": _switch,
}
_SENTINEL_OPTIONS = {"sentinel_username": _text, "sentinel_password": _text}
_TLS_OPTIONS: dict[str, Callable[[str], object]] = {
    "ssl_ca_certs": _text,
    "ssl_ca_data": _text,
    "ssl_ca_path": _text,
    "ssl_cert_reqs": _one_of("none", "optional", "required"),
    "ssl_certfile": _text,
    "ssl_check_hostname": _switch,
    "ssl_ciphers": _text,
    "ssl_exclude_verify_flags": _text,
    "ssl_include_verify_flags": _text,
    "ssl_keyfile": _text,
    "ssl_min_version": _whole,
    "ssl_password": _text,
}
_OWN_REPLIES = "upnext reads the server's replies itself"
_REFUSED = {
    "decode_responses": _OWN_REPLIES,
    "encoding": _OWN_REPLIES,
    "encoding_errors": _OWN_REPLIES,
    "legacy_responses": _OWN_REPLIES,
    "socket_read_size": _OWN_REPLIES,
    "health_check_interval": "upnext watches its connections itself; see socket_timeout",
    "max_connections": "upnext has no pool: a worker has three connections for each partition, a sender has one",
    "retry_on_error": "upnext decides itself what is tried again",
    "retry_on_timeout": "upnext decides itself what is tried again",
    "timeout": "it belongs to redis-py's blocking pool, and upnext has none; see socket_timeout",
}


def read_options(query: str, *, tls: bool, sentinel: bool, unix: bool = False) -> dict[str, str]:
    """Return the options of an address, all of which upnext supports.

    Args:
        query: What comes after the ?.
        tls: Whether the address is one of TLS.
        sentinel: Whether it is one of sentinels.
        unix: Whether it is that of a socket file.

    Raises:
        ValueError: If one cannot be used; the message names it, says why, and shows no value.
    """
    options: dict[str, str] = {}
    readers: dict[str, Any] = {**_OPTIONS, **_TLS_OPTIONS, **_SENTINEL_OPTIONS}
    for name, value in parse_qsl(query, keep_blank_values=True):
        reader = readers.get(name)
        if reader is None:
            raise ValueError(f"option {name[:60]!r}: {_REFUSED.get(name, 'there is no such option')}")
        if name in _TLS_OPTIONS and not tls:
            raise ValueError(f"option {name!r} is for addresses that begin with rediss")
        if name in _SENTINEL_OPTIONS and not sentinel:
            raise ValueError(f"option {name!r} is for addresses that begin with redis+sentinel")
        if name == "socket_keepalive" and unix:
            raise ValueError(f"option {name!r} is for addresses with a host")
        if name in options:
            raise ValueError(f"option {name!r} is given twice")
        if not value:
            raise ValueError(f"option {name!r} has no value")
        try:
            reader(value)
        except ValueError as error:
            raise ValueError(f"option {name!r} must be {error}") from None
        options[name] = value
    return options


def take_timeout(options: dict[str, str], name: str) -> float | None:
    """Take an option in seconds out of those for redis-py."""
    value = options.pop(name, None)
    return None if value is None else float(value)
