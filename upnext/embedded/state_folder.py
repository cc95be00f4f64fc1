"""The folder of a project's embedded server, in the user's state directory, where no other user can write.

A server loads and runs what is in its folder, so the folder must not come with a checkout or be reachable by another
user: it is below `$XDG_STATE_HOME/upnext/servers` (`~/.local/state` by default), and each part of that path is a real
folder of this user. `.upnext/server` in the project is only a link there. The link is read, never followed, and trusted
only if it names such a folder in which this project's path is recorded; anything else in its place is set aside. So a
project whose `.upnext` was deleted gets a new, empty server, as does a copy of a project, while a project that was
moved keeps its own.

In a project where this user cannot keep a link (a read-only checkout, another user's `.upnext`) the folder's name
follows from the project's path.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

from upnext.errors import ConfigError

LINKS = ".upnext"
"""The folder in the project, which holds the scan cache as well."""

NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
"""What a server's folder can be called."""

MOST = 1000
"""Folders of servers that are looked at."""

_LINK = "server"
_RECORD = "project"
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_NO_FOLLOW = os.O_NOFOLLOW | os.O_CLOEXEC
_logger = logging.getLogger("upnext")


def server_folder(root: Path) -> Path:
    """Return the folder of a project's server, creating it if necessary.

    Raises:
        ConfigError: If this user can have no private folder on this machine.
        OSError: If it cannot be made.
    """
    servers = _servers_folder()
    with _locked_links(root) as links:
        if links is not None:
            folder = _linked(links, servers, root)
            if folder is not None:
                return folder
            folder = _left_behind(links, servers, root) or servers / f"{_slug(root)}-{secrets.token_hex(8)}"
            if _link_to(links, folder, root):
                return _made(folder, root)
    return _made(servers / _name_by_path(root), root)


def existing_server_folder(root: Path) -> Path | None:
    """Return the folder of a project's server; None if it has none yet. Changes nothing."""
    servers, folder = existing_servers_folder(), None
    if servers is None:
        return None
    with suppress(OSError):
        links = os.open(root / LINKS, os.O_RDONLY | os.O_DIRECTORY | _NO_FOLLOW)
        try:
            folder = _linked(links, servers, root, adopt=False)
        finally:
            os.close(links)
    folder = folder or servers / _name_by_path(root)
    return folder if is_private(folder) else None


def make_private(folder: Path) -> Path:
    """Create a folder that only this user can access; anything else in its place is set aside.

    Raises:
        ConfigError: If the folder is not private even so: another user's, or on a file system without rights.
    """
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if not is_private(folder):
        aside = folder.with_name(f"{folder.name}.refused-{secrets.token_hex(4)}")
        with suppress(OSError):
            folder.rename(aside)
            folder.mkdir(mode=0o700)
            _logger.warning("'%s' was not private to this user; it is not used, and is '%s' now.", folder, aside)
    if not is_private(folder):
        raise ConfigError(
            f"'{folder}' must be a folder that only its owner, user {os.geteuid()}, can reach. "
            "Remove it, set XDG_STATE_HOME to a private folder, or set UPNEXT_REDIS_URL."
        )
    return folder


def is_private(folder: Path) -> bool:
    """Whether a path is a real folder of this user without permissions for others."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077


def _servers_folder() -> Path:
    """Return the folder of all of this user's servers, creating it if necessary.

    Raises:
        ConfigError: If there is no place for it.
    """
    for parent in _state_homes():
        if not _is_own(parent):  # another user's home, after sudo, stays as it is
            continue
        with suppress(OSError):
            parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder = parent / "upnext"
            folder.mkdir(mode=0o700, exist_ok=True)
            _check_part(folder)
            return make_private(folder / "servers")
    raise ConfigError(
        "The embedded server has no private folder for its data: neither the home directory nor the temporary one can "
        "be used. Set XDG_STATE_HOME to a folder of this user, or set UPNEXT_REDIS_URL."
    )


def existing_servers_folder() -> Path | None:
    """Return the folder of all of this user's servers; None if there is none yet."""
    for parent in _state_homes():
        folder = parent / "upnext" / "servers"
        if is_private(folder) and _is_own(parent):
            _check_part(folder.parent)
            return folder
    return None


def _state_homes() -> Iterator[Path]:
    """Yield the places for data of this user, best first; the last is for users without a home directory."""
    configured = os.environ.get("XDG_STATE_HOME", "")
    home = os.path.expanduser("~")  # noqa: PTH111  (which raises where there is none)
    if configured.startswith("/"):
        yield Path(configured)
    elif home.startswith("/"):
        yield Path(home) / ".local" / "state"
    yield Path(tempfile.gettempdir()) / f"upnext-state-{os.geteuid()}"


def _is_own(folder: Path) -> bool:
    """Whether a folder, or the one in which it would be created, is this user's, or lets anyone create folders."""
    try:
        existing = next(part for part in (folder, *folder.parents) if part.exists())
        status = existing.stat()
    except (OSError, StopIteration):
        return False
    shared = existing != folder and bool(status.st_mode & stat.S_ISVTX)
    return shared or status.st_uid == os.geteuid()


