"""Renames in files of which most has nothing to do with them: that is not read, and stays byte for byte."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.cli.projects import Shell
from tests.contract.counting import lines_run
from upnext_codegen.files.discover import discover
from upnext_codegen.project import load_project
from upnext_codegen.renames import edits, references
from upnext_codegen.renames.plan import ProjectSources
from upnext_codegen.renames.rename_handler import rename_handler
from upnext_codegen.scan import scan

EVENTS = 'import upnext\nworker = upnext.Worker("shop")\nplaced = worker.event("order.placed")\n'
HANDLER = "from shop.events import placed\n\n@placed.on{name}\nasync def <confirm>(n: int) -> None: ...\n"
USES = '''\
# to confirm
from __future__ import annotations
import shop.email, shop.late as late
from shop.email import <confirm>\x0c
@(lambda f: f)
async def first(
    a, b="\\
none"): return """

 none  """; x = 1

class Mails(dict[str, int]):  # none
    """Text."""
    kept = 1; also = 2
    @property
    def one(self): return [self
        .kept]

    class Inner:
        def two(self):
            return first


        if kept:
            @staticmethod
            def three(): return <confirm>(1)
        else:
            async def four(self): ...
        def five(self): pass; self.x = 1
    def six(self, confirm): return confirm
try:
    def seven(): ...
    class Ünder: pass
except ImportError:
    def eight(): <confirm>(2)
finally:
    class Nine: pass; x = 1
with open("x") as file:
    for _ in file:
        while _:
            def ten(): return shop.email.<confirm>
def starts():
    global late
    import shop.email as late
def eleven(): return late.<confirm>(3)
@<confirm>
class Twelve: pass
class Thirteen:
\tdef fourteen(self): ...
\tdef fifteen(self): return <confirm>
if Twelve: x = 1
def sixteen(): ...
def last(): <confirm>'''


def _named(text: str, name: str) -> str:
    keeps = "" if name == "confirm" else '(name="confirm")'
    return text.replace("<confirm>", name).replace("{name}", keeps)


@pytest.mark.parametrize("form", ["", "crlf", "mark", "latin-1"])
def test_uses_among_other_functions_and_classes_are_renamed_and_all_else_stays(form: str, empty: Shell) -> None:
    uses = USES.replace("\n", "\r\n") if form == "crlf" else USES
    uses = f"# coding: latin-1\n{uses}" if form == "latin-1" else uses
    coding = {"mark": "utf-8-sig", "latin-1": "latin-1"}.get(form, "utf-8")
    empty.write({"pyproject.toml": "", "shop/__init__.py": "", "shop/late.py": "", "shop/events.py": EVENTS})
    empty.write({"shop/email.py": _named(HANDLER, "confirm")})
    path = empty.root / "shop" / "uses.py"
    before, after = (_named(uses, name).encode(coding) for name in ("confirm", "mail"))
    ast.parse(before)
    path.write_bytes(before)
    done = empty.run("rename", "handler", "confirm", "mail", "--write")
    assert done.code == 0, done.out
    assert path.read_bytes() == after
    assert empty.text("shop/email.py") == _named(HANDLER, "mail")
    assert empty.run("rename", "handler", "mail", "confirm", "--write").code == 0
    assert path.read_bytes() == before


def test_a_place_in_a_large_file_is_that_in_the_file(empty: Shell) -> None:
    clash = "from shop.email import confirm\n\ndef f():\n    ...\n\ndef mail(): confirm(1)\n"
    empty.write({"pyproject.toml": "", "shop/__init__.py": "", "shop/events.py": EVENTS, "shop/clash.py": clash})
    empty.write({"shop/email.py": _named(HANDLER, "confirm")})
    done = empty.run("rename", "handler", "confirm", "mail")
    assert "shop/clash.py:6:5: 'mail' has a meaning in this file already: choose another name" in done.out


def _steps(root: Path, files: int, lines: int) -> int:
    """Count the lines that renaming a handler runs, which so many files use, with other functions of so many lines."""
    changed: dict[str, tuple[bytes, bytes]] = {}
    (root / "shop").mkdir(parents=True)
    others = "".join(f"def f{number}(x):\n" + lines * "    x = [x, x, x]\n" for number in range(10))
    texts = {"pyproject.toml": "", "shop/__init__.py": "", "shop/events.py": EVENTS}
    texts["shop/email.py"] = _named(HANDLER, "confirm")
    for number in range(files):
        texts[f"shop/use{number}.py"] = f"from shop.email import confirm\n{others}def use():\n    confirm(1)\n"
    for name, text in texts.items():
        (root / name).write_text(text)
    project = load_project(root)
    found = discover(project)
    sources = ProjectSources(
        project.root, project.roots, found, scan(project, use_cache=False, listing=lambda: found)[0]
    )
    count = lines_run(lambda: changed.update(rename_handler(sources, "confirm", "mail").changed), edits, references)
    assert len(changed) == files + 1
    return count


def test_the_work_grows_with_the_files_that_name_it_and_not_with_what_else_they_hold(tmp_path: Path) -> None:
    few = _steps(tmp_path / "few", 10, 1)
    assert _steps(tmp_path / "more", 20, 1) < 2.5 * few
    assert _steps(tmp_path / "large", 10, 20) < 1.1 * few
