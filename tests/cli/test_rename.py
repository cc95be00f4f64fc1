"""`upnext rename event`: every declaration gets the new name, and going back restores each file byte for byte."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from tests.cli.projects import Shell

SENDER = 'import upnext\nplaced = upnext.Worker("api").event("order.placed")\n'
HEAD = 'import upnext\nworker = upnext.Worker("shop")\n'
HANDLER = "\n@placed.on\nasync def confirm(order_id: str): ...\n"
MADE = 'worker.event("order.made", formerly=("order.placed",))'
DECLARATIONS = {
    "plain": (
        'placed = worker.event("order.placed")',
        'placed = worker.event("order.made", formerly=("order.placed",))',
    ),
    "through an alias": (
        'event = worker.event\nplaced = event("order.placed")',
        'event = worker.event\nplaced = event("order.made", formerly=("order.placed",))',
    ),
    "single quotes, raw, by keyword": (
        "placed = worker.event(name=r'order.placed')",
        "placed = worker.event(name=r'order.made', formerly=(r'order.placed',))",
    ),
    "an option and a comment": (
        'placed = worker.event("order.placed", extra="forbid")  # the first',
        'placed = worker.event("order.made", extra="forbid", formerly=("order.placed",))  # the first',
    ),
    "odd blanks": (
        'placed = worker . event( "order.placed" )',
        'placed = worker . event( "order.made", formerly=("order.placed",) )',
    ),
    "a line for each, with a comma at the end": (
        'placed = worker.event(\n    "order.placed",  # its name\n    extra="allow",\n)',
        'placed = worker.event(\n    "order.made",  # its name\n    extra="allow",\n    formerly=("order.placed",),\n)',
    ),
    "a line for each, without one": (
        'placed = worker.event(\n    "order.placed",\n    extra="allow"\n)',
        'placed = worker.event(\n    "order.made",\n    extra="allow",\n    formerly=("order.placed",)\n)',
    ),
    "renamed before": (
        'placed = worker.event("order.placed", formerly=("order.new",))',
        'placed = worker.event("order.made", formerly=("order.placed", "order.new",))',
    ),
    "renamed twice before": (
        'placed = worker.event("order.placed", formerly=("order.b", "order.a"), extra="allow")',
        'placed = worker.event("order.made", formerly=("order.placed", "order.b", "order.a"), extra="allow")',
    ),
    "two in one line": (
        'placed, other = worker.event("order.placed"), worker.event("order.placed")',
        f"placed, other = {MADE}, {MADE}",
    ),
    "former names on lines of their own": (
        'placed = worker.event("order.placed", formerly=(\n    "order.b",\n    "order.a",  # one\n))',
        'placed = worker.event("order.made", formerly=(\n    "order.placed", "order.b",\n    "order.a",  # one\n))',
    ),
    "letters that are not ASCII before it": (
        'ünter = "äöü"; placed = worker.event("order.placed")',
        'ünter = "äöü"; placed = worker.event("order.made", formerly=("order.placed",))',
    ),
}


def test_what_it_has_written_over_several_lines_is_not_reported_to_be_changed_by_hand(empty: Shell) -> None:
    former = 'formerly=(  # before\n    # the first one\n    "order.made",\n\n    "order.old",\n)'
    sent = 'worker.events[\n    "order.placed"  # one\n](order_id="x")'
    source = f'{HEAD}placed = worker.event("order.placed", {former}){HANDLER}'
    empty.write({"pyproject.toml": "", "app.py": f"{source}def send():\n    {sent}\n"})
    done = empty.run("rename", "event", "order.placed", "order.new", "--write")
    assert (done.code, "by hand" in done.out) == (0, False)
    assert 'formerly=(  # before\n    # the first one\n    "order.placed", "order.made",' in empty.text("app.py")
    assert 'worker.events[\n    "order.new"  # one\n]' in empty.text("app.py")


@pytest.mark.parametrize("declaration", DECLARATIONS)
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_renaming_keeps_everything_else_and_renaming_back_is_the_identity(
    declaration: str, end: str, empty: Shell
) -> None:
    before, after = [f"{HEAD}{each}{HANDLER}".replace("\n", end).encode() for each in DECLARATIONS[declaration]]
    path = empty.root / "app.py"
    (empty.root / "pyproject.toml").write_text("")
    path.write_bytes(before)
    assert empty.run("rename", "event", "order.placed", "order.made", "--write").code == 0
    assert path.read_bytes() == after
    ast.parse(after)
    assert empty.run("rename", "event", "order.made", "order.placed", "--write").code == 0
    assert path.read_bytes() == before


def test_an_older_former_name_keeps_all_others_and_a_rename_that_is_taken_back_says_so(empty: Shell) -> None:
    empty.write({"pyproject.toml": "", "app.py": f'{HEAD}placed = worker.event("c", formerly=("b", "a")){HANDLER}'})
    assert empty.run("rename", "event", "c", "a", "--write").out.startswith("wrote app.py\nRun `upnext gen`")
    assert 'worker.event("a", formerly=("c", "b",))' in empty.text("app.py")
    done = empty.run("rename", "event", "a", "c", "--write")
    assert "This takes a rename back: nothing takes what is queued or sent as 'a' then." in done.out
    assert 'worker.event("c", formerly=("b",))' in empty.text("app.py")


def test_names_of_files_stay_on_one_line(empty: Shell) -> None:
    empty.write({"pyproject.toml": "", "app.py": SENDER, "a\nb.py": "x = 'order.placed'\n", "c\x1b.py": SENDER})
    out = empty.run("rename", "event", "order.placed", "order.made").out
    assert "a\\nb.py:1:5: this text is" in out
    assert "\n--- a/c\\x1b.py\n" in out


def test_without_write_only_the_diff_is_shown(empty: Shell) -> None:
    empty.write({"pyproject.toml": "", "app.py": f'{HEAD}placed = worker.event("order.placed"){HANDLER}'})
    before = empty.text("app.py")
    done = empty.run("rename", "event", "order.placed", "order.made")
    assert (done.code, empty.text("app.py")) == (0, before)
    assert '-placed = worker.event("order.placed")\n' in done.out
    assert '+placed = worker.event("order.made", formerly=("order.placed",))\n' in done.out
    assert done.out.endswith("Nothing is written yet: --write does it.\n")


def test_what_cannot_be_decided_is_listed_and_senders_need_no_former_name(empty: Shell) -> None:
    empty.write(
        {
            "pyproject.toml": "",
            "app.py": f'{HEAD}placed = worker.event("order.placed"){HANDLER}',
            "send.py": f'{SENDER}NAMES = ["order.placed"]\n',
            "tests/test_app.py": 'def test() -> None:\n    assert "order.placed" != "order.placed "\n',
        }
    )
    done = empty.run("rename", "event", "order.placed", "order.made", "--write", "--format", "json")
    report = json.loads(done.out)
    assert (done.code, done.err) == (0, "")
    assert report["changed"] == ["app.py", "send.py"]
    assert [(each["file"], each["line"], each["column"]) for each in report["undecided"]] == [
        ("send.py", 3, 10),
        ("tests/test_app.py", 2, 12),
    ]
    assert empty.text("send.py").splitlines()[1] == 'placed = upnext.Worker("api").event("order.made")'
    assert empty.run("gen", "--no-cache").code == 0


@pytest.mark.parametrize(
    ("owners", "listed"),
    [
        ('owner = { "order.*" = "@orders", "order.placed" = "@mail" }', [(2, 34)]),
        ("[tool.upnext.owner]\n'order.*' = \"@orders\"\n'order.placed' = \"@mail\" # order.placed", [(4, 1)]),
        ('owner."order.placed" = "@mail"', [(2, 7)]),
        ('owner = { "order.p*" = "@orders", "*.placed" = "@mail" }', [(2, 35)]),
        ('owner = { "order.*" = "@orders", "order.placed" = "@orders" }', []),
        ('owner = { "order.*" = "@orders" }\nexclude = ["order.placed"]', []),
        ('owner = { "order.\\u0070laced" = "@orders" }', [(1, 1)]),
    ],
)
def test_owners_that_the_new_name_no_longer_has_are_listed(
    owners: str, listed: list[tuple[int, int]], empty: Shell
) -> None:
    source = "import upnext\n\nworker = upnext.Worker('shop')\nplaced = worker.event('order.placed')\n"
    empty.write({"pyproject.toml": f"[tool.upnext]\n{owners}\n", "shop.py": source})
    report = json.loads(empty.run("rename", "event", "order.placed", "order.made", "--format", "json").out)
    found = [each for each in report["undecided"] if each["file"] == "pyproject.toml"]
    assert [(each["line"], each["column"]) for each in found] == listed
    assert all("'order.made'" in each["reason"] for each in found)


def test_keys_of_worker_events_are_renamed_where_they_are_certainly_the_event_s_name(empty: Shell) -> None:
    """Through imports, packages that pass the worker on, and aliases; other mappings of that name are only listed."""
    package = {"pyproject.toml": "", "shop/__init__.py": "from shop.app import worker\n"}
    uses = {
        "shop/app.py": f'{HEAD}placed = worker.event("order.placed"){HANDLER}same = worker.events["order.placed"]\n',
        "shop/a.py": "from .app import worker as w\n\n\nasync def a():\n    await w.events['order.placed'].send()\n",
        "shop/b.py": 'import shop\n\nb = shop.worker.events["order.placed"].send\n',
        "tests/test_shop.py": 'from shop import worker\n\nc = worker . events [ "order.placed" ]\n',
    }
    other = 'def f(worker, log):\n    log.events["order.placed"]\n    worker.events["order.placed"]\n'
    empty.write(package | uses | {"shop/other.py": other})
    done = empty.run("rename", "event", "order.placed", "order.made", "--write", "--format", "json")
    report = json.loads(done.out)
    assert report["changed"] == sorted(uses)
    assert [(each["file"], each["line"]) for each in report["undecided"]] == [
        ("shop/other.py", 2),
        ("shop/other.py", 3),
    ]
    assert empty.text("shop/app.py").endswith('same = worker.events["order.made"]\n')
    for file in list(uses)[1:]:
        assert empty.text(file) == uses[file].replace("order.placed", "order.made")
    assert empty.run("gen", "--no-cache").code == 0
    assert empty.run("rename", "event", "order.made", "order.placed", "--write").code == 0
    assert {file: empty.text(file) for file in uses} == uses


@pytest.mark.parametrize("text", ["x = (\n", "x = '''\n", "if x:\n    a\n  b\n"], ids=["bracket", "quotes", "blanks"])
def test_a_file_that_cannot_be_read_to_its_end_is_listed(text: str, empty: Shell) -> None:
    empty.write({"pyproject.toml": "", "app.py": f'{HEAD}placed = worker.event("order.placed"){HANDLER}'})
    (empty.root / "half.py").write_text(f'{text}NAME = "order.placed"\n')
    done = empty.run("rename", "event", "order.placed", "order.made")
    assert done.code == 0
    assert "half.py:1:1: this file cannot be read to its end, and 'order.placed' stands in it" in done.out


def test_a_test_that_is_a_link_is_not_renamed(empty: Shell, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What it leads to may be outside, and in its place a link is to stay."""
    shared = tmp_path_factory.mktemp("outside") / "test_shared.py"
    shared.write_text('from app import worker\nworker.events["order.placed"](order_id="x")\n')
    before = shared.read_text()
    environment = {"tests/env/pyvenv.cfg": "", "tests/env/lib.py": 'NAME = "order.placed"\n'}
    files = {"app.py": f'{HEAD}placed = worker.event("order.placed"){HANDLER}', "tests/test_a.py": before}
    empty.write({"pyproject.toml": "", **files, **environment})
    links = [empty.root / "tests" / "test_link.py", empty.root / "test_link.py", empty.root / "test_all"]
    for link in links:
        link.symlink_to(shared.parent if link.name == "test_all" else shared)
    done = empty.run("rename", "event", "order.placed", "order.made", "--write")
    assert (done.code, "link" in done.out, "test_all" in done.out, "env" in done.out) == (0, False, False, False)
    assert '"order.made"' in empty.text("tests/test_a.py")
    assert ([link.is_symlink() for link in links], shared.read_text()) == ([True] * 3, before)


