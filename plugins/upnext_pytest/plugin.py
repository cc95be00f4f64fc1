"""The fixtures. They import upnext only when needed, because every pytest run loads this plugin."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

if TYPE_CHECKING:
    from upnext_pytest.contracts import ContractChecks
    from upnext_pytest.sends import Sends
    from upnext_pytest.workers import RunWorkers


Override: TypeAlias = Callable[[Callable[..., Any], Callable[..., Any]], None]
"""Lets another function provide what one does."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the settings."""
    parser.addini("upnext_redis_url", "server for the fixtures of upnext (default: an embedded one)", default="")
    parser.addini(
        "upnext_forbid_sends",
        "refuse sends of tests that use none of upnext's fixtures (default: false)",
        type="bool",
        default=False,
    )


@pytest.fixture(scope="session")
def upnext_server(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Provide the URL of a server for this run.

    UPNEXT_TEST_REDIS_URL, else the setting `upnext_redis_url`, else an embedded server that ends with the run.
    """
    from upnext_pytest.servers import server_url  # noqa: PLC0415

    temporary = tmp_path_factory.getbasetemp()
    # Each process of pytest-xdist has a folder within a shared one.
    shared = temporary.parent if hasattr(pytestconfig, "workerinput") else temporary
    return server_url(str(pytestconfig.getini("upnext_redis_url")), shared)


@pytest.fixture
def upnext_namespace(upnext_server: str, monkeypatch: pytest.MonkeyPatch) -> Generator[str]:
    """Provide a separate namespace on that server, used by every worker and send of the test; deleted afterwards."""
    from upnext_pytest.servers import clean_namespace  # noqa: PLC0415

    with clean_namespace(upnext_server) as namespace:
        # For processes that the test starts.
        monkeypatch.setenv("UPNEXT_REDIS_URL", upnext_server)
        monkeypatch.setenv("UPNEXT_NAMESPACE", namespace)
        yield namespace


@pytest.fixture
def upnext_sent() -> Generator[Sends]:
    """Provide the list of everything that the tested code sends; nothing reaches a server, handlers run on request."""
    yield from _sends(inline=False)


@pytest.fixture
def upnext_inline() -> Generator[Sends]:
    """Provide the same, with each send running its handlers before it returns; their exceptions propagate."""
    yield from _sends(inline=True)


@pytest.fixture
def upnext_workers(upnext_namespace: str) -> RunWorkers:  # noqa: ARG001  # for its effect
    """Provide a way to run workers on a real server within a block.

    `async with upnext_workers(worker) as running: ...`, or `with` in a test that is not async.
    """
    from upnext_pytest.workers import Workers  # noqa: PLC0415

    return Workers


@pytest.fixture
def upnext_provide() -> Generator[Override]:
    """Provide a way to replace a provider until the test ends: `upnext_provide(get_session, fake)`."""
    from contextlib import ExitStack  # noqa: PLC0415

    from upnext.provide import overriding  # noqa: PLC0415

    with ExitStack() as stack:
        yield lambda function, by: stack.enter_context(overriding(function, by))


@pytest.fixture
def upnext_contracts(request: pytest.FixtureRequest) -> ContractChecks:
    """Provide a way to call handlers with random payloads of their contracts: `upnext_contracts.check(worker)`."""
    try:
        from upnext_pytest.contracts import ContractChecks  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != "hypothesis":
            raise
        raise pytest.UsageError("upnext_contracts needs hypothesis: pip install 'upnext[hypothesis]'") from error
    return ContractChecks(request.path.parent)


@pytest.fixture(autouse=True)
def _upnext_guard(pytestconfig: pytest.Config) -> Generator[None]:
    if not pytestconfig.getini("upnext_forbid_sends"):
        yield
        return
    from upnext.transport import use_transport  # noqa: PLC0415
    from upnext_pytest.refusing import Refusal  # noqa: PLC0415

    with use_transport(Refusal()):
        yield


def _sends(*, inline: bool) -> Generator[Sends]:
    from upnext.transport import use_transport  # noqa: PLC0415
    from upnext_pytest.sends import Sends  # noqa: PLC0415

    sends = Sends(inline=inline)
    with use_transport(sends):
        yield sends
