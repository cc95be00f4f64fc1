"""The parts of uvicorn that upnext uses, declared for type checkers as `broker.redis_types` does for redis-py."""
# ruff: noqa: D101, D102, F401 - uvicorn says what they are; all of them are used elsewhere

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:

    class Config:
        def __init__(
            self,
            app: Any,
            *,
            log_level: str,
            lifespan: str,
            timeout_graceful_shutdown: float,
            server_header: bool = True,
        ) -> None: ...

    class ServerState:
        connections: set[Any]

    class Server:
        should_exit: bool
        server_state: ServerState

        def __init__(self, config: Config) -> None: ...

        async def serve(self, sockets: list[socket.socket]) -> None: ...

else:
    from uvicorn import Config, Server
    from uvicorn.server import ServerState
