"""Connections to the server that keeps a partition, wherever that is at the moment.

One server stays where it is. Sentinels are asked which server is the primary, whenever a connection is made. Nodes of
a cluster are asked which of them serves the partition's slot; one that does not serve it any more says who does.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

from upnext.broker.absence import absence, farewell
from upnext.broker.address import Address, Node
from upnext.broker.misaddressed import unknown_name, wrong_kind
from upnext.broker.redis_types import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    InvalidResponseError,
    MovedError,
    RedisConnectionError,
    RedisError,
    RedisTimeoutError,
    ResponseError,
    key_slot,
)
from upnext.broker.tls_mismatch import mismatch
from upnext.forks import MOST_SHARED, detach, ended_forks, forked_since, hang_up, own

if TYPE_CHECKING:
    from collections.abc import Mapping

SOCKET_TIMEOUT = 5.0
"""Seconds without an answer after which a connection is given up, unless the address says otherwise."""

_NO_REDIS = "what answers there is no Redis or Valkey server"
_ASK_TIMEOUT = 2.0  # seconds that a sentinel or a node has to name the server


class UnsentError(RedisConnectionError):
    """Raised when there was no connection: nothing of the command has reached the server.

    Args:
        reason: Why there was none, in words.
        way_out: What to do about it, as a sentence.
    """

    def __init__(self, reason: str, way_out: str = "") -> None:
        super().__init__(reason)
        self.way_out = way_out


class _UnknownServerError(UnsentError):
    """Raised when the queried sentinel or node does not know where the server is."""


class UnfitServerError(RedisConnectionError):
    """Raised when this client refuses to use what is at that address; the message says why."""


class Dialer:
    """Makes connections to the server that keeps one partition.

    Args:
        url: The address.
        key: One of the partition's keys: all of them are in one slot of a cluster.
        name: What the server's list of clients shows.
        timeout: Seconds without an answer after which a connection is given up, if the address does not ask for less.

    Attributes:
        timeout: Seconds without an answer after which a connection is given up.
    """

    def __init__(self, url: str, key: str, name: str, timeout: float | None = None) -> None:
        self._address = address = Address.parse(url)
        self._slot = key_slot(key.encode())
        longest = address.timeout or SOCKET_TIMEOUT
        self.timeout = longest if timeout is None else min(longest, timeout)
        self._options = {
            "client_name": address.client_name or name,
            "socket_timeout": self.timeout,
            "socket_connect_timeout": address.connect_timeout or self.timeout,
        }
        self._nodes = list(address.nodes)
        self._dialled: Node | None = None
        self._worked = False
        self._pointed: Node | None = None
        # A plain address may lead to a node of a cluster: the first connection shows it.
        self._clustered = None if not address.kind and address.nodes else address.kind == "cluster"
        # From before they are opened until they are closed: a forked child must find each of them.
        self._connections: list[Any] = []
        own(self)

    def let_go_in_child(self) -> None:
        """Make a forked child unable to reach the server over these connections, or keep them open."""
        for connection in self._connections:
            detach(_descriptor(connection))

    async def dial(self) -> Any:
        """Return a connection, connected.

        Raises:
            UnsentError: If there is none to be had now.
            UnfitServerError: If it is none that this client will talk to.
            redis.exceptions.RedisError: If the server rejects this client.
        """
        for _ in range(MOST_SHARED):
            ended = ended_forks()
            connection = await self._dial()
            if not forked_since(ended):
                return connection
            # The event loop had a socket before it was recorded here. A child forked in between has a copy, and would
            # keep the connection open after this process has exited.
            await self.hang_up(connection)
        return await self._dial()

    async def hang_up(self, connection: Any) -> None:
        """End a connection for all processes that have a copy of it."""
        hang_up(_descriptor(connection))
        if connection in self._connections:
            self._connections.remove(connection)
        await connection.disconnect(nowait=True)

    async def _dial(self) -> Any:
        pointed, self._pointed = self._pointed, None
        node = self._dialled = pointed or await self._find()
        where = {} if node is None else {"host": node.host, "port": node.port}
        connection = self._connection(**self._address.options, **self._options, **where)
        try:
            await _connect(connection, strange=not self._worked)
            if self._clustered is None:
                await self._look_for_cluster(connection)
            self._worked = True
        except BaseException:
            # No caller has it yet who could close it, not even when the dialling itself is cancelled.
            await self.hang_up(connection)
            raise
        return connection

    def _connection(self, **options: Any) -> Any:
        """Return a new connection that is not connected yet."""
        connection = self._address.connection(**options)
        self._connections.append(connection)
        return connection

    def follow(self, error: Exception) -> bool:
        """Return whether a reply says that another node serves the slot; the next connection goes to that node."""
        text = str(error)
        if not isinstance(error, MovedError) and not text.startswith("MOVED "):
            return False
        host, _, port = text.rpartition(" ")[2].rpartition(":")
        self._pointed = self._node_of(host, port, self._dialled)
        self._clustered = True
        self._remember(self._pointed)
        return True

    async def _find(self) -> Node | None:
        if self._clustered:
            return await self._ask_around(self._address.options, ("CLUSTER", "SLOTS"))
        if self._address.kind == "sentinel":
            question = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._address.service)
            return await self._ask_around(self._address.sentinel_options, question)
        return self._address.nodes[0] if self._address.nodes else None

    async def _ask_around(self, options: Mapping[str, Any], question: tuple[str, ...]) -> Node:
        """Ask one node after the other where the server is; one that cannot say is asked last the next time."""
        reasons: list[RedisError | OSError] = []
        for node in list(self._nodes):
            try:
                return await self._ask(node, options, question)
            except _UnknownServerError as error:
                reasons.insert(0, error)
            except (RedisError, OSError) as error:
                reasons.append(error)
            self._nodes.remove(node)
            self._nodes.append(node)
        # An error of one that rejects this client is more useful than of those that are down.
        raise next((reason for reason in reasons if not _is_absence(reason)), _unsent(reasons[0]))

    async def _ask(self, node: Node, options: Mapping[str, Any], question: tuple[str, ...]) -> Node:
        timeouts = {"socket_timeout": _ASK_TIMEOUT, "socket_connect_timeout": _ASK_TIMEOUT}
        connection = self._connection(**options, **timeouts, host=node.host, port=node.port)
        try:
            await _connect(connection, strange=not self._worked)
            found = self._read(await self._answer(connection, node, question), node)
            if found is None and self._address.kind == "sentinel":
                raise _UnknownServerError(await unknown_name(connection, node, self._address.service))
            if found is None:
                raise _UnknownServerError(f"{node} does not know where the server is: {' '.join(question)}")
            return found
        finally:
            await self.hang_up(connection)

    async def _answer(self, connection: Any, node: Node, question: tuple[str, ...]) -> Any:
        await connection.send_command(*question)
        try:
            return await connection.read_response()
        except ResponseError as error:
            if problem := await wrong_kind(connection, node, self._address.kind, error):
                raise UnfitServerError(problem) from error
            raise

    def _read(self, reply: Any, asked: Node) -> Node | None:
        if self._address.kind == "sentinel":
            if reply is None:
                return None
            host, port = reply
            return self._node_of(host, port, asked)
        found = None
        for first, last, *nodes in reply:
            for host, port, *_ in nodes:
                self._remember(self._node_of(host, port, asked))
            if first <= self._slot <= last:
                found = self._node_of(nodes[0][0], nodes[0][1], asked)
        return found

    async def _look_for_cluster(self, connection: Any) -> None:
        try:
            reply = await self._answer(connection, self._address.nodes[0], ("CLUSTER", "SLOTS"))
        except UnfitServerError:
            raise
        except ResponseError:
            self._clustered = False  # no cluster, or this client may not ask: then its redirections show the way
        except (RedisError, OSError) as error:
            raise UnsentError(*absence(error, connection)) from error
        else:
            self._clustered = True
            self._read(reply, self._address.nodes[0])

    def _remember(self, node: Node) -> None:
        if node not in self._nodes:
            self._nodes.append(node)

    @staticmethod
    def _node_of(host: bytes | str | None, port: bytes | str | int, asked: Node | None) -> Node:
        # A node that does not know its own name leaves it out: it has the name that it was reached by.
        name = host.decode() if isinstance(host, bytes) else host or ""
        own = "" if asked is None else asked.host
        return Node(name.strip("[]") if name not in {"", "?"} else own, int(port))


def _descriptor(connection: Any) -> int:
    """Return the file descriptor of a connection's socket; -1 before and after it has one."""
    writer = connection._writer  # noqa: SLF001  # redis-py has no other way
    sock = None if writer is None else writer.get_extra_info("socket")
    return -1 if sock is None else int(sock.fileno())


