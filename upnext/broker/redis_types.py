"""The parts of redis-py that upnext uses, declared here for type checkers.

A type checker reads every module that `import upnext` leads to. The hundred modules of redis-py were a third of that,
although none of its types appears in upnext's public interface. A test compares the declarations with redis-py.
"""
# ruff: noqa: D101, D103, F401 - redis-py says what they are; all of them are used elsewhere

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:

    class RedisError(Exception): ...

    class RedisConnectionError(RedisError): ...

    class RedisTimeoutError(RedisError): ...

    class ResponseError(RedisError): ...

    class AskError(ResponseError): ...

    class AuthenticationError(RedisConnectionError): ...

    class AuthorizationError(RedisConnectionError): ...

    class BusyLoadingError(RedisConnectionError): ...

    class ClusterDownError(ResponseError): ...

    class InvalidResponseError(RedisError): ...

    class MovedError(AskError): ...

    class NoPermissionError(ResponseError): ...

    class NoScriptError(ResponseError): ...

    class OutOfMemoryError(ResponseError): ...

    class ReadOnlyError(ResponseError): ...

    class TryAgainError(ResponseError): ...

    ConnectionPool: Any
    DefaultParser: Any
    SSLConnection: Any

    def key_slot(key: bytes) -> int: ...

else:
    from redis.asyncio.connection import ConnectionPool, DefaultParser, SSLConnection
    from redis.crc import key_slot
    from redis.exceptions import (
        AskError,
        AuthenticationError,
        AuthorizationError,
        BusyLoadingError,
        ClusterDownError,
        MovedError,
        NoPermissionError,
        NoScriptError,
        OutOfMemoryError,
        ReadOnlyError,
        RedisError,
        ResponseError,
        TryAgainError,
    )
    from redis.exceptions import ConnectionError as RedisConnectionError
    from redis.exceptions import InvalidResponse as InvalidResponseError
    from redis.exceptions import TimeoutError as RedisTimeoutError
