"""An HTTP API that sends events: a FastAPI application that opens and closes the connections of its sends."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Any

from upnext.errors import ConfigError
from upnext.forks import detach, own
from upnext.log import log
from upnext.names import brief
from upnext.options import is_whole

try:
    from fastapi import FastAPI

    from upnext.web import Config, Server
except ImportError as error:
    raise ConfigError("upnext.Api needs FastAPI and uvicorn: install upnext[api].") from error

if TYPE_CHECKING:
    from collections.abc import Generator


class Api(FastAPI):
    """A FastAPI application that `upnext run` serves beside the workers.

    Args:
        name: Its title.
        port: Where it listens.
        host: The address it listens on; only this machine by default.
        options: Everything that `fastapi.FastAPI` takes.

    Raises:
        ConfigError: If one of the first three cannot be used.
    """

    def __init__(self, name: str, port: int = 8000, host: str = "127.0.0.1", **options: Any) -> None:
        if not is_whole(port, 0, 65535):
            raise ConfigError(f"Option port={brief(port)} cannot be used: it must be a port number, from 0 to 65535.")
        given: dict[str, object] = {"name": name, "host": host}
        for option, value in given.items():
            if not isinstance(value, str) or not value:
                raise ConfigError(f"Option {option}={brief(value)} cannot be used: it must be text.")
        super().__init__(title=name, **options)
        self.listen_address: tuple[str, int] = (host, port)
        self._server: _HttpServer | None = None

    async def serve(self, sockets: list[socket.socket], grace: float) -> None:
        """Serve on listening sockets until `stop` is called.

        Requests and streams under way then have the seconds of the grace to end. Websockets are closed at once with
        code 1012 (service restart), so that clients connect elsewhere, and their handlers have the grace to end.
        """
        config = Config(self, log_level="warning", lifespan="on", timeout_graceful_shutdown=grace)
        self._server = _HttpServer(config)
        log.info("Api %r listens on %s", self.title, ", ".join(map(_url, sockets)))
        try:
            await self._server.serve(sockets)
        except SystemExit:
            # uvicorn ends the process when the application cannot start; a service has workers to stop in order first.
            raise ConfigError(f"Api {self.title!r} cannot start: its lifespan failed, see the log.") from None
        finally:
            for sock in sockets:
                sock.close()

    def stop(self) -> None:
        """Begin to stop."""
        if self._server is not None:
            self._server.should_exit = True


def _url(sock: socket.socket) -> str:
    host, port, *_ = sock.getsockname()
    return f"http://[{host}]:{port}" if sock.family is socket.AF_INET6 else f"http://{host}:{port}"


class _HttpServer(Server):
    """Leaves signals to the service that runs it; in a forked child, it gives up its connections."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        own(self)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    def let_go_in_child(self) -> None:
        """Close inherited connections in a forked child: they would otherwise outlive this process."""
        for connection in self.server_state.connections:
            with contextlib.suppress(AttributeError):  # one that has only just been accepted
                detach(connection.transport.get_extra_info("socket").fileno())
