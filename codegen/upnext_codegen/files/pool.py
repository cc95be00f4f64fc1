"""Parsing, in several processes where there is enough of it to pay for starting them."""

from __future__ import annotations

import gc
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from upnext_codegen.files import encoding
from upnext_codegen.files.cache import digest
from upnext_codegen.files.prefilter import NOTHING, weight
from upnext_codegen.files.source import SourceError, check_syntax
from upnext_codegen.reading.facts import Facts
from upnext_codegen.reading.reader import read

_WORTH_IT = 2_000_000
"""Bytes of source from which on a second process saves more than it costs."""


class Parsed(NamedTuple):
    """What came of a file.

    Attributes:
        facts: None where it cannot be read, or only its syntax was asked for.
        text: The facts as JSON.
        digest: Of its bytes.
        fault: Line, column and reason, where it cannot be read.
        weight: What the prefilter says of them.
    """

    facts: Facts | None
    text: str
    digest: str
    fault: tuple[int, int, str] | None
    weight: int = NOTHING


def parse_file(root: str, path: str, *, whole: bool) -> Parsed:
    """Read and parse one file."""
    return _parsed(root, path, partial(read, whole=whole))


def check_file(root: str, path: str) -> Parsed:
    """Read and parse one file for its syntax alone."""
    return _parsed(root, path, _checked)


def _checked(data: bytes) -> None:
    check_syntax(data)


def _parsed(root: str, path: str, reading: Callable[[bytes], Facts | None]) -> Parsed:
    try:
        with open(f"{root}/{path}", "rb") as file:  # noqa: PTH123 - a Path costs as much as the reading
            data = file.read()
    except FileNotFoundError:
        return Parsed(None, "", "", None)
    except OSError as error:
        return Parsed(None, "", "", (1, 1, error.strerror or "it cannot be opened"))
    try:
        facts = reading(data)
    except SourceError as error:
        return Parsed(None, "", digest(data), (error.line, error.column, error.reason), weight(data))
    return Parsed(facts, "" if facts is None else encoding.dumps(facts), digest(data), None, weight(data))


def parse_all(root: str, paths: list[str], size: int, *, syntax: bool = False) -> Iterator[tuple[str, Parsed]]:
    """Parse many files, in the order of their paths, for what they define or for their syntax alone."""
    job = partial(check_file, root) if syntax else partial(parse_file, root, whole=False)
    workers = min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1, 8)
    # A fork in a process with threads can deadlock, and starting fresh interpreters takes longer than it saves.
    if size < _WORTH_IT or workers < 2 or threading.active_count() > 1:
        yield from zip(paths, map(job, paths), strict=True)
        return
    gc.freeze()
    try:
        with multiprocessing.get_context("fork").Pool(workers) as pool:
            yield from zip(paths, pool.imap(job, paths, chunksize=8), strict=True)
    finally:
        gc.unfreeze()
