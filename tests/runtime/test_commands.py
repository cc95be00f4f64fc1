"""`upnext run` and `upnext dead`: what they print, and what they exit with."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import upnext
from tests.forked import run_forked
from tests.runtime.running import SERVICE_HEAD, ServiceFile, running, without_server
from tests.waiting import wait_until
from upnext.cli.connection import check_file
from upnext.runner.service import Service
from upnext.runner.service_loader import load_services

NOWHERE = "redis://127.0.0.1:1"


def command(*arguments: str, cwd: Path, url: str = NOWHERE) -> tuple[int, str, str]:
    """Run the command line and return its exit code and what it printed."""
    code, out, err = run_forked(*arguments, env={**os.environ, "UPNEXT_REDIS_URL": url}, cwd=cwd)
    return code, out, without_server(err)


NO_MEMBER = "service.py has no upnext.Worker, no upnext.Api and no relay: define or import one at its top level."
NOT_IMPORTED = "service.py cannot be imported: "
WORKER = "import upnext, socket\nworker = upnext.Worker('shop')\n@worker.event('e').on\n"


@pytest.mark.parametrize(
    ("source", "code", "words"),
    [
        (
            None,
            2,
            "There is no file 'service.py'. Give the path of the Python file that defines or imports the workers.\n",
        ),
        (
            "x = 1\n",
            2,
            NO_MEMBER + "\n",
        ),
        (
            "from fastapi import FastAPI\napp = FastAPI()\n",
            2,
            NO_MEMBER + " 'app' is a FastAPI application, which `upnext run` does not serve: make it an upnext.Api, or "
            "start it with its own server.\n",
        ),
        ("\nraise ValueError('boom')\n", 1, NOT_IMPORTED + "ValueError: boom (ValueError at service.py:2)\n"),
        ("import sys\nsys.exit(9)\n", 1, NOT_IMPORTED + "SystemExit: 9 (SystemExit at service.py:2)\n"),
        ("def f(:\n", 1, NOT_IMPORTED + "SyntaxError: invalid syntax (service.py, line 1) (SyntaxError)\n"),
        ("import upnext\nupnext.Worker('shop', redis_url='http://x')\n", 2, "Redis URL 'http://x' cannot be used. "),
        (WORKER + "def h(x: 'Missing'): ...\n", 2, "An annotation of 'h' cannot be resolved: name 'Missing' is not "),
        (
            "import upnext\nupnext.run(upnext.Worker('shop'))\n",
            2,
            (
                "upnext.run was called while service.py was imported, as `upnext run` does, which runs what is in it: "
                'put the call under `if __name__ == "__main__":`. (service.py:2)\n'
            ),
        ),
    ],
    ids=["no file", "no worker", "application", "raises", "exits", "syntax", "url", "annotation", "runs itself"],
)
def test_a_service_that_cannot_run_says_why_in_one_line(
    tmp_path: Path, source: str | None, code: int, words: str
) -> None:
    """With the exit code that a supervisor can act on."""
    if source is not None:
        (tmp_path / "service.py").write_text(source)
    assert (got := command("run", "service.py", cwd=tmp_path))[:2] == (code, "")
    assert got[2].startswith("upnext: " + words)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("shop", "shop.py"),
        ("shop:worker", "shop.py"),
        ("shpo.py", "shop.py"),
        ("app.service", "app/service.py"),
        ("app/servce.py", "app/service.py"),
    ],
)
def test_a_file_that_is_not_there_is_told_which_one_was_perhaps_meant(
    tmp_path: Path, given: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for those who are used to naming a module."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app").mkdir()
    for name in ("shop.py", "app/service.py"):
        (tmp_path / name).touch()
    with pytest.raises(upnext.ConfigError, match=re.escape(f"no file '{given}'. Did you mean '{meant}'?")):
        check_file(Path(given))


def test_a_service_that_imports_from_its_own_folder_is_told_what_makes_a_package_of_it(tmp_path: Path) -> None:
    service = tmp_path / "shop" / "service.py"
    service.parent.mkdir()
    service.write_text("import shop.events\n")
    with pytest.raises(
        upnext.UpnextError, match=r"'shop' .*\. If the folder shop/ is meant, add an __init__\.py to it\.$"
    ):
        load_services(service)
    (service.parent / "__init__.py").touch()
    with pytest.raises(upnext.UpnextError, match=r"No module named 'shop\.events' \(.*service.py:1\)$"):
        load_services(service)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("json.py", "json.py cannot be run: `import json` leads to "),
        ("service", "service cannot be run: it must have a name that Python imports, such as service.py."),
        ("v1.2.py", "v1.2.py cannot be run: it must have a name that Python imports, such as service.py."),
    ],
)
def test_a_file_that_python_would_not_import_is_refused(tmp_path: Path, name: str, words: str) -> None:
    """Another module of its name would be run in its place."""
    (tmp_path / name).write_text("import upnext\nworker = upnext.Worker('shop')\n")
    with pytest.raises(upnext.ConfigError, match=re.escape(words)):
        load_services(tmp_path / name)


REFUSED = {
    "annotation": ("@worker.event('e').on\ndef h(x: 'Missing'): ...", "An annotation of 'h'", 3),
    "type": ("@worker.task\ndef h(x: socket.socket): ...", "The parameters of 'h' cannot be checked by pydantic", 3),
    "decorated": ("\n\n@worker.task\n@decorated\ndef h(x: 'Missing'): ...", "An annotation of 'h'", 5),
    "limited by": ("@worker.task(limit=1, by='n')\ndef h(m: int, **more: object): ...", "Option by='n' of 'h'", 3),
    "schedule": ("@worker.cron('* * * * *')\ndef h(x: int): ...", "Task 'h' cannot run on a schedule", 3),
    "partitions": ("@worker.task(limit=1)\ndef h(): ...", "Handler 'h' is limited to", 3),
    "upcaster": ("@worker.event('e').upcast\ndef h(old: dict): ...", "Parameter 'old' of upcaster 'h'", 3),
    "option": ("event = worker.event('e')\n@event.on(retries=-1)\ndef h(): ...", "Option retries=-1", 4),
    "name": ("\nworker.event('no spaces')", "Event name 'no spaces'", 4),
    "decorator": ("@worker.event\ndef h(): ...", "worker.event takes the name of an event, not <function h", 3),
    "twice": ("event = worker.event('e')\n@event.on\ndef h(): ...\nevent.on(h)", "Handlers of worker 'shop' share", 6),
}


@pytest.mark.parametrize(("body", "words", "line"), REFUSED.values(), ids=REFUSED)
async def test_what_is_refused_names_its_file_and_line(
    tmp_path: Path, body: str, words: str, line: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether its import refuses it, or the start of the worker; the file as it is called from the current folder."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / f"service_{abs(hash(body))}.py"
    head = "import functools, socket, upnext; worker = upnext.Worker('shop', partitions=2)\n"
    head += "decorated = lambda function: functools.wraps(function)(lambda *args: None)\n"
    file.write_text(head + body)
    with pytest.raises(upnext.ConfigError) as caught:
        await Service(load_services(file)).run()
    assert str(caught.value).startswith(words)
    assert str(caught.value).endswith(f" ({file.name}:{line})")


def test_a_bad_url_in_the_environment_is_refused(tmp_path: Path) -> None:
    """It is read when the worker is run."""
    (tmp_path / "service.py").write_text("import upnext\nworker = upnext.Worker('shop')\n")
    code, out, err = command("run", "service.py", cwd=tmp_path, url="redis://:hunter2@host:99999")
    assert (code, out) == (2, "")
    assert err.startswith("upnext: Redis URL 'redis://host:99999' cannot be used.")


def test_a_port_that_is_taken_stops_the_whole_service(tmp_path: Path, valkey_url: str) -> None:
    """The workers beside the API stop in order, and the line says which address."""
    (tmp_path / "service.py").write_text(
        "import socket, upnext\ntaken = socket.socket()\ntaken.bind(('127.0.0.1', 0))\ntaken.listen()\n"
        "worker = upnext.Worker('shop')\napi = upnext.Api('shop', port=taken.getsockname()[1])\n"
    )
    code, _, err = command("run", "service.py", cwd=tmp_path, url=valkey_url)
    assert code == 2
    assert "upnext: The Api cannot listen on 127.0.0.1:" in err


def test_a_file_in_a_package_is_imported_under_its_packages_name(tmp_path: Path, valkey_url: str) -> None:
    """Relative imports work, and no module is imported twice."""
    package = tmp_path / "shop" / "app"
    package.mkdir(parents=True)
    (tmp_path / "shop" / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "events.py").write_text("import upnext\nworker = upnext.Worker('shop')\n")
    (package / "handlers.py").write_text(
        "import shop.app.events\nfrom .events import worker\nassert worker is shop.app.events.worker\n"
        "@worker.event('e').on\nasync def h(n: int): print('ran', __name__, n, flush=True)\n"
    )
    (package / "service.py").write_text("from .handlers import worker\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "upnext", "run", "shop/app/service.py"],
        cwd=tmp_path,
        env={**os.environ, "UPNEXT_REDIS_URL": valkey_url},
        stdout=subprocess.PIPE,
        text=True,
    )
    upnext.Worker("t", redis_url=valkey_url).event("e").send_sync(n=1)
    assert process.stdout is not None
    assert process.stdout.readline() == "ran shop.app.handlers 1\n"
    process.terminate()
    assert process.wait(10) == 0
    process.stdout.close()


def test_reload_starts_the_service_again_when_a_file_changes(tmp_path: Path, valkey_url: str) -> None:
    """The next job is run by the new code, also in a project below a hidden folder."""
    body = "worker = upnext.Worker('shop')\n@worker.event('e').on\nasync def h(n: int): note('{}', n)\n"
    project = tmp_path / ".hidden" / "project"
    project.mkdir(parents=True)
    service = ServiceFile(project, valkey_url, body.format("old"))
    event = upnext.Worker("t", redis_url=valkey_url).event("e")
    with service.process("--reload") as process:
        event.send_sync(n=1)
        service.ledger.wait_for("old 1")
        service.file.write_text("")
        assert process.stderr is not None
        wait_until(lambda: "waiting for a change" in process.stderr.readline())
        service.file.write_text(SERVICE_HEAD + body.format("newer"))
        wait_until(lambda: "changed" in process.stderr.readline())
        event.send_sync(n=2)
        service.ledger.wait_for("newer 2")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_reload_runs_the_code_of_an_edit_that_keeps_size_and_second(tmp_path: Path, valkey_url: str) -> None:
    """Python itself would take such a file for the one that it has compiled already."""
    part = tmp_path / "part.py"
    part.write_text("WORD = 'one'\n")
    os.utime(part, ns=(0, 1_700_000_000_100_000_000))
    body = "from part import WORD\nworker = upnext.Worker('shop')\n"
    body += "@worker.event('e').on\nasync def h(n: int): note(WORD, n)\n"
    service = ServiceFile(tmp_path, valkey_url, body)
    service.environment.pop("PYTHONDONTWRITEBYTECODE", None)
    event = upnext.Worker("t", redis_url=valkey_url).event("e")
    with service.process("--reload") as process:
        event.send_sync(n=1)
        service.ledger.wait_for("one 1")
        other = tmp_path / "other"
        other.write_text("WORD = 'two'\n")
        os.utime(other, ns=(0, 1_700_000_000_200_000_000))
        other.rename(part)
        assert process.stderr is not None
        wait_until(lambda: "changed" in process.stderr.readline())
        wait_until(lambda: "Worker 'shop' runs" in process.stderr.readline())
        event.send_sync(n=2)
        service.ledger.wait_for("two 2")


async def test_dead_letters_are_listed_and_replayed(tmp_path: Path, process_url: str) -> None:
    """Text for people, JSON for programs, with the error; neither shows the payload."""
    worker = upnext.Worker("shop", redis_url=process_url)

    @worker.event("order.placed").on
    async def confirm(card: str) -> None:
        raise ValueError("no such card")

    async with running(worker):
        receipt = await worker.event("order.placed").send(card="4711-canary")
        with pytest.raises(upnext.JobFailedError):
            await receipt.results(timeout=10)
    job_id = receipt.jobs[0].id
    code, out, err = command("dead", "list", "--format", "json", cwd=tmp_path, url=process_url)
    (row,) = json.loads(out)["dead_letters"]
    assert (code, err) == (0, "")
    assert {name: row[name] for name in ("job_id", "event_id", "event", "handler", "attempts", "reason", "error")} == {
        "job_id": job_id,
        "event_id": receipt.event_id,
        "event": "order.placed",
        "handler": "confirm",
        "attempts": 1,
        "reason": "failed",
        "error": "ValueError: no such card",
    }
    code, text, err = command("dead", "list", cwd=tmp_path, url=process_url)
    assert (code, err) == (0, "")
    head, line, *_ = text.splitlines()
    assert head.split() == ["died", "job", "event", "handler", "attempts", "reason", "error"]
    assert line.split(maxsplit=6)[1:] == [job_id, "order.placed", "confirm", "1", "failed", "ValueError: no such card"]
    assert "canary" not in out + text

    code, out, err = command("dead", "replay", job_id, "nonsense", cwd=tmp_path, url=process_url)
    assert (code, out) == (1, f"{job_id} will run again.\n")
    assert err == "upnext: No dead letter with id nonsense; run `upnext dead list`.\n"
    assert command("dead", "list", cwd=tmp_path, url=process_url) == (0, "No dead letters.\n", "")
    nobody = "upnext: There is no handler or task 'mial' here. See `upnext handlers list`.\n"
    found = command("dead", "list", "--handler", "mial", cwd=tmp_path, url=process_url)
    assert found == (0, "No dead letters.\n", nobody)
    assert command("jobs", "list", "--handler", "mial", cwd=tmp_path, url=process_url) == (0, "No jobs.\n", nobody)
    code, out, err = command("jobs", "list", "--event", "order.plaecd", cwd=tmp_path, url=process_url)
    assert (code, out) == (0, "No jobs.\n")
    assert err == "upnext: There is no handler of 'order.plaecd' here. Did you mean 'order.placed'?\n"
    code, out, err = command("dead", "purge", "--reason", "crahsed", "--yes", cwd=tmp_path, url=process_url)
    assert (code, out) == (2, "")
    assert "invalid choice: 'crahsed' (choose from 'failed', 'timeout'," in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("dead", "list"),
        ("dead", "list", "--format", "json"),
        ("dead", "show", "x"),
        ("dead", "replay", "x"),
        ("dead", "purge", "--all", "--yes"),
        ("status",),
    ],
)
def test_a_server_that_is_away_is_exit_code_3_and_one_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Standard output stays empty."""
    code, out, err = command(*arguments, cwd=tmp_path)
    assert (code, out) == (3, "")
    assert err == (
        "upnext: No answer from the server at redis://127.0.0.1:1: 127.0.0.1:1 refuses connections. "
        "Check that it runs, and that this is its address.\n"
    )


def test_a_database_that_the_server_does_not_have_is_exit_code_3(tmp_path: Path, valkey_url: str) -> None:
    """No waiting helps; a database that is not a number is an error of configuration."""
    (tmp_path / "service.py").write_text(WORKER + "def h(n: int): ...\n")
    for arguments in (("run", "service.py"), ("status",)):
        code, out, err = command(*arguments, cwd=tmp_path, url=f"{valkey_url}?db=9999")
        assert (code, out) == (3, "")
        assert err.endswith("rejects this client: DB index is out of range\n")
        assert command(*arguments, cwd=tmp_path, url="redis://h/x")[:2] == (2, "")
