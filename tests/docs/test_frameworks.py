"""The examples of web frameworks: run, shown on their pages as they are, and projects without a finding."""

from __future__ import annotations

import importlib
import re
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.projects import Shell
from tests.docs.story import ROOT
from tests.runtime.running import running
from tests.waiting import wait_until_async

PART = re.compile(r"<!-- part of: (\S+) -->\n```python\n(.*?)```", re.DOTALL)
PAGES = ["django", "fastapi", "flask", "litestar"]


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_shows_is_part_of_its_example(page: str) -> None:
    text = (ROOT / "docs" / "how-to" / f"{page}.md").read_text(encoding="utf-8")
    parts = PART.findall(text)
    assert parts
    for file, part in parts:
        assert part in (ROOT / "examples" / f"{page}_shop" / file).read_text(encoding="utf-8"), file


@pytest.mark.parametrize("page", PAGES)
def test_an_example_is_a_project_without_a_finding(page: str, empty: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "*.db")
    shutil.copytree(ROOT / "examples" / f"{page}_shop", empty.root / "project", ignore=ignored)
    monkeypatch.chdir(empty.root / "project")
    done = empty.run("gen")
    assert (done.code, "nothing to report" in done.out) == (0, True), done.out + done.err
    assert Path("upnext_catalog.pyi").is_file()


@pytest.fixture
def example(request: pytest.FixtureRequest, tmp_path: Path, valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give the application's module of an example, imported from its folder."""
    folder, module, driver = request.param
    monkeypatch.setenv("UPNEXT_REDIS_URL", valkey_url)
    monkeypatch.setenv("DATABASE", f"{driver}:///{tmp_path / 'shop.db'}")
    monkeypatch.syspath_prepend(str(ROOT / "examples" / folder))
    return importlib.import_module(module)


@pytest.mark.parametrize(
    "example",
    [("fastapi_shop", "main", "sqlite+aiosqlite"), ("litestar_shop", "main", "sqlite+aiosqlite")],
    ids=["fastapi", "litestar"],
    indirect=True,
)
async def test_an_application_runs_a_worker_and_a_relay_in_its_lifespan(example: Any) -> None:
    transport = httpx.ASGITransport(example.app)
    async with example.lifespan(example.app), httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        assert (await client.post("/orders", json={"id": "1"})).status_code == 202

        async def is_confirmed() -> bool:
            shown: dict[str, bool] = (await client.get("/orders/1")).json()
            return shown["is_confirmed"]

        await wait_until_async(is_confirmed)
        assert (await client.get("/orders/2")).status_code == 404


@pytest.mark.parametrize("example", [("flask_shop", "app", "sqlite")], ids=["flask"], indirect=True)
async def test_flask_sends_and_a_service_beside_it_runs_the_worker_and_the_relay(example: Any) -> None:
    client = example.app.test_client()
    assert client.post("/orders", json={"id": "1"}).status_code == 202
    service = importlib.import_module("service")
    async with running(service.worker, service.relay):
        await wait_until_async(lambda: client.get("/orders/1").json == {"is_confirmed": True})
    assert client.get("/orders/2").status_code == 404
    example.engine.dispose()
