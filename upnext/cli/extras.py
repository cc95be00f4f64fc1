"""The message of a command whose extra is not installed."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from upnext.errors import ConfigError


@contextmanager
def extra(name: str, *modules: str) -> Generator[None]:
    """Turn a missing module of an extra into one sentence.

    Args:
        name: The extra.
        modules: The top-level modules that it installs.

    Raises:
        ConfigError: If one of them cannot be imported inside the block.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in modules:
            raise
        raise ConfigError(
            f"{missing} is not installed; install what this needs: pip install 'upnext[{name}]'"
        ) from error
