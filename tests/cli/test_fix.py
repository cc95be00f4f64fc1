"""`upnext gen --fix`: findings that have one right answer get it, and nothing else changes."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

import pytest

from tests.cli.projects import Shell
from tests.corpus import casefile

EVENTS = """
    import upnext

    worker = upnext.Worker("shop")
    placed = worker.event("order.placed")
"""
STOCK = """
    from shop.events import placed

    @placed.on
    async def reserve(order_id: str, note: str = "", **kwargs: object) -> None: ...
"""
CLOSED = {
    "a plain one": ("(order_id: str)", "(order_id: str, **kwargs: object)"),
    "without parameters": ("()", "(**kwargs: object)"),
    "with a comma at the end": ("(order_id: str,)", "(order_id: str, **kwargs: object,)"),
    "a line for each": (
        "(\n    order_id: str,\n    email: str,\n)",
        "(\n    order_id: str,\n    email: str,\n    **kwargs: object,\n)",
    ),
    "a line for the only one": ("(\n    order_id: str,\n)", "(\n    order_id: str,\n    **kwargs: object,\n)"),
    "without a comma at the end": (
        "(\n    order_id: str,\n    email: str = ''\n)",
        "(\n    order_id: str,\n    email: str = '',\n    **kwargs: object\n)",
    ),
    "with comments": (
        "(\n    order_id: str,  # of the shop\n    email: str,  # lower case\n)",
        "(\n    order_id: str,  # of the shop\n    email: str,  # lower case\n    **kwargs: object,\n)",
    ),
    "with a comment behind the last": (
        "(\n    order_id: str  # of the shop\n)",
        "(\n    order_id: str,  # of the shop\n    **kwargs: object\n)",
    ),
    "all on the second line": (
        "(\n    order_id: str, email: str\n)",
        "(\n    order_id: str, email: str, **kwargs: object\n)",
    ),
    "keywords only": ("(*, order_id: str)", "(*, order_id: str, **kwargs: object)"),
    "another comma style": ("(order_id:str,email:str='')", "(order_id:str,email:str='', **kwargs: object)"),
}


def write_closed(shell: Shell, signature: str, body: str = "...") -> None:
    handler = (
        f"from shop.events import placed\n\n@placed.on\nasync def mail{signature} -> None:  # closed\n    {body}\n"
    )
    shell.write({"shop/__init__.py": "", "shop/events.py": EVENTS, "shop/stock.py": STOCK})
    (shell.root / "shop/mail.py").write_bytes(handler.encode())


@pytest.mark.parametrize("style", CLOSED)
def test_a_closed_handler_that_shuts_fields_out_takes_all_fields_and_keeps_its_form(empty: Shell, style: str) -> None:
    before, after = CLOSED[style]
    write_closed(empty, before)
    source = empty.text("shop/mail.py")
    done = empty.run("gen", "--fix")
    assert (done.code, done.err) == (0, "")
    assert "UPN" not in done.out
    assert empty.text("shop/mail.py") == source.replace(before, after)
    assert "wrote shop/mail.py, upnext_catalog.pyi, upnext.lock" in done.out
    assert "up to date" in empty.run("gen", "--fix").out


POSITIONAL = {
    "at the end": ("(order_id: str, /)", "(order_id: str)"),
    "in the middle": ("(order_id: str, /, email: str)", "(order_id: str, email: str)"),
    "before keywords": ("(order_id: str, email: str = '', /, *, note: str)", None),
    "a line for each": (
        "(\n    order_id: str,\n    /,\n    email: str,\n)",
        "(\n    order_id: str,\n    email: str,\n)",
    ),
    "a line, at the end": ("(\n    order_id: str,\n    /,\n)", "(\n    order_id: str,\n)"),
    "before **kwargs": ("(order_id: str, /, **kwargs: object)", "(order_id: str, **kwargs: object)"),
}


@pytest.mark.parametrize("style", POSITIONAL)
def test_positional_only_parameters_become_fields(empty: Shell, style: str) -> None:
    before, after = POSITIONAL[style]
    empty.write({"shop/__init__.py": "", "shop/events.py": EVENTS})
    source = f"from shop.events import placed\n\n@placed.on\ndef mail{before} -> None: ...\n"
    (empty.root / "shop/mail.py").write_text(source)
    assert empty.run("gen").code == 1
    assert empty.run("gen", "--fix").code == 0
    assert empty.text("shop/mail.py") == source.replace(before, after or before.replace("/, ", ""))


def test_a_misspelt_event_name_is_spelt_as_the_handlers_have_it(empty: Shell) -> None:
    source = """
        import upnext

        worker = upnext.Worker("shop")
        placed = worker.event("order.placed")
        odd = worker.event(name=r'order.plcaed', extra="allow")  # ä

        @placed.on
        def mail(order_id: str, **kwargs: object) -> None: ...
    """
    empty.write({"shop.py": source})
    assert empty.run("gen").code == 1
    assert empty.run("gen", "--fix").code == 0
    assert "odd = worker.event(name=r'order.placed', extra=\"allow\")  # ä\n" in empty.text("shop.py")


LEFT_ALONE = {
    "two near names": 'worker.event("a.placed")\nb = worker.event("a.plaaed")\nc = worker.event("a.plaxed")',
    "a name in a constant": 'worker.event("order.placed")\nNAME = "order.plcaed"\nc = worker.event(NAME)',
    "a name in parts": 'worker.event("order.placed")\nc = worker.event("order." "plcaed")',
    "a name that is made": 'worker.event("order.placed")\nX = "plcaed"\nc = worker.event(f"order.{X}")',
}


@pytest.mark.parametrize("reason", LEFT_ALONE)
def test_a_name_that_has_no_one_right_spelling_there_is_left_alone(empty: Shell, reason: str) -> None:
    events = f"a = {LEFT_ALONE[reason]}"
    handlers = "\n@a.on\ndef one(x: int) -> None: ...\n" + (
        "\n@b.on\ndef two(x: int) -> None: ...\n" if "b =" in events else ""
    )
    (empty.root / "shop.py").write_text(f'import upnext\nworker = upnext.Worker("shop")\n{events}\n{handlers}')
    before = empty.text("shop.py")
    done = empty.run("gen", "--fix")
    assert (done.code, empty.text("shop.py")) == (1, before)
    assert "error[UPN003]" in done.out


@pytest.mark.parametrize(
    ("signature", "head"),
    [
        ("(order_id: str)", "object = int\n"),
        ("(order_id: str, kwargs: int, _kwargs: int)", ""),
        ("(**fields: Unpack[Fields])", "from typing import TypedDict, Unpack\nclass Fields(TypedDict):\n    a: str\n"),
        ("(order_id: str)", "from other import *\n"),
    ],
)
def test_a_handler_is_left_alone_where_names_are_in_the_way(empty: Shell, signature: str, head: str) -> None:
    write_closed(empty, signature)
    path = empty.root / "shop/mail.py"
    path.write_text(head + path.read_text())
    before = path.read_text()
    empty.run("gen", "--fix")
    assert path.read_text() == before


def test_a_handler_is_left_alone_that_looks_at_its_own_names(empty: Shell) -> None:
    """It would find one more: `log(**locals())` would be given `kwargs`."""
    for each in ("log(**locals())", "vars()", "dir()", "eval('x')", "inspect.currentframe().f_locals", "map(eval, x)"):
        write_closed(empty, "(order_id: str)", each)
        before = empty.text("shop/mail.py")
        assert "UPN108" in empty.run("gen", "--fix").out, each
        assert empty.text("shop/mail.py") == before
    write_closed(empty, "(order_id: str)", "print(vars(order_id), dir(order_id))")
    empty.run("gen", "--fix")
    assert "mail(order_id: str, **kwargs: object)" in empty.text("shop/mail.py")


def test_a_name_that_the_function_uses_is_not_taken(empty: Shell) -> None:
    write_closed(empty, "(order_id: str)", "print(kwargs)")
    empty.run("gen", "--fix")
    assert "mail(order_id: str, **_kwargs: object)" in empty.text("shop/mail.py")


def test_line_ends_encodings_byte_order_marks_and_modes_stay_as_they_are(empty: Shell) -> None:
    write_closed(empty, "(order_id: str)")
    path = empty.root / "shop/mail.py"
    lines = path.read_text().replace("\n", "\r\n")
    path.write_bytes(b"\xef\xbb\xbf" + lines.encode() + b'x = "\xc3\xa9"')
    path.chmod(0o640)
    before = path.read_bytes()
    empty.run("gen", "--fix")
    assert path.read_bytes() == before.replace(b"order_id: str)", b"order_id: str, **kwargs: object)")
    assert path.stat().st_mode & 0o777 == 0o640


def test_several_fixes_of_one_file_and_function_are_made_at_once(empty: Shell) -> None:
    empty.write(
        {
            "shop/__init__.py": "",
            "shop/stock.py": STOCK,
            "shop/events.py": EVENTS,
            "shop/mail.py": """
                from shop.events import placed, worker

                odd = worker.event("Order-Placed")

                @placed.on
                def first(order_id: str, email: str, /) -> None: ...

                @placed.on
                def second(order_id: str) -> None: ...
            """,
        }
    )
    diff = empty.run("gen", "--fix", "--diff")
    assert diff.code == 1
    assert [line for line in diff.out.splitlines() if line[:1] == "+"] == [
        "+++ b/shop/mail.py",
        '+odd = worker.event("order.placed")',
        "+def first(order_id: str, email: str, **kwargs: object) -> None: ...",
        "+def second(order_id: str, **kwargs: object) -> None: ...",
    ]
    assert empty.run("gen", "--fix").code == 0
    assert empty.run("gen", "--fix", "--diff").out == ""


def test_diff_writes_nothing(empty: Shell) -> None:
    write_closed(empty, "(order_id: str)")
    empty.run("gen", "--fix", "--diff")
    assert not (empty.root / "upnext.lock").exists()
    assert "kwargs" not in empty.text("shop/mail.py")


@pytest.mark.parametrize("comment", ["# upnext: ignore[UPN108]", "# upnext: ignore"])
def test_what_is_silenced_is_not_fixed(empty: Shell, comment: str) -> None:
    write_closed(empty, "(order_id: str)")
    path = empty.root / "shop/mail.py"
    path.write_text(path.read_text().replace("# closed", comment))
    before = path.read_text()
    empty.run("gen", "--fix")
    assert path.read_text() == before


def test_only_what_is_in_the_paths_is_fixed(empty: Shell) -> None:
    write_closed(empty, "(order_id: str)")
    (empty.root / "other").mkdir()
    empty.run("gen", "--fix", "other")
    assert "kwargs" not in empty.text("shop/mail.py")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--diff"], "--diff shows what --fix would change: give both"),
        (["--fix", "--check"], "leave out --check, --watch and --files"),
        (["--fix", "--watch"], "leave out --check, --watch and --files"),
        (["--fix", "--diff", "--format", "json"], "--diff is written as text, not as json"),
    ],
)
def test_options_that_do_not_go_together_are_refused(empty: Shell, options: list[str], message: str) -> None:
    done = empty.run("gen", *options)
    assert (done.code, done.out) == (2, "")
    assert message in done.err


def test_json_and_sarif_have_the_fixes_as_edits_that_give_the_same(empty: Shell) -> None:
    write_closed(empty, "(\n    order_id: str,\n)")
    (found,) = json.loads(empty.run("gen", "--format", "json").out)["diagnostics"]
    (fix,) = found["fixes"]
    (edit,) = fix["edits"]
    (result,) = json.loads(empty.run("gen", "--format", "sarif").out)["runs"][0]["results"]
    (change,) = result["fixes"][0]["artifactChanges"]
    (replacement,) = change["replacements"]
    assert result["fixes"][0]["description"]["text"] == fix["description"]
    assert change["artifactLocation"]["uri"] == edit["file"] == "shop/mail.py"
    assert [*replacement["deletedRegion"].values()] == [
        *(edit["line"], edit["column"], edit["end_line"], edit["end_column"])
    ]
    assert replacement["insertedContent"]["text"] == edit["text"]
    before = empty.text("shop/mail.py").splitlines(keepends=True)
    start = sum(map(len, before[: edit["line"] - 1])) + edit["column"] - 1
    end = sum(map(len, before[: edit["end_line"] - 1])) + edit["end_column"] - 1
    whole = "".join(before)
    empty.run("gen", "--fix")
    assert empty.text("shop/mail.py") == whole[:start] + edit["text"] + whole[end:]


def test_the_edit_of_a_name_is_the_whole_name(empty: Shell) -> None:
    empty.write({"shop.py": EVENTS + '    odd = worker.event("Order-Placed")\n\n    placed.on(print)\n'})
    empty.write({"mail.py": "from shop import placed\n\n@placed.on\ndef mail(x: int) -> None: ...\n"})
    found = json.loads(empty.run("gen", "--format", "json").out)["diagnostics"]
    (edit,) = [edit for each in found for fix in each.get("fixes", []) for edit in fix["edits"]]
    assert edit == {"file": "shop.py", "line": 5, "column": 21, "end_line": 5, "end_column": 33, "text": "order.placed"}


def test_a_finding_without_a_fix_says_nothing_of_fixes(empty: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does it load what makes them, which takes long."""
    monkeypatch.setitem(sys.modules, "upnext_codegen.fixes.fix", None)
    refused = "\n    @placed.on\n    def mail(*order_ids: str) -> None: ...\n\n    gone = worker.event('stock.gone')\n"
    empty.write({"shop.py": EVENTS + refused})
    found = json.loads(empty.run("gen", "--format", "json").out)["diagnostics"]
    assert [(each["code"], "fixes" in each) for each in found] == [("UPN103", False), ("UPN003", False)]