def _check_part(folder: Path) -> None:
    """Refuse a folder above the servers' folder that another user could change."""
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & _OTHERS_WRITE:
        raise ConfigError(
            f"'{folder}' must be a folder of user {os.geteuid()} that nobody else can write to: the embedded server "
            "keeps its data there. Remove it, correct its owner and mode, or set UPNEXT_REDIS_URL."
        )


@contextmanager
def _locked_links(root: Path) -> Generator[int | None]:
    """Yield the project's `.upnext`, open and locked; None if this user cannot keep a link there."""
    folder = root / LINKS
    try:
        with suppress(FileExistsError):
            folder.mkdir()
        links = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | _NO_FOLLOW)
    except OSError:
        yield None
        return
    try:
        if os.fstat(links).st_uid != os.geteuid():  # who could keep it locked for ever
            yield None
            return
        fcntl.flock(links, fcntl.LOCK_EX)
        with suppress(OSError):  # created or left alone: nothing there is followed
            ignore = os.open(".gitignore", os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW, 0o644, dir_fd=links)
            with os.fdopen(ignore, "w", encoding="utf-8") as file:
                file.write("*\n")
        yield links
    finally:
        os.close(links)


def _linked(links: int, servers: Path, root: Path, *, adopt: bool = True) -> Path | None:
    """Return the folder that the project's link names, if it belongs to this user and this project."""
    try:
        target = Path(os.readlink(_LINK, dir_fd=links))
    except OSError:
        return None
    if target.parent != servers or not NAME.fullmatch(target.name) or not is_private(target):
        return None
    recorded = recorded_project(target)
    if recorded == root or recorded is None:
        return target if recorded else None
    # The project may have been moved here, be a copy, or be reached by another path.
    with suppress(OSError):
        if (recorded / LINKS / _LINK).readlink() == target and not os.path.samestat(
            (recorded / LINKS).stat(), os.fstat(links)
        ):
            return None
    if adopt:
        _record(target, root)
    return target


def _left_behind(links: int, servers: Path, root: Path) -> Path | None:
    """Return the most recently used folder recorded for a project, if its link leads elsewhere.

    Processes with another state directory let it lead to a server of their own. One with this state directory must
    find again what it had.
    """
    try:
        target = Path(os.readlink(_LINK, dir_fd=links))
    except OSError:
        return None
    if target.parent == servers:
        return None
    if target.parent.parts[-2:] == servers.parts[-2:] and is_private(target):
        _logger.warning(
            "The embedded server of '%s' was last used with its data in '%s', by a process with another state "
            "directory. This process has a server of its own, with its data in '%s': neither sees the other's events. "
            "Give both the same HOME and XDG_STATE_HOME, or set UPNEXT_REDIS_URL.",
            root,
            target,
            servers,
        )
    names = islice((each for each in servers.iterdir() if NAME.fullmatch(each.name) and is_private(each)), MOST)
    return max(
        (each for each in names if recorded_project(each) == root), key=lambda each: each.stat().st_mtime, default=None
    )


def _link_to(links: int, folder: Path, root: Path) -> bool:
    """Point the project's link at a folder; anything in its place is set aside. False if it cannot be created."""
    aside = f"{_LINK}.ignored-{secrets.token_hex(4)}"
    try:
        try:
            os.rename(_LINK, aside, src_dir_fd=links, dst_dir_fd=links)
        except FileNotFoundError:
            aside = ""
        os.symlink(folder, _LINK, dir_fd=links)
        if aside and stat.S_ISLNK(os.stat(aside, dir_fd=links, follow_symlinks=False).st_mode):
            os.unlink(aside, dir_fd=links)
            aside = ""
    except OSError:
        return False
    if aside:
        _logger.warning(
            "Ignoring the data in '%s': a server never loads data from a project's folder, where a checkout can put "
            "them. If they are your own (from an earlier release) and you need them, stop the project's processes "
            "and move appendonlydir from there to '%s'.",
            root / LINKS / aside,
            folder,
        )
    return True


def _made(folder: Path, root: Path) -> Path:
    make_private(folder)
    if recorded_project(folder) != root:
        try:
            _record(folder, root)
        except OSError:
            with suppress(OSError):  # it is not empty
                folder.rmdir()
            raise
    return folder


def recorded_project(folder: Path) -> Path | None:
    """Return the project that a server's folder belongs to, or belonged to when it was last used."""
    try:
        with os.fdopen(os.open(folder / _RECORD, os.O_RDONLY | _NO_FOLLOW), "rb") as file:
            return Path(os.fsdecode(file.read()))
    except OSError:
        return None


def _record(folder: Path, root: Path) -> None:
    new = folder / f"{_RECORD}.{secrets.token_hex(4)}"
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW, 0o600), "wb") as file:
            file.write(os.fsencode(root))
        new.rename(folder / _RECORD)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(folder)) from error  # the error of a full disk names no file


def _name_by_path(root: Path) -> str:
    return f"{_slug(root)}-{hashlib.sha256(os.fsencode(root)).hexdigest()[:16]}"


def _slug(root: Path) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", root.name)[:20]
