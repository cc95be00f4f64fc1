"""A supervised process of a service: how it stops, and how it talks to its supervisor."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from typing import TYPE_CHECKING, Any

from upnext.errors import ConfigError
from upnext.forks import own_socket
from upnext.runner.listeners import listen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SUPERVISED = "UPNEXT_SUPERVISED"
"""Environment variable with the numbers of two descriptors: one ends with the supervisor, over the other they talk."""

_MESSAGE = 64 * 1024
_MOST_SOCKETS = 16  # of one address: if a name has more, the first ones are used


class Supervisor:
    """The supervisor of this process.

    Args:
        life: A pipe that ends when this process has to stop: because it is told to, or because its supervisor is gone.
        talk: A socket for questions and answers; None if the supervisor is of a release that has none.
    """

    def __init__(self, life: int, channel: socket.socket | None) -> None:
        self._life = life
        self._channel = channel

    def stop_with_it(self, stop: Callable[[], None]) -> None:
        """Call `stop`, in a thread of its own, when this process has to stop.

        This does not use a signal: if one was sent to the whole process group as well, the process would get two, and
        the second ends it at once.
        """

        def wait() -> None:
            os.read(self._life, 1)
            stop()

        threading.Thread(target=wait, name="upnext-supervised", daemon=True).start()

    def introduce(self, addresses: Sequence[tuple[str, int]], longest_stop: float) -> None:
        """Report how long this process may take to stop, and where it will ask to listen."""
        if self._channel is not None:
            self._send(self._channel, {"stop": longest_stop, "addresses": [list(address) for address in addresses]})

    def listen(self, address: tuple[str, int]) -> list[socket.socket]:
        """Return the listening sockets of an address, which all processes of the service share.

        Raises:
            ConfigError: If the address cannot be listened on.
        """
        if self._channel is None:
            return listen(address)
        self._send(self._channel, {"listen": list(address)})
        data, descriptors, _, _ = socket.recv_fds(self._channel, _MESSAGE, _MOST_SOCKETS)
        if not data:
            raise ConfigError("The process that supervises this one has gone.")
        answer = json.loads(data)
        if not descriptors:
            raise ConfigError(str(answer["error"]))
        sockets = [own_socket(socket.socket(fileno=descriptor)) for descriptor in descriptors]
        for sock in sockets:
            sock.set_inheritable(False)
            sock.setblocking(False)
        return sockets

    @staticmethod
    def _send(channel: socket.socket, message: dict[str, Any]) -> None:
        try:
            channel.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise ConfigError(f"The process that supervises this one has gone ({error}).") from None


def supervised_process() -> Supervisor | None:
    """Return the supervisor of this process; None if it has none."""
    numbers = os.environ.pop(SUPERVISED, None)
    if numbers is None:
        return None
    if "," not in numbers:
        # A supervisor that keeps running while its release is replaced starts processes of the new one, and passes a
        # pipe as their standard input.
        return Supervisor(0, None)
    life, channel = map(int, numbers.split(","))
    for descriptor in (life, channel):
        os.set_inheritable(descriptor, False)
    return Supervisor(life, socket.socket(fileno=channel))


class Conversation:
    """A supervisor's connection to one of its processes.

    Args:
        talk: Its end of the socket.
    """

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._channel.setblocking(False)
        self._rest = b""

    def messages(self) -> list[dict[str, Any]]:
        """Return the messages of the process since the last call; does not wait."""
        with contextlib.suppress(OSError):
            while data := self._channel.recv(_MESSAGE):
                self._rest += data
        *lines, self._rest = self._rest.split(b"\n")
        return [json.loads(line) for line in lines]

    def answer(self, found: list[socket.socket] | str) -> None:
        """Answer a `listen` with sockets, or with the reason why there are none."""
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if isinstance(found, str):
                self._channel.sendall(json.dumps({"error": found}).encode())
            else:
                socket.send_fds(self._channel, [b"{}"], [sock.fileno() for sock in found[:_MOST_SOCKETS]])

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()
