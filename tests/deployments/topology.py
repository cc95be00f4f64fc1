"""Servers that belong together: a cluster, and a primary that sentinels watch."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from redis import Redis
from redis.crc import key_slot

from tests.servers import Server, free_port
from tests.waiting import wait_until

SLOTS = 16384
KEY = "upnext:{default:0}:leases"


def ask(server: Server, *words: object) -> Any:
    """Return the answer to a command."""
    with Redis.from_url(server.url, socket_timeout=5.0, decode_responses=True, protocol=2) as client:
        client.response_callbacks.clear()  # the answer as it came
        return client.execute_command(*words)


def info(server: Server) -> dict[str, Any]:
    """Return what a server says of its replication."""
    with Redis.from_url(server.url, socket_timeout=5.0) as client:
        found: dict[str, Any] = client.info("replication")
        return found


def replicated(primary: Server, replica: Server) -> bool:
    """Say whether a replica has everything that its primary has."""
    offset = info(primary)["master_repl_offset"]
    there = info(replica)
    return there.get("master_link_status") == "up" and there["slave_repl_offset"] >= offset


class Cluster:
    """Primaries that share the slots, and a replica of the one that serves our partition."""

    def __init__(self, primaries: list[Server], replica: Server) -> None:
        self.primaries = primaries
        self.replica = replica
        self.serving = primaries[key_slot(KEY.encode()) * len(primaries) // SLOTS]
        self.other = next(server for server in primaries if server is not self.serving)

    @property
    def url(self) -> str:
        """The URL that names every node."""
        nodes = [f"{host}:{port}" for host, port in (server.address for server in (*self.primaries, self.replica))]
        return f"redis+cluster://{','.join(nodes)}"

    def move_slot(self, source: Server, target: Server) -> Iterator[str]:
        """Move the slot of our partition, key by key; a step is done each time that the iterator goes on."""
        slot = key_slot(KEY.encode())
        ids = [ask(server, "CLUSTER", "MYID") for server in (source, target)]
        ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", ids[0])
        ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", ids[1])
        yield "open"
        while keys := ask(source, "CLUSTER", "GETKEYSINSLOT", slot, 100):
            ask(source, "MIGRATE", *target.address, "", 0, 5000, "KEYS", *keys)
        yield "moved"
        for server in (target, source, *(server for server in self.primaries if server not in (source, target))):
            ask(server, "CLUSTER", "SETSLOT", slot, "NODE", ids[1])
        yield "closed"


@contextmanager
def cluster(binary: Path, directory: Path) -> Iterator[Cluster]:
    """Start three primaries and a replica."""
    with ExitStack() as stack:
        args = ("--cluster-enabled", "yes", "--cluster-node-timeout", "1500", "--cluster-require-full-coverage", "no")
        servers = []
        for n in range(4):
            server = Server(binary, directory / f"node{n}", tcp=True, args=args)
            server.address = ("127.0.0.1", _port_with_bus())
            servers.append(stack.enter_context(server))
        found = Cluster(servers[:3], servers[3])
        for n, server in enumerate(found.primaries):
            ask(server, "CLUSTER", "SET-CONFIG-EPOCH", n + 1)
            ask(server, "CLUSTER", "ADDSLOTS", *(slot for slot in range(SLOTS) if slot * 3 // SLOTS == n))
        for server in servers[1:]:
            ask(server, "CLUSTER", "MEET", *servers[0].address)
        serving = ask(found.serving, "CLUSTER", "MYID")
        wait_until(lambda: serving in ask(found.replica, "CLUSTER", "NODES"), what="the replica knows its primary")
        ask(found.replica, "CLUSTER", "REPLICATE", serving)
        for server in servers:
            wait_until(lambda server=server: _knows(server, servers), 30, what="the cluster is of one mind")
        wait_until(lambda: replicated(found.serving, found.replica), what="the replica follows")
        yield found


def _knows(server: Server, servers: list[Server]) -> bool:
    told = ask(server, "CLUSTER", "SLOTS")
    nodes = {node[1] for _, _, *nodes in told for node in nodes}
    covered = sum(last - first + 1 for first, last, *_ in told)
    return covered == SLOTS and nodes == {server.address[1] for server in servers}


def _port_with_bus() -> int:
    """Return a port for a node whose cluster bus, 10,000 above it, is free as well."""
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as one, socket.socket() as other:
            try:
                one.bind(("127.0.0.1", port))
                other.bind(("127.0.0.1", port + 10_000))
            except OSError:
                continue
            return port


class Watched:
    """A primary and its replica, watched by one sentinel.

    Args:
        primary: The server that is the primary at first.
        replica: Its replica.
        sentinel: The sentinel, which fails over alone.
    """

    def __init__(self, primary: Server, replica: Server, sentinel: Server) -> None:
        self.primary = primary
        self.replica = replica
        self.sentinel = sentinel

    @property
    def url(self) -> str:
        """The URL that names the sentinel, behind one that is not there."""
        host, port = self.sentinel.address
        return f"redis+sentinel://127.0.0.1:{free_port()},{host}:{port}/orders/0"


@contextmanager
def watched(binary: Path, directory: Path) -> Iterator[Watched]:
    """Start a primary, its replica and a sentinel."""
    with ExitStack() as stack:
        primary = stack.enter_context(
            Server(binary, directory / "primary", tcp=True, args=("--repl-diskless-sync-delay", "0"))
        )
        host, port = primary.address
        replica = stack.enter_context(Server(binary, directory / "replica", tcp=True))
        ask(replica, "REPLICAOF", host, port)
        wait_until(lambda: replicated(primary, replica), 30, what="the replica follows")
        config = directory / "sentinel" / "sentinel.conf"
        config.parent.mkdir()
        config.write_text(
            f"sentinel monitor orders {host} {port} 1\n"
            "sentinel down-after-milliseconds orders 700\nsentinel failover-timeout orders 3000\n"
        )
        sentinel = stack.enter_context(Server(binary, config.parent, tcp=True, sentinel=config))
        found = Watched(primary, replica, sentinel)
        wait_until(lambda: _replicas(sentinel) == 1, 30, what="the sentinel knows the replica")
        yield found


def _replicas(sentinel: Server) -> int:
    rows = [dict(zip(row[::2], row[1::2], strict=True)) for row in ask(sentinel, "SENTINEL", "REPLICAS", "orders")]
    return [row["flags"] for row in rows if row["master-link-status"] == "ok"].count("slave")