WITH_FIXABLE = [
    name
    for name in casefile.names()
    if (case := casefile.read(name)).codes & {"003", "102", "103", "108"} and not case.run
]


@pytest.mark.parametrize("name", WITH_FIXABLE)
def test_fixing_a_project_of_the_corpus_leaves_code_that_does_the_same_and_is_done_once(
    name: str, empty: Shell
) -> None:
    """No finding comes, and bodies, decorators and everything else but signatures and event names stay."""
    casefile.build(casefile.read(name), empty.root)
    first = empty.run("gen", "--format", "json")
    sources = {path: path.read_bytes() for path in empty.root.rglob("*.py")}
    fixed = empty.run("gen", "--fix", "--format", "json")
    assert codes(fixed.out) <= codes(first.out)
    for path, before in sources.items():
        if path.read_bytes() != before:
            assert skeleton(path) == skeleton(before)
    after = {path: path.read_bytes() for path in sources}
    empty.run("gen", "--fix")
    assert {path: path.read_bytes() for path in sources} == after


def codes(report: str) -> set[str]:
    return {each["code"] for each in json.loads(report)["diagnostics"]}


def skeleton(source: Path | bytes) -> str:
    """Return what a file says, without what a fix may change."""
    tree = ast.parse(source.read_bytes() if isinstance(source, Path) else source)
    for node in ast.walk(tree):
        if isinstance(node, ast.arguments):
            node.args, node.posonlyargs, node.kwarg = [*node.posonlyargs, *node.args], [], None
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".event"):
            node.args = []
    return ast.dump(tree)
