"""Listing the files in a process of its own while this one is still starting."""

from __future__ import annotations

import marshal
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from upnext_codegen.files.cache import weight
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
    """List the Python files of a project, at once and beside this process where that pays.

    Yields:
        What gives them, once.
    """
    # A fork in a process with threads can deadlock.
    if weight(project.root) < _WORTH_IT or processors() < 2 or threading.active_count() > 1:
        yield lambda: discover(project)
        return
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        _send(project, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        try:
            yield lambda: _received(pipe) or discover(project)
        finally:
            pipe.close()
            os.waitpid(child, 0)


def _send(project: Project, writing: int) -> NoReturn:
    """What the other process does; whatever happens to it, this one will see for itself."""
    try:
        found = discover(project)
        data = marshal.dumps(([*map(tuple, found.files)], *found[1:]))
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(len(data).to_bytes(8, "big") + data)
    finally:
        os._exit(0)


def _received(pipe: BufferedReader) -> Discovery | None:
    """What the other process found, None if it was stopped before it could say all of it."""
    length, data = int.from_bytes(pipe.read(8), "big"), pipe.read()
    if not data or len(data) < length:
        return None
    files, *others = marshal.loads(data)  # noqa: S302 - written by this very program a moment ago
    return Discovery(tuple(map(SourceFile._make, files)), *others)
