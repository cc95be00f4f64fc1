"""The development server: a real Valkey that needs no set-up, for projects that have no Redis URL configured.

The first process of a project that asks starts it, later ones join it, the last one to go stops it. Its data are kept
under the project's `.upnext/` folder, so that a restart loses nothing. `joining.py` tells how the processes agree.
"""

from __future__ import annotations

import sys
from pathlib import Path

from upnext.errors import ConfigError

__all__ = ["server_url"]


def server_url(project: Path | None = None) -> str:
    """Start or join the project's embedded server, and keep it alive for as long as this process lives.

    Blocks until the server answers: a fraction of a second for the first process of a project, next to nothing for the
    others. Safe to call from several threads, from many processes at once, and after a fork.

    Args:
        project: The folder that the server belongs to. By default the nearest folder upward from the current one that
            holds a pyproject.toml, or else the current folder.

    Returns:
        A `unix://` URL.

    Raises:
        ConfigError: If there is no server for this machine, or if it does not start.

    """
    if sys.platform == "win32":
        raise ConfigError(
            "There is no embedded server for Windows. Set UPNEXT_REDIS_URL to the URL of a Redis or Valkey server."
        )
    from upnext.embedded import joining, location  # noqa: PLC0415  (they import what Windows does not have)

    root = location.project_root() if project is None else project.resolve()
    try:
        return joining.join(root)
    except OSError as error:
        raise ConfigError(
            f"The embedded server cannot be used in '{root / location.FOLDER}': {error}. "
            "Make that folder writable, or set UPNEXT_REDIS_URL to the URL of a Redis or Valkey server."
        ) from error
