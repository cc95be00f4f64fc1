"""Which server and namespace a command looks at, and how it says so; it starts no server to look at."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import pytest

import upnext
from tests.forked import run_forked
from tests.runtime.running import ServiceFile
from upnext.cli import main
from upnext.registry import declarations

Command: TypeAlias = "Callable[..., tuple[int, str, str]]"

COMMANDS = {
    "status": ("status",),
    "doctor": ("doctor",),
    "dead list": ("dead", "list"),
    "dead show": ("dead", "show", "x"),
    "dead replay": ("dead", "replay", "x"),
    "dead purge": ("dead", "purge", "x", "--yes"),
    "unsubscribe": ("unsubscribe", "x"),
}
POSITIONAL = ("status", "doctor", "dead list")
every_command = pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the command line in this process."""
    capsys.readouterr()
    code = main(arguments)
    return code, *capsys.readouterr()


@every_command
def test_the_server_and_namespace_are_given_by_options_and_said(
    words: tuple[str, ...], valkey_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They win over the environment."""
    monkeypatch.setenv("UPNEXT_REDIS_URL", "redis://127.0.0.1:1")
    monkeypatch.setenv("UPNEXT_NAMESPACE", "other")
    _, _, err = run(capsys, *words, "--redis-url", valkey_url, "--namespace", "shop")
    assert err.splitlines()[0] == f"Server {valkey_url}, namespace shop"


@pytest.mark.parametrize("words", [("status",), ("doctor",), ("dead", "list")], ids=" ".join)
def test_json_says_it_in_two_keys_and_nothing_on_standard_error(
    words: tuple[str, ...], valkey_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """So that a program need not parse a line."""
    _, out, err = run(capsys, *words, "--redis-url", valkey_url, "--namespace", "shop", "--format", "json")
    assert err == ""
    assert {name: json.loads(out)[name] for name in ("server", "namespace")} == {
        "server": valkey_url,
        "namespace": "shop",
    }


@every_command
def test_no_password_is_said(words: tuple[str, ...], valkey_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither where it is wrong nor where it is right."""
    code, out, err = run(capsys, *words, "--redis-url", f"{valkey_url}?username=default&password=hunter2")
    assert "hunter2" not in out + err
    assert code in {0, 1, 3}


@every_command
def test_a_service_file_gives_the_settings_of_its_workers(
    words: tuple[str, ...], valkey_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it prints when it is imported does not spoil the report, and an option still wins."""
    file = tmp_path / f"service_{abs(hash(words))}.py"
    file.write_text(f"import upnext\nprint('hello')\nworker = upnext.Worker('w', redis_url={valkey_url!r})\n")
    _, out, err = run(capsys, *words, "--service", str(file))
    assert f"Server {valkey_url}, namespace default" in err
    assert "hello" not in out
    _, _, err = run(capsys, *words, "--service", str(file), "--namespace", "shop")
    assert f"Server {valkey_url}, namespace shop" in err
    if " ".join(words) in POSITIONAL:
        _, _, err = run(capsys, *words, str(file))
        assert f"Server {valkey_url}, namespace default" in err


def test_workers_of_one_file_with_several_servers_need_an_option(
    tmp_path: Path, valkey_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rather than looking at one of them."""
    (tmp_path / "two_servers.py").write_text(
        "import upnext\none = upnext.Worker('one', redis_url='redis://u:hunter2@one')\n"
        "two = upnext.Worker('two', redis_url='redis://two')\n"
    )
    code, out, err = run(capsys, "status", str(tmp_path / "two_servers.py"))
    assert (code, out) == (2, "")
    assert "use several: redis://one (default), redis://two (default). Pass --redis-url" in err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--redis-url", "nonsense"), 2, "Redis URL 'nonsense' cannot be used"),
        (("--redis-url", ""), 2, "Redis URL '' cannot be used"),
        (("--namespace", "a b"), 2, "a b"),
        (("--redis-url", "a" * 1000), 2, "aaaaa'… cannot be used."),
        (("--service", "missing.py"), 2, "There is no file 'missing.py'."),
        (("--service", "a" * 300), 2, "cannot be used: File name too long."),
    ],
)
def test_a_place_that_cannot_be_used_is_exit_code_2(
    arguments: tuple[str, ...], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the reason in one line."""
    got, out, err = run(capsys, "status", *arguments)
    assert (got, out, err.count("\n")) == (code, "", 1)
    assert words in err


@every_command
def test_no_embedded_server_is_started_to_look_at(words: tuple[str, ...], tmp_path: Path) -> None:
    """It is said that none runs, and nothing is made, neither in the project nor in the user's state directory."""
    project, state = tmp_path / "project", tmp_path / "state"
    project.mkdir()
    (project / "pyproject.toml").touch()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("UPNEXT_")}
    code, out, err = run_forked(*words, cwd=project, env={**environment, "XDG_STATE_HOME": str(state)})
    assert (code, out) == (3, "")
    assert err == (
        "upnext: No server to look at: UPNEXT_REDIS_URL is not set, and this project's embedded server is not running. "
        "Start a worker with `upnext run`, or pass --redis-url.\n"
    )
    assert not state.exists()
    assert [path.name for path in project.iterdir()] == ["pyproject.toml"]


def test_an_embedded_server_that_runs_is_looked_at(tmp_path: Path) -> None:
    """And does not stop meanwhile."""
    (tmp_path / "pyproject.toml").touch()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("UPNEXT_")}
    sender = "import upnext, subprocess, sys\nupnext.Worker('w').event('e').send_sync(n=1)\n"
    sender += "sys.exit(subprocess.call([sys.executable, '-m', 'upnext', 'status', '--format', 'json']))"
    done = subprocess.run(
        [sys.executable, "-c", sender], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["totals"]["unrouted"] == 1


@pytest.mark.parametrize("further", [(), ("--processes", "2")], ids=["one process", "several"])
def test_run_takes_the_server_and_namespace_for_every_worker_of_the_file(
    tmp_path: Path, valkey_url: str, further: tuple[str, ...]
) -> None:
    """Over the workers' own address and the environment, also for receipts that name no worker."""
    body = """
        worker = upnext.Worker("shop", redis_url="redis://127.0.0.1:1")

        @worker.event("order.placed").on
        async def handle() -> None: ...

        @worker.task
        async def main() -> None:
            receipt = await worker.event("order.placed").send()
            await upnext.Receipt.of(receipt.event_id).results(timeout=20)
            note("done", os.environ["UPNEXT_NAMESPACE"])
    """
    service = ServiceFile(tmp_path, "redis://127.0.0.1:2", body, UPNEXT_NAMESPACE="other")
    address = ("--redis-url", valkey_url, "--namespace", "given")
    sender = upnext.Worker("shop", redis_url=valkey_url)

    @sender.task(name="main")
    async def submit() -> None: ...

    declarations.adjust_settings(lambda settings: replace(settings, namespace="given"))
    try:
        submit.submit_sync()
    finally:
        declarations.adjust_settings(None)
    with service.process(*address, *further):
        service.ledger.wait_for("done given")


@pytest.mark.parametrize(
    ("option", "value"), [("--redis-url", "redis://:hunter2@host:99999"), ("--namespace", "a b")], ids=["url", "name"]
)
def test_run_refuses_an_address_that_cannot_be_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    """Before the file is imported, and without the password."""
    file = tmp_path / "service.py"
    file.write_text("print('imported')")
    code, out, err = run(capsys, "run", str(file), option, value)
    assert (code, out) == (2, "")
    assert "cannot be used" in err
    assert "hunter2" not in err
