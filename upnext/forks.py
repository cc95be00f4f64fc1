"""What a forked child process must not share with its parent.

A fork copies everything: sockets to the server, listening ports, signal handlers and their wake-up pipe. A child that
kept them would answer the parent's signals, take the parent's replies, and hold its ports and connections open after
its death. So each owner of such a resource registers here how a child lets go of it; the child then creates its own
when it needs one.

A resource is registered before it is used, but after it is created, and another thread may fork in between. So its
creator checks afterwards whether that can have happened, and if so creates another.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import traceback
import weakref
from typing import NoReturn, Protocol

MOST_SHARED = 5
"""Things that are given up, one after another, because a child may have a copy of each.

The next is kept all the same: while one fork takes long, as a hook of somebody's does, it would go on without end, and
the child is made in one of these moments at most.
"""


class Inherited(Protocol):
    """Something that a forked child gets a copy of and must not use."""

    def let_go_in_child(self) -> None:
        """Run in the child right after the fork, before any other code; must not wait or touch the parent's state."""
        ...


class _Process:
    """What this process knows about its forks.

    Attributes:
        generation: A number that is another one in a forked child: compare it before and after user code.
        begun: How many forks have begun, in all threads; one that fails counts too.
        ended: How many of them have ended on this side.
        inherited: What a child lets go of.
        sockets: Sockets that a child lets go of.
    """

    def __init__(self) -> None:
        self.generation = 0
        self.begun = 0
        self.ended = 0
        self.inherited: weakref.WeakSet[Inherited] = weakref.WeakSet()
        self.sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def begin_fork(self) -> None:
        self.begun += 1

    def end_fork(self) -> None:
        self.ended = min(self.ended + 1, self.begun)  # one may have begun before this module was imported

    def enter_child(self) -> None:
        self.generation += 1
        self.ended = self.begun  # this fork, and those of threads that are not here
        for sock in list(self.sockets):
            if sock.fileno() >= 0:
                detach(sock.fileno())
        for thing in list(self.inherited):
            # One that cannot be released must not keep the others open.
            with contextlib.suppress(Exception):
                thing.let_go_in_child()


process = _Process()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=process.begin_fork, after_in_parent=process.end_fork, after_in_child=process.enter_child)


def own(thing: Inherited) -> None:
    """Have something released in every child that is forked during its lifetime."""
    process.inherited.add(thing)


def disown(thing: Inherited) -> None:
    """Undo `own`."""
    process.inherited.discard(thing)


def own_socket(sock: socket.socket) -> socket.socket:
    """Disconnect a socket in every child that is forked during its lifetime; returns the socket."""
    process.sockets.add(sock)
    return sock


def open_socket(family: int, kind: int, protocol: int) -> socket.socket:
    """Return a new socket, which is disconnected in every child that is forked from now on."""
    for _ in range(MOST_SHARED):
        ended = ended_forks()
        sock = own_socket(socket.socket(family, kind, protocol))
        if not forked_since(ended):
            return sock
        sock.close()  # a child that still has a copy of it has an unused socket
    return own_socket(socket.socket(family, kind, protocol))


def ended_forks() -> int:
    """Return how many forks of this process have ended: read it before creating what no child may share."""
    return process.ended


def forked_since(ended: int) -> bool:
    """Return whether a child may have been forked since the count of ended forks was read.

    A fork that had begun before, or has not ended yet, counts: the child is made somewhere in between, and the hooks of
    others run before and after that.
    """
    return process.begun != ended


def hang_up(descriptor: int) -> None:
    """End the connection of a socket for all processes that have a copy of it, which closing it does not do."""
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as sock:
        sock.shutdown(socket.SHUT_RDWR)


def detach(descriptor: int) -> None:
    """Disconnect an inherited descriptor in a child.

    It is not closed: the object that it belongs to would close its number once more, when another file may have it. And
    an event loop that the child takes it out of would take it out of the parent's as well.
    """
    with contextlib.suppress(OSError):
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.dup2(null, descriptor, inheritable=False)
        finally:
            os.close(null)


def end_child(error: BaseException | None) -> NoReturn:
    """End a forked child that has left the code that forked it, as a separate program would end."""
    code = 0
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    elif error is not None:
        code = 1
        with contextlib.suppress(Exception):
            traceback.print_exception(error)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(code & 0xFF)