async def _connect(connection: Any, *, strange: bool = False) -> None:
    """Connect; `strange` tells whether nothing is known yet about what answers at the address."""
    # redis-py would tell the server its own name and version, which takes a right that Redis 7.0 cannot even name.
    connection.lib_name = connection.lib_version = connection.driver_info = None
    try:
        await connection.connect()
    except (RedisTimeoutError, OSError) as error:
        raise await _away(error, connection, strange=strange) from error
    except RedisConnectionError as error:
        if isinstance(error, (AuthenticationError, AuthorizationError, BusyLoadingError)):
            raise
        # The server answers over a Unix socket.
        if isinstance(error.__context__, (ResponseError, AuthenticationError, AuthorizationError)):
            raise error.__context__ from None
        if isinstance(error.__context__, InvalidResponseError):
            raise await _no_redis(connection) from error
        if isinstance(error.__context__, ssl.SSLCertVerificationError):
            raise UnfitServerError(f"its certificate is not trusted: {error.__context__.verify_message}") from error
        raise await _away(error, connection, strange=strange) from error
    except InvalidResponseError as error:
        raise await _no_redis(connection) from error
    except ResponseError as error:
        if "unknown command" in str(error) and "HELLO" in str(error):
            raise UnfitServerError("it is too old; upnext needs Redis 6.2 or newer, or Valkey") from error
        raise


async def _away(error: Exception, connection: Any, *, strange: bool) -> RedisError:
    """Return why there is no connection; at an address that never worked, TLS may be the reason."""
    if strange and (problem := await mismatch(connection)):
        return UnfitServerError(problem)
    return UnsentError(*absence(await farewell(error, connection), connection))


async def _no_redis(connection: Any) -> UnfitServerError:
    return UnfitServerError(await mismatch(connection) or _NO_REDIS)


def _unsent(error: Exception) -> UnsentError:
    return error if isinstance(error, UnsentError) else UnsentError(str(error))


def _is_absence(error: Exception) -> bool:
    return isinstance(error, (UnsentError, OSError, RedisTimeoutError)) or type(error) is RedisConnectionError
