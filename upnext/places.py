"""Source locations for messages: file and line, with the path relative to the current folder."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from upnext.errors import ConfigError


def relative(path: str) -> str:
    """Return a path from the current folder on, if it is below that."""
    try:
        found = os.path.relpath(path)
    except BaseException:  # noqa: BLE001  # the working directory is gone, or on another drive
        return path
    return path if found.startswith("..") else found


def place_of(function: Callable[..., Any]) -> str:
    """Return `file:line` of a function as it was written, below whatever decorates it; its repr where it has none."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{relative(code.co_filename)}:{code.co_firstlineno}" if code else repr(function)


@contextmanager
def naming_place(function: Callable[..., Any]) -> Generator[None]:
    """Add to what refuses a function within the block where that stands."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{error} ({place_of(function)})") from error
