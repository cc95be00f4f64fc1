"""What parsing a file gives, as it is handed from one process to another."""

from __future__ import annotations

from typing import NamedTuple

from upnext_codegen.files.cache import digest
from upnext_codegen.files.prefilter import NOTHING, weight
from upnext_codegen.files.source import SourceError, check_syntax
from upnext_codegen.reading.facts import Facts
from upnext_codegen.reading.reader import read


class Parsed(NamedTuple):
    """What came of a file.

    Attributes:
        facts: None where it cannot be read, or only its syntax was asked for.
        digest: Of its bytes.
        fault: Line, column and reason, where it cannot be read; empty where it can.
        weight: What the prefilter says of them.
    """

    facts: Facts | None
    digest: str
    fault: tuple[int, int, str] | tuple[()]
    weight: int = NOTHING


def parse_file(root: str, path: str, *, whole: bool) -> Parsed:
    """Read and parse one file."""
    data = _bytes(root, path)
    if isinstance(data, Parsed):
        return data
    try:
        return Parsed(read(data, whole=whole), digest(data), (), weight(data))
    except SourceError as error:
        return Parsed(None, digest(data), (error.line, error.column, error.reason), weight(data))
    except RecursionError:
        return Parsed(None, digest(data), (1, 1, "it is nested too deeply"), weight(data))


def check_file(root: str, path: str) -> Parsed:
    """Read and parse one file for its syntax alone."""
    data = _bytes(root, path)
    if isinstance(data, Parsed):
        return data
    try:
        check_syntax(data)
    except SourceError as error:
        return Parsed(None, digest(data), (error.line, error.column, error.reason), weight(data))
    return Parsed(None, digest(data), (), weight(data))


def _bytes(root: str, path: str) -> bytes | Parsed:
    try:
        with open(f"{root}/{path}", "rb") as file:  # noqa: PTH123 - a Path costs as much as the reading
            return file.read()
    except FileNotFoundError:
        return Parsed(None, "", ())
    except OSError as error:
        return Parsed(None, "", (1, 1, error.strerror or "it cannot be opened"))
