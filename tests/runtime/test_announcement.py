"""What a worker says when it starts: the handlers it runs, and those that the project has and this process has not."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.forked import Forked
from tests.waiting import wait_until

EVENTS = """
import upnext

worker = upnext.Worker("clinic")
booked = worker.event("visit.booked")
"""
LETTERS = """
from events import booked, worker

@booked.on
async def send_letter(patient: str) -> None: ...

@worker.task
async def tidy() -> None: ...
"""
BILLING = """
from events import booked

@booked.on
async def write_bill(patient: str, **_: object) -> None: ...
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a project with its lock."""
    folder = tmp_path_factory.mktemp("clinic")
    (folder / "pyproject.toml").touch()
    for name, text in (("events", EVENTS), ("letters", LETTERS), ("billing", BILLING)):
        (folder / f"{name}.py").write_text(text)
    subprocess.run([sys.executable, "-m", "upnext", "gen"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return folder


@pytest.fixture
def clinic(project: Path, tmp_path: Path) -> Path:
    """Give a copy of it, in which a service may forget a module."""
    return shutil.copytree(project, tmp_path / "clinic")


def log_of(folder: Path, url: str, file: str, *, until: str = "Worker 'clinic' runs") -> str:
    """Return what `upnext run` has logged when it has said how many handlers it runs, and what follows."""
    return _log(Forked(["run", file], cwd=folder, env=_environment(url), stdin=subprocess.PIPE), until)


def _environment(url: str) -> dict[str, str]:
    return {**os.environ, "UPNEXT_REDIS_URL": url, "UPNEXT_GRACE": "0.2"}


def _log(process: Forked | subprocess.Popen[str], until: str) -> str:
    text = ""
    try:
        assert process.stderr is not None
        while until not in text and (line := process.stderr.readline()):
            text += line
        process.terminate()
        return text + process.communicate(timeout=60)[1]
    finally:
        process.kill()
        process.wait()


def test_a_worker_warns_of_handlers_in_the_lock_that_its_process_does_not_import(clinic: Path, valkey_url: str) -> None:
    """It names them with their modules, and lists what it does run."""
    (clinic / "service.py").write_text("import letters\nfrom events import worker\n")
    text = log_of(clinic, valkey_url, "service.py")
    assert "runs 2 handler(s) and task(s)" in text
    assert ": send_letter (visit.booked), tidy (task)" in text or ": tidy (task), send_letter (visit.booked)" in text
    assert (
        "upnext.lock has handlers of worker 'clinic' that this process does not import: write_bill (module billing)."
    ) in text


def test_a_worker_that_imports_all_handlers_of_the_lock_warns_of_nothing(clinic: Path, valkey_url: str) -> None:
    """Also where the service lies in a folder below the lock."""
    (clinic / "services").mkdir()
    (clinic / "services" / "all.py").write_text(
        f"import sys\nsys.path.insert(0, {str(clinic)!r})\nimport letters, billing\nfrom events import worker\n"
    )
    text = log_of(clinic, valkey_url, "services/all.py")
    assert "runs 3 handler(s)" in text
    assert "upnext.lock" not in text


def test_of_two_workers_of_one_name_neither_lacks_what_the_other_has(clinic: Path, valkey_url: str) -> None:
    """Both run here. What neither has is lacking all the same."""
    (clinic / "service.py").write_text(
        "import letters, upnext\nfrom events import worker\ntwin = upnext.Worker('clinic')\n"
        "@twin.event('visit.booked').on\nasync def write_bill(patient: str, **_: object) -> None: ...\n"
    )
    assert "does not import" not in log_of(clinic, valkey_url, "service.py")
    (clinic / "service.py").write_text(
        "import upnext\nfrom events import worker\ntwin = upnext.Worker('clinic')\n"
        "@twin.event('visit.booked').on\nasync def write_bill(patient: str, **_: object) -> None: ...\n"
    )
    assert "does not import: send_letter (module letters)." in log_of(clinic, valkey_url, "service.py")


def test_a_worker_warns_of_what_is_ignored_and_of_handlers_that_refuse_what_the_lock_lets_senders_send(
    clinic: Path, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line each, with each field, and says nothing of handlers that take all of it."""
    for variable in ("UPNEXT_LEASES", "UPNEXT_REDIS", "UPNEXT_REDIS_PORT", "UPNEXT_STAGING_REDIS_URL", "UPNEXT_TEAM"):
        monkeypatch.setenv(variable, "1")
    (clinic / "service.py").write_text("import letters, billing\nfrom events import worker\n")
    (clinic / "letters.py").write_text(
        LETTERS.replace("patient: str", "patient: int, urgent: bool, ward: str = ''").replace(
            "@worker.task", "@booked.on\nasync def file(ward: str = '') -> None: ...\n\n@worker.task"
        )
    )
    text = log_of(clinic, valkey_url, "service.py", until="Run `upnext gen`")
    assert "UPNEXT_LEASES is ignored, as upnext has no such setting; did you mean UPNEXT_LEASE?" in text
    assert "UPNEXT_REDIS is ignored, as upnext has no such setting; did you mean UPNEXT_REDIS_URL?" in text
    assert text.count("is ignored") == 2
    assert text.count("differ from upnext.lock") == 1
    assert (
        "WARNING Worker 'clinic' has handlers that upnext.lock does not have: file (visit.booked). Type checkers check "
        "no send against them until `upnext gen` has run; it reports what it cannot read."
    ) in text
    assert (
        "WARNING Handlers of worker 'clinic' differ from upnext.lock, so that sends which type checkers accept fail "
        "here: send_letter (visit.booked) takes 'patient' as int, which is sent as str, requires 'urgent', which sends "
        "do not have; file (visit.booked) refuses 'patient', which is sent. Run `upnext gen`, or deploy senders and "
        "workers from the same sources."
    ) in text


