"""An error is told by the statement that it is in, so that lines added elsewhere do not change the stub."""

from __future__ import annotations

from pathlib import Path

import pytest

from upnext_codegen.catalog.anchors import anchored
from upnext_codegen.findings import Finding, Related
from upnext_codegen.records import Place

SOURCE = """\
import upnext

worker = upnext.Worker("a b")
if worker:
    @event.on(
        retries=-1,
    )
    def charge(
        amount: int,
    ) -> None: ...
else:
    @event.on
    def charge(amount: str) -> None: ...

class C:
    limit: int = 1
    async def charge(self) -> None:
        def inner() -> None: ...

event.on(charge)
event.on(lambda: 1)
"""


def told(root: Path, line: int, column: int = 1, *, severity: str = "error", folder: str = ".") -> tuple[str, ...]:
    related = (Related(Place("shop/email.py", 3, 1), "int here"),)
    finding = Finding("UPN101", severity, "message", Place("app/use.py", line, column), "help", related)
    return anchored([finding], root, root / folder)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "use.py").write_text(SOURCE, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("line", "where"),
    [
        (3, "worker =#0+0"),
        (6, "def charge#0-2"),
        (9, "def charge#0+1"),
        (13, "def charge#1+0"),
        (16, "limit =#0+0"),
        (17, "def charge#2+0"),
        (18, "def inner#0+0"),
        (20, "call#0+0"),
        (21, "call#1+0"),
    ],
)
def test_a_place_is_told_by_the_innermost_statement_that_has_a_name(line: int, where: str, root: Path) -> None:
    assert told(root, line, 7) == (f"UPN101 {where}:7 in app/use.py\nmessage\nshop/email.py: int here\nhelp",)


def test_lines_added_above_change_nothing(root: Path) -> None:
    before = told(root, 9)
    (root / "app" / "use.py").write_text(f"# one\n# two\n{SOURCE}", encoding="utf-8")
    assert told(root, 11) == before


def test_a_file_is_named_as_the_stub_sees_it(root: Path) -> None:
    (text,) = told(root, 3, folder="src")
    assert text.startswith("UPN101 worker =#0+0:1 in ../app/use.py\n")


def test_warnings_and_what_has_no_place_in_a_statement_are_left_out(root: Path) -> None:
    assert told(root, 9, severity="warning") == ()
    assert told(root, 1) == ()
    (root / "app" / "use.py").write_text("def broken(", encoding="utf-8")
    assert told(root, 1) == ()


def test_what_a_terminal_would_not_show_is_escaped(root: Path) -> None:
    finding = Finding("UPN004", "error", "name \x1b[0m\nUPN1 x", Place("app/use.py", 3, 1), "help")
    (text,) = anchored([finding], root, root)
    assert text.splitlines()[1] == "name \\x1b[0m\\nUPN1 x"


def test_syntax_newer_than_the_running_python_changes_no_place(root: Path) -> None:
    newer = "type limit = int\n\ndef charge[T](amount: T) -> None: ...\n\nlimit = 1\n"
    (root / "app" / "use.py").write_text(newer, encoding="utf-8")
    (found,) = told(root, 3)
    assert found.startswith("UPN101 def charge#0+0:1 in ")
    (found,) = told(root, 5)
    assert found.startswith("UPN101 limit =#0+0:1 in ")
    assert told(root, 1) == ()
