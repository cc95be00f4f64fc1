"""Finds the server and namespace that a command is about, and runs its requests there."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from contextlib import contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from upnext.cli.loading import seldom_collected
from upnext.cli.paths import to_path
from upnext.cli.terminal import visible
from upnext.errors import BrokerRefusedError, BrokerUnavailableError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from types import ModuleType

    from upnext.broker.namespace import Namespace
    from upnext.settings import Settings

T = TypeVar("T")


def add_server_options(
    parser: argparse.ArgumentParser,
    title: str = "where to look (default: UPNEXT_REDIS_URL and UPNEXT_NAMESPACE)",
    *,
    service: bool = True,
    file: bool = False,
) -> None:
    """Add options for the server and the namespace to a command.

    Args:
        parser: The command's.
        title: Of the options in its help.
        service: Whether a service file may be given in their place.
        file: Whether that may also be given without its option.
    """
    where = parser.add_argument_group(title)
    where.add_argument("--redis-url", metavar="URL", help="the server's address")
    where.add_argument("--namespace", metavar="NAME", help="the namespace there")
    if service:
        where.add_argument("--service", type=to_path, metavar="FILE", help="use the settings of this file's workers")
    if file:
        where.add_argument("file", nargs="?", type=to_path, metavar="FILE", help="the same as --service FILE")


def addressed(settings: Settings, arguments: argparse.Namespace) -> Settings:
    """Return settings with the server and the namespace from the command line.

    Raises:
        ConfigError: If they cannot be used.
    """
    given = {"redis_url": arguments.redis_url, "namespace": arguments.namespace}
    return dataclasses.replace(settings, **{name: value for name, value in given.items() if value is not None})


def ask(
    arguments: argparse.Namespace, question: Callable[[Namespace], Awaitable[T]], *, start_embedded: bool = False
) -> T:
    """Connect, name the server on standard error (not beside JSON), and return the query's result.

    Args:
        arguments: What the command was called with.
        question: What to ask.
        start_embedded: Whether to start the embedded server if no address is configured and it does not run.

    Raises:
        BrokerUnavailableError: If the server cannot be reached, or goes away.
        BrokerRefusedError: If it rejects this client.
        ConfigError: If the settings cannot be used.
    """
    import asyncio  # noqa: PLC0415 - commands import what they need

    settings = settings_for(arguments, start_embedded=start_embedded)
    return asyncio.run(ask_at(settings, question, say=getattr(arguments, "format", "text") == "text"))


def described(namespace: Namespace) -> dict[str, str]:
    """Return the JSON keys for the server and namespace: the address without its password, and the namespace."""
    from upnext.settings import without_password  # noqa: PLC0415 - commands import what they need

    return {"server": without_password(namespace.url), "namespace": namespace.name}


async def ask_at(settings: Settings, question: Callable[[Namespace], Awaitable[T]], *, say: bool) -> T:
    """Do the same as `ask` for settings that name a server, and print it only on request."""
    from upnext.broker import failures  # noqa: PLC0415 - commands import what they need
    from upnext.connect import reach  # noqa: PLC0415

    namespace = await reach(settings)
    if say:
        where = described(namespace)
        print(f"Server {visible(where['server'])}, namespace {where['namespace']}", file=sys.stderr)
    try:
        return await question(namespace)
    except BrokenPipeError:
        raise  # the reader of our output has seen enough
    except failures.SERVER_ERRORS as error:
        if failures.classify(error) is failures.FailureKind.REFUSED:
            reason = failures.describe_refusal(error)
            raise BrokerRefusedError(f"The server rejects this client: {reason}") from error
        raise BrokerUnavailableError(failures.failure_sentence(error)) from error


def settings_for(arguments: argparse.Namespace, *, start_embedded: bool = False) -> Settings:
    """Return the settings of a command, always with a server's address.

    Args:
        arguments: What the command was called with.
        start_embedded: Whether to start the embedded server if no address is configured and it does not run.

    Raises:
        BrokerUnavailableError: If no address is configured, and no embedded server runs.
        ConfigError: If the settings cannot be used.
    """
    file = arguments.service or getattr(arguments, "file", None)
    # A service file may use redis-py's OpenTelemetry metrics; a command alone does not.
    with seldom_collected(), nullcontext() if file else _unimportable("opentelemetry"):
        from upnext.settings import load  # noqa: PLC0415 - commands import what they need
    settings = load(redis_url=arguments.redis_url) if file is None else _settings_of_service(file)
    settings = addressed(settings, arguments)
    if settings.redis_url is None:
        settings = dataclasses.replace(settings, redis_url=_embedded_url(settings, start=start_embedded))
    return settings


@contextmanager
def _unimportable(module: str) -> Generator[None]:
    """Prevent the import of a module within the block, unless it is already imported.

    redis-py imports the SDK of OpenTelemetry wherever that is installed, which doubles the time that it takes to load.
    """
    if module in sys.modules:
        yield
        return
    modules: dict[str, ModuleType | None] = cast("dict[str, ModuleType | None]", sys.modules)
    modules[module] = None
    try:
        yield
    finally:
        del modules[module]


def check_file(file: Path) -> None:
    """Refuse a service file that does not exist.

    Raises:
        ConfigError: With the file that was perhaps meant: `shop`, `shop.service` and `shop.service:app` are how other
            programs are told of a module.
    """
    if file.is_file():
        return
    name = str(file).partition(":")[0].removesuffix(".py")
    candidates = dict.fromkeys((Path(f"{name}.py"), Path(f"{name.replace('.', '/')}.py"), file / "__main__.py"))
    meant = [str(candidate) for candidate in candidates if candidate.is_file()]
    if not meant and file.parent.is_dir():
        import difflib  # noqa: PLC0415 - nothing else needs it

        near = difflib.get_close_matches(file.name, (each.name for each in file.parent.glob("*.py")), n=1)
        meant = [str(file.with_name(each)) for each in near]
    way_out = (
        f"Did you mean {meant[0]!r}?"
        if meant
        else "Give the path of the Python file that defines or imports the workers."
    )
    raise ConfigError(f"There is no file {str(file)!r}. {way_out}")


def _settings_of_service(file: Path) -> Settings:
    from upnext.runner.service_loader import load_services  # noqa: PLC0415 - commands import what they need
    from upnext.settings import without_password  # noqa: PLC0415
    from upnext.worker import Worker  # noqa: PLC0415

    check_file(file)
    with redirect_stdout(sys.stderr):  # what the file prints is not part of the report
        services = load_services(file)
    found = {
        (settings.redis_url, settings.namespace): settings
        for service in services
        if isinstance(service, Worker)
        for settings in (service.registry.settings,)
    }
    if not found:
        raise ConfigError(f"{file} has no upnext.Worker: define or import one at its top level, or pass --redis-url.")
    if len(found) > 1:
        shown = sorted(
            f"{'the embedded server' if url is None else without_password(url)} ({namespace})"
            for url, namespace in found
        )
        raise ConfigError(
            f"The workers of {file} use several: {', '.join(shown)}. Pass --redis-url and --namespace instead."
        )
    return next(iter(found.values()))


def _embedded_url(settings: Settings, *, start: bool) -> str:
    from upnext import embedded  # noqa: PLC0415 - only development needs it
    from upnext.connect import resolve_url  # noqa: PLC0415

    if start:
        return resolve_url(settings)
    url = embedded.running_url()
    if url is None:
        raise BrokerUnavailableError(
            "No server to look at: UPNEXT_REDIS_URL is not set, and this project's embedded server is not running. "
            "Start a worker with `upnext run`, or pass --redis-url."
        )
    return url
