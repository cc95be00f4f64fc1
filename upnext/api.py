"""An API whose endpoints send events: FastAPI, with the connections of its sends opened and closed around it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from upnext.errors import ConfigError
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
            raise ConfigError(f"Option port={port!r} cannot be used: it must be a port number, from 0 to 65535.")
        given: dict[str, object] = {"name": name, "host": host}
        for option, value in given.items():
            if not isinstance(value, str) or not value:
                raise ConfigError(f"Option {option}={value!r} cannot be used: it must be text.")
        super().__init__(title=name, **options)
        self._address = (host, port)
        self._server: _Server | None = None

    async def serve(self) -> None:
        """Serve until `stop` is called; requests under way are answered first."""
        host, port = self._address
        config = Config(self, host=host, port=port, log_level="warning", lifespan="on")
        self._server = _Server(config)
        try:
            await self._server.serve()
        except SystemExit:
            # uvicorn ends the process when it cannot listen; a service has workers to stop in order first.
            raise ConfigError(f"Api {self.title!r} cannot listen on {host}:{port}; is the port taken?") from None

    def stop(self) -> None:
        """Begin to stop."""
        if self._server is not None:
            self._server.should_exit = True


class _Server(Server):
    """Leaves the signals to the service that runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield
