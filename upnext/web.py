"""What is used of uvicorn, declared here for type checkers as `upnext.broker.redis_types` declares redis-py."""
# ruff: noqa: D101, D102, F401 - uvicorn says what they are; all of them are used elsewhere

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:

    class Config:
        def __init__(self, app: Any, *, host: str, port: int, log_level: str, lifespan: str) -> None: ...

    class Server:
        should_exit: bool

        def __init__(self, config: Config) -> None: ...

        async def serve(self) -> None: ...

else:
    from uvicorn import Config, Server
