"""What a type checker and an editor make of the page, as it stands: no catalog has been generated."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.editors.servers import pyright
from tests.events_page.page import PAGE, Snippet
from tests.installed import Installed

pytestmark = pytest.mark.xdist_group("events page checkers")  # in one process, mypy runs once

NAMES = [PAGE.snippets("")[0].until("order_placed"), *PAGE.snippets("Define an event")]
API = 'api = upnext.Api("shop")\n'
TYPED = PAGE.snippets("Typed events")[0]

SENDS = """
async def try_out() -> None:
    await send_confirmation.send(order_id="123", user_id="user-1")
    await send_confirmation.send(order_id="123")  # bad
    await send_confirmation.send(order_id=123, user_id="user-1")  # bad
    await send_confirmation.send(order_id="123", user_id="user-1", gift=True)  # bad
    await order_placed.send(order_id="123", user_id="user-1", gift=True)
"""


def module(*snippets: Snippet) -> str:
    """Return snippets as a module that has the names which the page takes for granted."""
    return "".join(snippet.python for snippet in NAMES) + API + "".join(snippet.python for snippet in snippets)


@pytest.fixture(scope="module")
def errors(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Give all errors of one run of mypy over every snippet, as "file:line", and the typed one's with more sends."""
    folder = tmp_path_factory.mktemp("page")
    # The page shows its sends outside any function, where Python has no `await`.
    settings = '# mypy: check-untyped-defs, disable-error-code="top-level-await"\n'
    for snippet in PAGE.all_snippets:
        (folder / f"line_{snippet.line}.py").write_text(module(snippet) + settings, encoding="utf-8")
    (folder / "typed.py").write_text(module(TYPED) + SENDS + settings, encoding="utf-8")
    shutil.copytree(installed.mypy_cache(), folder / ".mypy_cache")
    mypy = [sys.executable, "-m", "mypy", "--python-executable", str(installed.python), "--config-file=", "."]
    done = subprocess.run(mypy, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return re.findall(r"^(\w+\.py:\d+): error", done.stdout, re.MULTILINE)


def test_mypy_has_nothing_against_any_snippet(errors: list[str]) -> None:
    assert [error for error in errors if error.startswith("line_")] == []


def test_a_type_checker_knows_what_a_send_through_the_handler_needs(errors: list[str]) -> None:
    """# send_confirmation.send() knows it needs order_id and user_id"""
    lines = (module(TYPED) + SENDS).splitlines()
    bad = [f"typed.py:{number}" for number, line in enumerate(lines, 1) if line.endswith("# bad")]
    assert [error for error in errors if error.startswith("typed.py")] == bad


def test_an_editor_offers_the_fields_of_a_typed_event(tmp_path: Path) -> None:
    """This gives you IDE autocomplete on .send():"""
    with pyright(tmp_path, Path(sys.executable)) as editor:
        text = module(TYPED.until("#")) + "\nasync def try_out() -> None:\n    await send_confirmation."
        editor.open("methods.py", text)
        assert {"send", "send_sync"} <= set(editor.completions("methods.py", text))
        editor.open("fields.py", f"{text}send(")
        assert {"order_id=", "user_id="} <= set(editor.completions("fields.py", f"{text}send("))