def test_nothing_is_written_while_a_declaration_has_to_be_changed_by_hand(empty: Shell) -> None:
    declared = f'placed = worker.event(NAME)\nagain = worker.event("order.placed"){HANDLER}'
    empty.write({"pyproject.toml": "", "app.py": f'{HEAD}NAME = "order.placed"\n{declared}'})
    before = empty.text("app.py")
    done = empty.run("rename", "event", "order.placed", "order.made", "--write")
    assert (done.code, empty.text("app.py")) == (1, before)
    assert "app.py:4:10: this declares the event, and its name or a former one is not written out" in done.out


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("order.plaecd", "order.made", "No event is called 'order.plaecd'; did you mean 'order.placed'"),
        ("xyz", "order.made", "No event is called 'xyz'; `upnext graph` lists all events."),
        ("order.placed", "order.shipped", "There is an event 'order.shipped' already"),
        ("order.placed", "order.sent", "There is an event 'order.sent' already"),
        ("order.placed", "order.placed", "The event is called 'order.placed' already."),
        ("order.placed", "order placed", "'order placed' cannot name an event"),
        ("order.placed", "", "'' cannot name an event"),
    ],
)
def test_names_that_cannot_be_are_refused(old: str, new: str, message: str, empty: Shell) -> None:
    shipped = 'shipped = worker.event("order.shipped", formerly=("order.sent",))\n'
    empty.write({"pyproject.toml": "", "app.py": f'{HEAD}{shipped}placed = worker.event("order.placed"){HANDLER}'})
    before = empty.text("app.py")
    done = empty.run("rename", "event", old, new, "--write")
    assert (done.code, done.out, empty.text("app.py")) == (2, "", before)
    assert message in done.err


