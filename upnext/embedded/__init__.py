"""The development server: a real Valkey without set-up, for projects that have no Redis URL configured.

The first process of a project that needs it starts it, later ones join, and the last one to leave stops it. Its data
are kept in the user's state directory, so that a restart loses nothing, and nothing that came with a checkout is
loaded (`state_folder.py`). `joining.py` describes how the processes agree.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from upnext.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

__all__ = ["running_url", "server_url"]


def server_url(project: Path | None = None, *, folder: Path | None = None) -> str:
    """Start or join the project's embedded server, and keep it alive for as long as this process lives.

    Blocks until the server answers: a fraction of a second for the first process of a project, next to nothing for the
    others. Safe to call from several threads, from many processes at once, and after a fork.

    Args:
        project: The folder that the server belongs to. By default the nearest folder upward from the current one that
            holds a pyproject.toml, or else the current folder.
        folder: The server's own folder, for its data, log and socket; made so that only this user can reach it. By
            default one in the user's state directory that belongs to the project.

    Returns:
        A `unix://` URL.

    Raises:
        ConfigError: If there is no server for this machine, or if it does not start.

    """
    _refuse_windows()
    from upnext.embedded import joining, location  # noqa: PLC0415  (they import what Windows does not have)

    with _usable():
        return joining.join(location.project_root() if project is None else project.resolve(), folder)


def running_url(project: Path | None = None) -> str | None:
    """Join the project's embedded server if it is running; starts nothing, and creates no folder.

    Args:
        project: The folder that the server belongs to, as above.

    Returns:
        A `unix://` URL, None if no server runs.

    Raises:
        ConfigError: If there is no embedded server for this machine, or its folder cannot be trusted.
    """
    _refuse_windows()
    from upnext.embedded import joining, location  # noqa: PLC0415  (they import what Windows does not have)

    with _usable():
        return joining.join_running(location.project_root() if project is None else project.resolve())


def _refuse_windows() -> None:
    if sys.platform == "win32":
        raise ConfigError(
            "There is no embedded server for Windows. Set UPNEXT_REDIS_URL to the URL of a Redis or Valkey server."
        )


@contextmanager
def _usable() -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"The embedded server cannot be used: {error}. "
            "Correct that, or set UPNEXT_REDIS_URL to the URL of a Redis or Valkey server."
        ) from error
