"""Every row of the table, as a payload and as a result, by a worker on a real server and by mypy."""

from __future__ import annotations

import asyncio
import importlib
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import upnext
from tests.checkers import mypy
from tests.installed import Installed
from tests.runtime.round_trips.table import Row, rows
from tests.runtime.running import running

HERE = Path(__file__).parent / "round_trips"
ROWS = rows()
HEAD = """# mypy: disable-error-code="type-arg"
import upnext
from shapes import *
worker, unusable = upnext.Worker("table"), upnext.Worker("unusable")
seen: dict[int, object] = {}
"""


def write_project(folder: Path) -> dict[int, tuple[int, int]]:
    """Write a module with two tasks for each row; returns row -> the lines that a type checker judges."""
    shutil.copy(HERE / "shapes.py", folder)
    text, judged = HEAD, dict[int, tuple[int, int]]()
    for n, row in enumerate(ROWS):
        line = text.count("\n")
        worker = "unusable" if row.verdict == "decl" else "worker"
        text += (
            f"@{worker}.task\nasync def take{n}(x: {row.annotation}) -> None:\n    seen[{n}] = x\n"
            f"async def send{n}() -> upnext.Job[None]:\n    return await take{n}.submit(x={row.value})\n"
            f"@{worker}.task\nasync def give{n}() -> {row.annotation}:\n    return {row.value}\n"
            f"def value{n}() -> object: return {row.value}  # type: ignore\n"
        )
        judged[n] = (line + 5, line + 8)
    (folder / "tabled.py").write_text(text)
    return judged


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[int, tuple[int, int]]]:
    """Give the folder of the table's module."""
    folder = tmp_path_factory.mktemp("table")
    return folder, write_project(folder)


@pytest.mark.long
def test_mypy_says_what_the_table_says(project: tuple[Path, dict[int, tuple[int, int]]], installed: Installed) -> None:
    """Of the send and of the return; what it accepts and the library refuses is a row that says so."""
    folder, judged = project
    verdict = mypy(folder, installed)
    expected = {f"tabled.py:{line}" for n, row in enumerate(ROWS) if row.mypy == "error" for line in judged[n]}
    differing = verdict.errors ^ expected
    wrong = [ROWS[n] for n, lines in judged.items() if any(f"tabled.py:{line}" in differing for line in lines)]
    assert wrong == [], verdict.output


async def test_payloads_and_results_fare_as_the_table_says(
    project: tuple[Path, dict[int, tuple[int, int]]], valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ways alike: they arrive equal, or they are refused where they are written."""
    monkeypatch.setenv("UPNEXT_REDIS_URL", valkey_url)
    monkeypatch.syspath_prepend(project[0])
    module = importlib.import_module("tabled")
    declared = [n for n, row in enumerate(ROWS) if row.verdict != "decl"]
    for n in {*range(len(ROWS))} - {*declared}:
        with pytest.raises(upnext.ConfigError, match=f"'take{n}' cannot be checked"):
            await getattr(module, f"send{n}")()
    async with running(module.worker):
        fared = await asyncio.gather(*(fare(module, n, ROWS[n]) for n in declared))
    wrong = [(ROWS[n], found) for n, found in zip(declared, fared, strict=True) if {*found} != {ROWS[n].verdict}]
    assert wrong == [], "\n".join(map(str, wrong))


async def fare(module: ModuleType, n: int, row: Row) -> tuple[str, str]:
    """Return the verdicts of a row's payload and result."""
    sent = getattr(module, f"value{n}")()
    try:
        await (await getattr(module, f"send{n}")()).result(timeout=60)
        payload = judge(sent, module.seen[n])
    except upnext.PayloadError as error:
        payload = "x" if error.problems[0].field.partition(".")[0] == "x" else f"names no field: {error}"
    except upnext.UpnextError as error:
        payload = f"{type(error).__name__}: {error}"
    try:
        result = judge(sent, await getattr(module, f"give{n}").wait())
    except upnext.ResultError:
        result = "x"
    except upnext.UpnextError as error:
        result = f"{type(error).__name__}: {error}"
    return payload, result


def judge(sent: Any, got: Any) -> str:
    """Return the table's sign for a value that went through."""
    if type(sent) is type(got) and (sent == got or vars(sent) == vars(got)):
        return "="
    return "~" if sent == got or (isinstance(got, list) and list(sent) == got) else f"changed to {got!r}"