def test_of_several_files_all_are_written_or_none(empty: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    sender = 'import upnext\nplaced = upnext.Worker("{}").event("order.placed")\n'
    files = {f"{name}.py": sender.format(name) for name in ("a", "b", "c")}
    empty.write({"pyproject.toml": "", **files})
    (empty.root / "c.py").chmod(0o444)
    done = empty.run("rename", "event", "order.placed", "order.made", "--write")
    assert (done.code, "c.py is read-only" in done.err) == (2, True)
    (empty.root / "c.py").chmod(0o644)
    replace = Path.replace

    def full(self: Path, target: Path) -> Path:
        if target.name == "b.py" and b"order.made" in self.read_bytes():
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", full)
    done = empty.run("rename", "event", "order.placed", "order.made", "--write")
    assert done.code == 2
    assert "b.py cannot be written: No space left on device. Restored: a.py." in done.err
    assert {name: empty.text(name) for name in files} == files
    assert sorted(each.name for each in empty.root.iterdir() if each.name.endswith(".tmp")) == []

    def worse(self: Path, target: Path) -> Path:
        if target.name == "c.py" or (target.name == "b.py" and b"order.placed" in self.read_bytes()):
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", worse)
    done = empty.run("rename", "event", "order.placed", "order.made", "--write")
    assert (done.code, "internal" in done.err) == (2, False)
    assert "Restored: a.py; NOT restored: b.py (No space left on device)." in done.err
    half = {name: text if name != "b.py" else empty.text("b.py") for name, text in files.items()}
    assert {name: empty.text(name) for name in files} == half
    assert 'event("order.made"' in half["b.py"]