@pytest.mark.parametrize("lock", ["<<<<<<< HEAD\n", '{"events": {"a": 1}}'])
def test_a_broken_lock_is_named_and_stops_no_worker(clinic: Path, valkey_url: str, lock: str) -> None:
    """A merge conflict in a generated file is not a reason to take no jobs."""
    (clinic / "upnext.lock").write_text(lock)
    (clinic / "service.py").write_text("import letters\nfrom events import worker\n")
    text = log_of(clinic, valkey_url, "service.py")
    assert "upnext.lock' cannot be read" in text
    assert "runs 2 handler(s)" in text


def test_a_worker_without_handlers_is_warned_of(tmp_path: Path, valkey_url: str) -> None:
    """It would take no job for ever."""
    (tmp_path / "events.py").write_text(EVENTS)
    text = log_of(tmp_path, valkey_url, "events.py", until="no handlers")
    assert "WARNING Worker 'clinic' has no handlers and runs no jobs" in text


def test_an_api_beside_a_worker_without_handlers_is_no_reason_for_a_warning(tmp_path: Path, valkey_url: str) -> None:
    """Such a worker is there for the API's sends. Where that listens, nobody has to guess."""
    (tmp_path / "service.py").write_text(f"{EVENTS}\napi = upnext.Api('front', port=0)\n")
    text = log_of(tmp_path, valkey_url, "service.py", until="INFO    Api ")
    assert "runs 0 handler(s)" in text
    assert re.search(r"Api 'front' listens on http://127\.0\.0\.1:[1-9]\d+$", text, re.MULTILINE)
    assert "has no handlers" not in text


def test_a_program_that_is_loaded_twice_is_told_so(tmp_path: Path, valkey_url: str) -> None:
    """`python app.py` runs it as `__main__`, and its handlers' modules import it again as `app`."""
    (tmp_path / "handlers.py").write_text(LETTERS.replace("from events", "from app"))
    main = "import logging\nlogging.basicConfig(level=logging.INFO)\nupnext.run(worker)\n"
    (tmp_path / "app.py").write_text(f"{EVENTS}\nimport handlers\n\nif __name__ == '__main__':\n    ")
    with (tmp_path / "app.py").open("a") as file:
        file.write(main.replace("\n", "\n    ").rstrip() + "\n")
    command = [sys.executable, "app.py"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, env=_environment(valkey_url), text=True)
    text = _log(process, "loaded twice")
    assert "has handlers that do not run here: send_letter (visit.booked), tidy (task). " in text
    assert "The program is loaded twice, as '__main__' and as 'app'" in text


def test_the_handlers_that_a_worker_lacks_stand_in_its_record_on_the_server(clinic: Path, valkey_url: str) -> None:
    """For commands that look at living workers."""
    from upnext.connect import reach, run_blocking
    from upnext.settings import load

    (clinic / "service.py").write_text("import letters\nfrom events import worker\n")

    async def records() -> list[dict[str, object]]:
        broker = await reach(load(redis_url=valkey_url))
        return [json.loads(record) for record in (await broker.link.command("HVALS", broker.keys.workers))]

    process = Forked(["run", "service.py"], cwd=clinic, env=_environment(valkey_url), stdin=subprocess.PIPE)
    try:
        wait_until(lambda: run_blocking(records()), timeout=60)
        (record,) = run_blocking(records())
    finally:
        process.terminate()
        process.communicate(timeout=60)
    assert record["unimported"] == {"visit.booked|write_bill": "billing"}
