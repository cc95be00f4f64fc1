"""What a child process that user code forks must not share with the process it came from.

A fork copies everything: sockets to the server, listening ports, signal handlers and their wake-up pipe. A child that
kept them would answer the parent's signals, take the parent's replies, and hold its ports and connections open after
its death. So each part that owns such a thing says here how a child lets go of it; the child then makes its own when it
needs one.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import traceback
import weakref
from typing import NoReturn, Protocol


class Inherited(Protocol):
    """Something that a forked child gets a copy of, and must not use."""

    def let_go_in_child(self) -> None:
        """Called in the child, right after the fork, before any other code; must not wait, nor touch the parent's."""
        ...


class _Process:
    """What this process knows of forks.

    Attributes:
        generation: A number that is another one in a forked child: compare it before and after user code.
        children: How many children it has forked.
        inherited: What a child lets go of.
    """

    def __init__(self) -> None:
        self.generation = 0
        self.children = 0
        self.inherited: weakref.WeakSet[Inherited] = weakref.WeakSet()

    def enter_child(self) -> None:
        self.generation += 1
        for thing in list(self.inherited):
            # One that cannot be let go of must not keep the others.
            with contextlib.suppress(Exception):
                thing.let_go_in_child()

    def count_child(self) -> None:
        self.children += 1


process = _Process()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=process.enter_child, after_in_parent=process.count_child)


def own(thing: Inherited) -> None:
    """Have something let go of in every child that is forked as long as it lives."""
    process.inherited.add(thing)


def disown(thing: Inherited) -> None:
    """Take `own` back."""
    process.inherited.discard(thing)


def children() -> int:
    """Return how many children this process has forked: compare it before and after making what they must not share."""
    return process.children


def hang_up(descriptor: int) -> None:
    """End the connection of a socket for all processes that have a copy of it, as closing it does not."""
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as sock:
        sock.shutdown(socket.SHUT_RDWR)


def detach(descriptor: int) -> None:
    """In a child: let an inherited descriptor lead to nowhere.

    It is not closed: the object that it belongs to would close its number once more, when another file may have it. And
    an event loop that the child takes it out of would take it out of the parent's as well.
    """
    with contextlib.suppress(OSError):
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        os.dup2(null, descriptor, inheritable=False)
        os.close(null)


def detach_socket(sock: socket.socket) -> None:
    """In a child: let an inherited socket lead to nowhere."""
    if sock.fileno() >= 0:
        detach(sock.fileno())


def end_child(error: BaseException | None) -> NoReturn:
    """End a forked child that has left the code that forked it, as a program of its own would end."""
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
