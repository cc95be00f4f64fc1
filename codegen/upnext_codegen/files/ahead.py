"""Lists the files in a separate process while this one is still starting."""

from __future__ import annotations

import marshal
import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from upnext_codegen.files.cache import size_of_cache
from upnext_codegen.files.discover import Discovery, SourceFile, discover
from upnext_codegen.files.pool import processors

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from io import BufferedReader

    from upnext_codegen.project import Project

_WORTH_IT = 300_000
"""Bytes of a cache that tell of so many files that a second process saves more than it costs."""


@contextmanager
def discover_ahead(project: Project) -> Generator[Callable[[], Discovery]]:
    """List the Python files of a project now, in a second process if that is faster.

    Yields:
        What gives them, once.
    """
    started = _start(project)
    if started is None:
        yield lambda: discover(project)
        return
    child, reading = started
    try:
        with os.fdopen(reading, "rb") as pipe:
            yield lambda: _received(pipe) or discover(project)
    finally:
        # A failed run does not wait for it, and until then no other process can get its process id.
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _start(project: Project) -> tuple[int, int] | None:
    """Start the other process, and return it and its pipe; None if that is impossible or not worthwhile."""
    # A fork in a process with threads can deadlock.
    if size_of_cache(project.root) < _WORTH_IT or processors() < 2 or threading.active_count() > 1:
        return None
    try:
        reading, writing = os.pipe()
    except OSError:
        return None
    try:
        child = os.fork()
    except OSError:
        os.close(reading)
        os.close(writing)
        return None
    if not child:
        _send(project, reading, writing)
    os.close(writing)
    return child, reading


def _send(project: Project, reading: int, writing: int) -> NoReturn:
    """Run the other process; if anything goes wrong there, this one will find out by itself."""
    try:
        # If both held this end open, the other process would wait for ever for a reader of its output.
        os.close(reading)
        found = discover(project)
        data = marshal.dumps(([*map(tuple, found.files)], *found[1:]))
        rest = memoryview(len(data).to_bytes(8, "big") + data)
        while rest:
            rest = rest[os.write(writing, rest) :]
    finally:
        os._exit(0)


def _received(pipe: BufferedReader) -> Discovery | None:
    """Return what the other process found, None if it was stopped before it was complete."""
    length, data = int.from_bytes(pipe.read(8), "big"), pipe.read()
    if not data or len(data) < length:
        return None
    files, *others = marshal.loads(data)  # noqa: S302 - written by this very program a moment ago
    return Discovery(tuple(map(SourceFile._make, files)), *others)
