"""Importing the file that a service is written in, under the name that its package gives it."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, TypeAlias

from upnext.errors import ConfigError, ServiceImportError
from upnext.outbox.relay import Relay
from upnext.runner.failure_report import report
from upnext.runner.service import Servable
from upnext.worker import Worker

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

Member: TypeAlias = "Worker | Servable | Relay"


def load_services(file: Path) -> list[Member]:
    """Import a file and return the workers, APIs and relays that it defines or imports, each once.

    Raises:
        ServiceImportError: If the file cannot be imported.
        ConfigError: If there is none in it.
    """
    module = _import(file)
    services: list[Member] = []
    for value in vars(module).values():
        if isinstance(value, (Worker, Servable, Relay)) and not isinstance(value, type) and value not in services:
            services.append(value)
    if not services:
        msg = f"{file} has no upnext.Worker, no upnext.Api and no relay: define or import one at its top level."
        raise ConfigError(msg)
    return services


def _import(file: Path) -> ModuleType:
    root, name = _module_name(file.resolve())
    sys.path.insert(0, str(root))
    try:
        return importlib.import_module(name)
    except ConfigError:
        raise
    except BaseException as error:  # a module may raise anything, SystemExit too
        failure = report(error)
        msg = f"{file} cannot be imported: {failure.error.partition(chr(10))[0]} ({failure.where})"
        raise ServiceImportError(msg) from error


def _module_name(file: Path) -> tuple[Path, str]:
    """Return the folder to import from and the dotted name: a file in a package is that package's module."""
    parts = [] if file.name == "__init__.py" else [file.stem]
    folder = file.parent
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    return folder, ".".join(parts)
