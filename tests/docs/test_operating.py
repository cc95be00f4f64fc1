"""What docs/operating.md shows and claims."""

from __future__ import annotations

import ast
import re
import sys
import types
from collections.abc import Iterator
from dataclasses import fields

import pytest

import upnext
from tests.docs.story import ROOT
from tests.runtime.running import running
from upnext.hooks import process_hooks

PAGE = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
RETRIES, RAISED, LIMITS, BY_VALUE, UNIQUE, RECEIPT, SCHEDULES, PROVIDED, HOOKS = BLOCKS


@pytest.fixture
def loaded(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, types.ModuleType]]:
    """Give the page's blocks as modules by what they are about; the hooks that they add are taken out again."""
    monkeypatch.setenv("UPNEXT_REDIS_URL", valkey_url)
    blocks = {
        "retries": RETRIES + RAISED + LIMITS + BY_VALUE + UNIQUE,
        "schedules": SCHEDULES,
        "provided": PROVIDED,
        "hooks": HOOKS,
    }
    modules = {}
    for name, source in blocks.items():
        module = modules[name] = types.ModuleType(f"operating_page_{name}")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        exec(source, vars(module))  # the page's own code
    yield modules
    for hooks in process_hooks.burials:
        upnext.remove_hooks(hooks)


async def test_what_the_page_shows_runs(loaded: dict[str, types.ModuleType]) -> None:
    """With the hooks of the page around it; the request's id reaches the handlers."""
    seen: list[str] = []
    provided, hooks = loaded["provided"], loaded["hooks"]

    @provided.order_placed.on
    async def look(order_id: str, **kwargs: object) -> None:
        seen.append(hooks.request_id.get())

    hooks.request_id.set("request-7")
    async with running(provided.worker):
        await (await provided.order_placed.send(order_id="1")).results()
        await provided.tidy.wait(before="2027-01-01")
    assert seen == ["request-7"]


async def test_a_receipt_says_what_the_page_says(
    loaded: dict[str, types.ModuleType], capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a job that waited already."""
    module = loaded["retries"]
    async with running(module.worker):
        first = await module.document_saved.options(delay=60).send(document_id="7")
        code = compile(RECEIPT, "operating.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        await eval(code, vars(module))  # the page's own code
    assert capsys.readouterr().out == f"{first.jobs[0].id} True\n"


def test_the_page_names_what_hooks_get() -> None:
    """Every attribute of a send and of a job stands in its table."""
    for kind in (upnext.HookedSend, upnext.HookedJob):
        (row,) = [line for line in PAGE.splitlines() if line.startswith("|") and f"`{kind.__name__}`" in line]
        assert {field.name for field in fields(kind)} <= set(re.findall(r"`(\w+)`", row))
