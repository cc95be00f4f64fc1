"""Imports the file of a service under the module name that its package gives it."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from upnext.errors import ConfigError, ServiceImportError
from upnext.failure_report import place_of_error, report
from upnext.log import log
from upnext.outbox.relay import Relay
from upnext.runner.service import Servable, imported_file
from upnext.worker import Worker

if TYPE_CHECKING:
    from types import ModuleType

_APPLICATIONS = {("starlette", "Starlette"), ("litestar", "Litestar"), ("flask", "Flask"), ("quart", "Quart")}
"""FastAPI's is one of Starlette."""

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
    found = [_not_served(name, value) for name, value in vars(module).items() if _is_application(value)]
    if not services:
        msg = f"{file} has no upnext.Worker, no upnext.Api and no relay: define or import one at its top level."
        raise ConfigError(" ".join([msg, *found]))
    for line in found:
        log.info("%s: %s", file, line)
    return services


def _is_application(value: object) -> bool:
    """Return whether it is the application of a web framework, other than `upnext.Api`."""
    kinds = {(kind.__module__.partition(".")[0], kind.__name__) for kind in type(value).__mro__}
    return not isinstance(value, Servable) and bool(kinds & _APPLICATIONS)


def _not_served(name: str, application: object) -> str:
    kind = type(application).__name__
    way = "make it an upnext.Api, or start" if kind == "FastAPI" else "start"  # which is what an Api is
    return f"{name!r} is a {kind} application, which `upnext run` does not serve: {way} it with its own server."


def _import(file: Path) -> ModuleType:
    root, name = _module_name(file.resolve())
    if file.suffix != ".py" or "." in file.stem:
        raise ConfigError(f"{file} cannot be run: it must have a name that Python imports, such as service.py.")
    sys.path.insert(0, str(root))
    token = imported_file.set(file)
    try:
        module = importlib.import_module(name)
    except ConfigError as error:
        place = place_of_error(error)
        raise ConfigError(f"{error} ({place})" if place else str(error)) from error
    except BaseException as error:  # a module may raise anything, SystemExit too
        failure = report(error)
        msg = f"{file} cannot be imported: {failure.error.partition(chr(10))[0]} ({failure.where})"
        raise ServiceImportError(msg + _hint(file.resolve(), error)) from error
    finally:
        imported_file.reset(token)
    _check_is_of(module, file)
    return module


def _check_is_of(module: ModuleType, file: Path) -> None:
    """Refuse a file that was not loaded because Python imports another file under its name."""
    other = module.__file__
    if other is None or not Path(other).exists() or not file.samefile(other):
        raise ConfigError(
            f"{file} cannot be run: `import {module.__name__}` leads to {other or 'another module'}. Rename the file."
        )


def _hint(file: Path, error: BaseException) -> str:
    """Return the advice to make a folder around the file a package, if that is why it was not found."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    package = error.name.partition(".")[0]
    folder = next((each for each in file.parents if each.name == package), None)
    if folder is None or (folder / "__init__.py").exists():
        return ""
    return f". If the folder {folder.name}/ is meant, add an __init__.py to it."


def _module_name(file: Path) -> tuple[Path, str]:
    """Return the folder to import from and the dotted name: a file in a package is a module of that package."""
    parts = [] if file.name == "__init__.py" else [file.stem]
    folder = file.parent
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    return folder, ".".join(parts)
