"""The sources that contracts can be pulled from: a server, a file, or a git repository."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from upnext_codegen.catalog import lock
from upnext_codegen.contract import Contract
from upnext_codegen.deployed.fleet import PublishedContract, deployed_handlers
from upnext_codegen.deployed.snapshot import is_saved, read_saved
from upnext_codegen.errors import ConfigurationError
from upnext_codegen.files.whole_file import read_whole
from upnext_codegen.layout.probing import is_folder
from upnext_codegen.pulled.imports_lock import Source

_SERVER = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_GIT = "git:"
_CREDENTIALS = re.compile(r"(?<=://)[^/@]*@")
_CLASS = "x-upnext-class"
_SECONDS = 60
"""How long git may take to fetch a repository."""
_ENVIRONMENT = {"GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
_OPTIONS = ("-c", f"core.hooksPath={os.devnull}", "-c", "core.fsmonitor=false")


def is_server(address: str) -> bool:
    """Return whether an address is that of a server."""
    return _SERVER.match(address) is not None


def local_source(address: str, root: Path) -> Source:
    """Return a file or repository in its stored form: relative to the project root, without credentials.

    Args:
        address: As a user gives it, relative to the current folder.
        root: The project root.
    """
    if not address.startswith(_GIT):
        return Source(_relative(address, root))
    repository, _, path = address.removeprefix(_GIT).partition("#")
    if is_folder(repository):
        repository = _relative(repository, root)
    elif repository.startswith(("http://", "https://")):
        repository = _CREDENTIALS.sub("", repository)
    return Source(f"{_GIT}{repository}#{path or lock.FILE_NAME}")


def _relative(path: str, root: Path) -> str:
    return Path(os.path.relpath(Path(path).resolve(), root)).as_posix()


def read_local(source: Source, root: Path) -> Contract:
    """Read the current contracts of a file or repository.

    Raises:
        ConfigurationError: If it cannot be read, or holds no contracts.
    """
    address = source.address
    try:
        if address.startswith(_GIT):
            repository, _, path = address.removeprefix(_GIT).partition("#")
            text = _in_git(repository, path, root)
        else:
            text = read_whole(root / address)
        saved = lock.read_object(text)
        if saved is not None and is_saved(saved):
            return contract_of(read_saved(address, saved).published)
        return lock.read(text)
    except (OSError, ValueError, RecursionError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        if isinstance(error, RecursionError):
            reason = "it is nested too deeply"
        raise ConfigurationError(
            f"{address} cannot be read: {reason}. It is an upnext.lock, or what `upnext contracts list --format json` "
            "prints."
        ) from error


def contract_of(published: Iterable[PublishedContract]) -> Contract:
    """Return the contracts of the events that some workers handle, as they publish them.

    Of a handler that is deployed in two releases, a send has to suit both.
    """
    handlers = [each for each in published if each.event and each.schema is not None]
    latest_first = sorted(handlers, key=lambda one: one.since, reverse=True)
    named = [each._replace(schema=_without_arguments(each.schema)) for each in latest_first]
    return deployed_handlers(named).contract()


def _without_arguments(schema: Any) -> Any:
    """Name parametrisations of generic classes as separate classes: `Page[int]` as `Page_int`."""
    if isinstance(schema, list):
        return [_without_arguments(each) for each in cast("list[object]", schema)]
    if not isinstance(schema, dict):
        return schema
    found = {key: _without_arguments(value) for key, value in cast("dict[str, object]", schema).items()}
    if isinstance(found.get(_CLASS), str):
        name, bracket, arguments = found[_CLASS].partition("[")
        found[_CLASS] = f"{name}_{re.sub(r'[^A-Za-z0-9]+', '_', arguments).strip('_')}" if bracket else name
    return found


def _in_git(repository: str, path: str, root: Path) -> str:
    if is_folder(root / repository):
        repository = str((root / repository).resolve())
    with tempfile.TemporaryDirectory(prefix="upnext-pull-") as folder:
        clone = ("clone", "--quiet", "--depth=1", "--no-checkout", "--no-tags", "--", repository, folder)
        _git(repository, *clone)
        return _git(repository, "-C", folder, "cat-file", "blob", f"HEAD:{path}").decode("utf-8")


def _git(repository: str, *arguments: str) -> bytes:
    try:
        command = ["git", *_OPTIONS, *arguments]  # whichever git the user's own commands find
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_SECONDS,
            env={**os.environ, **_ENVIRONMENT},
        )
    except subprocess.TimeoutExpired:
        raise ConfigurationError(f"git did not fetch {repository} within {_SECONDS} seconds.") from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise ConfigurationError(f"git cannot read {repository}: {lines[-1] if lines else 'it says nothing'}.")
    return done.stdout
