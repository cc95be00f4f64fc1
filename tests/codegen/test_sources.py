"""Files as bytes: encodings, line ends, and what no Python can read."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.codegen.reading import HEAD, lines, write
from upnext_codegen.project import load_project
from upnext_codegen.reading.tree import walk
from upnext_codegen.scan import scan

EVENT = "app.py:3:10 event order.placed of shop"


def scanned(root: Path, data: bytes) -> list[str]:
    write(root, {})
    (root / "app.py").write_bytes(data)
    return lines(*scan(load_project(root), use_cache=False))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\xef\xbb\xbf" + HEAD.encode(), id="byte order mark"),
        pytest.param(HEAD.replace("\n", "\r").encode(), id="carriage returns"),
        pytest.param(HEAD.replace("\n", "\r\n").encode(), id="both line ends"),
        pytest.param(HEAD.encode() + b"x = '\x0c'\n\x0c\n", id="form feeds"),
        pytest.param(HEAD.encode().rstrip(b"\n"), id="no line end at the end"),
    ],
)
def test_a_file_is_read_as_python_reads_it(data: bytes, tmp_path: Path) -> None:
    assert scanned(tmp_path, data) == [EVENT]


def test_a_declared_encoding_is_used_and_columns_count_characters(tmp_path: Path) -> None:
    head = HEAD.replace('"shop")', '"shop"); \xe9 = worker.event("a b")')
    found = scanned(tmp_path, ("# -*- coding: latin-1 -*-\n" + head).encode("latin-1"))
    assert found == [
        "app.py:4:10 event order.placed of shop",
        'app.py:3:50 UPN004 event name "a b" is not allowed',
    ]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (HEAD.encode() + b"x = '\xff'\n", "app.py:4:6 UPN001 cannot read this file: it is not UTF-8 here"),
        (HEAD.encode() + b"x = '\x00'\n", "app.py:4:6 UPN001 cannot read this file: it holds a NUL here"),
        (HEAD.encode("utf-32"), "UPN001 cannot read this file: it is UTF-32, and Python reads no UTF-32 sources"),
        (HEAD.encode("utf-16"), "UPN001 cannot read this file: it is UTF-16, and Python reads no UTF-16 sources"),
        (b"# coding: nope\n" + HEAD.encode(), "UPN001 cannot read this file: it declares the unknown encoding nope"),
        (b"# coding: PunyCode\n#" + b"a" * 4_000_000, "declares the encoding PunyCode, which is for domain names"),
        (b"# coding: idna\n" + HEAD.encode(), "declares the encoding idna, which is for domain names"),
        (HEAD.encode() + b"def f(:\n", "app.py:4:7 UPN001 cannot read this file: invalid syntax"),
        (HEAD.encode() + b"<<<<<<< HEAD\n", "app.py:4:1 UPN001 cannot read this file: invalid syntax"),
        (HEAD.encode() + b"x = " + b"-" * 200_000 + b"1\n", "UPN001 cannot read this file: it is nested too deeply"),
        (HEAD.encode() + b"x = " + b"(" * 1_000 + b")" * 1_000, "UPN001 cannot read this file: too many nested"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_finding(data: bytes, expected: str, tmp_path: Path) -> None:
    (line,) = scanned(tmp_path, data)
    assert expected in line


@pytest.mark.parametrize(
    "deep",
    [
        pytest.param("(" * 5_000 + ")" * 5_000, id="brackets"),
        pytest.param("[" * 5_000, id="open brackets"),
        pytest.param("lambda:" * 5_000 + "1", id="functions"),
        pytest.param("not " * 20_000 + "1", id="words"),
        pytest.param("a" + ".b" * 20_000, id="attributes"),
        pytest.param("a" + "()" * 20_000, id="calls"),
        pytest.param('f"{' * 5_000 + "1" + '}"' * 5_000, id="f-strings"),
        pytest.param("1\nif a: pass\n" + "elif b: pass\n" * 20_000, id="branches"),
    ],
)
def test_what_is_nested_too_deeply_beside_newer_syntax_is_a_finding_and_no_crash(deep: str, tmp_path: Path) -> None:
    # A process of its own, because it is the process that a native parser without a limit ends.
    write(tmp_path, {"app.py": f"type X = int\nimport upnext\nx = {deep}\n", "events.py": HEAD})
    code = (
        "import sys; from pathlib import Path; from upnext_codegen.project import load_project;"
        "from upnext_codegen.scan import scan; found = scan(load_project(Path(sys.argv[1])), use_cache=False);"
        "print(*[each.code for each in found[1]], *[each.event for each in found[0].declarations])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, check=False, text=True)
    assert (done.returncode, done.stdout) == (0, "UPN001 order.placed\n")


def test_brackets_in_texts_and_comments_are_not_nested(tmp_path: Path) -> None:
    texts = 'x = \'(\' + "[" + f\'({1}\' # (\ny = """((\n"""\n'
    assert scanned(tmp_path, (HEAD + "type X = int\n" + texts * 150).encode()) == [EVENT]


def test_a_long_sum_is_a_finding_at_most(tmp_path: Path) -> None:
    found = scanned(tmp_path, HEAD.encode() + b"x = " + b" + ".join([b"1"] * 10_000) + b"\n")
    assert found in (
        [EVENT],
        ["app.py:1:1 UPN001 cannot read this file: it is nested too deeply for Python's parser"],
    )


def test_a_module_is_never_run(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    code = f"import sys\nopen({str(canary)!r}, 'w')\nwhile True: pass\nsys.exit(1)\n"
    assert scanned(tmp_path, HEAD.encode() + code.encode()) == [EVENT]
    assert not canary.exists()


def test_hostile_names_and_texts_stay_data(tmp_path: Path) -> None:
    names = ['"""', "\\", "\n", "{}", "%s", "\u2028", "\u202e", "../x", "a" * 10_000, "\x1b[31m", "__import__('os')"]
    source = HEAD + "".join(f"worker.event({name!r})\n" for name in names)
    found = scanned(tmp_path, source.encode())
    assert found[0] == EVENT
    assert len(found) == 1 + len(names)
    assert all("UPN004" in line and line.isprintable() for line in found[1:])


def test_a_walk_yields_what_ast_yields_but_for_contexts_and_operators() -> None:
    """On every kind of node that there is."""
    leaves = ast.expr_context | ast.operator | ast.unaryop | ast.boolop | ast.cmpop
    kinds: set[type] = set()
    for path in sorted(Path(ast.__file__).parent.glob("[a-e]*.py")):
        tree = ast.parse(path.read_bytes())
        expected = {each for each in ast.walk(tree) if not isinstance(each, leaves)}
        assert {*walk(tree)} == expected, path
        kinds |= {type(each) for each in expected}
    tree = ast.parse("match x:\n  case A(b=1) | {'k': [*_], **rest} as y: pass\n  case None: pass\n")
    assert {*walk(tree)} == {each for each in ast.walk(tree) if not isinstance(each, leaves)}
    assert len(kinds) > 50
