"""The listening sockets of an API."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import TypeAlias

from upnext.errors import ConfigError
from upnext.forks import open_socket

Listen: TypeAlias = Callable[[tuple[str, int]], list[socket.socket]]
"""Opens the listening sockets of an address."""

BACKLOG = 2048
"""Connections that wait to be accepted."""


def listen(address: tuple[str, int], what: str = "The Api") -> list[socket.socket]:
    """Listen on each address of a host name; forked children do not keep the port.

    Args:
        address: Host and port.
        what: Who listens, for the message.

    Raises:
        ConfigError: If that cannot be, because another program listens there, for example.
    """
    host, port = address
    sockets: list[socket.socket] = []
    with contextlib.ExitStack() as opened:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            for family, kind, protocol, _, where in dict.fromkeys(found):
                sock = opened.enter_context(open_socket(family, kind, protocol))
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.bind(where)
                sock.listen(BACKLOG)
                sock.setblocking(False)
                sockets.append(sock)
        except (OSError, OverflowError, UnicodeError) as error:
            raise ConfigError(f"{what} cannot listen on {host}:{port}: {error}. Is the port taken?") from None
        opened.pop_all()
    return sockets
