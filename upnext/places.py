"""Source locations for messages: file and line, with the path relative to the current folder."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from upnext.errors import ConfigError


def relative(path: str) -> str:
    """Return a path relative to the current folder, if it is below it."""
    try:
        found = os.path.relpath(path)
    except BaseException:  # noqa: BLE001  # the working directory is gone, or on another drive
        return path
    return path if found.startswith("..") else found


def place_of(function: Callable[..., Any]) -> str:
    """Return `file:line` of a function's own definition, below its decorators; its repr if there is none."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{relative(code.co_filename)}:{code.co_firstlineno}" if code else repr(function)


@contextmanager
def naming_place(function: Callable[..., Any]) -> Generator[None]:
    """Add the place of a function to errors that refuse it within the block."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{error} ({place_of(function)})") from error
