"""Ways that are longer than any program's, and longer than Python's stack: answered, or said to be too long."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.codegen.reading import HEAD, lines, read

HANDLER = "@placed.on\ndef a(x: int): ...\n"
FAR = 400
"""Each step takes several frames of the thousand that Python allows."""


def _chain(first: str, step: str, last: str, length: int = FAR) -> dict[str, str]:
    between = {f"m{number}.py": step.format(number - 1) for number in range(1, length)}
    return {"m0.py": first, **between, "app.py": last.format(length - 1)}


def test_a_hundred_re_exports_are_followed(tmp_path: Path) -> None:
    found = lines(*read(tmp_path, _chain(HEAD, "from m{} import placed\n", "from m{} import placed\n" + HANDLER, 100)))
    assert found == ["m0.py:3:10 event order.placed of shop", "app.py:3:5 order.placed of shop: a(x: int)"]


@pytest.mark.long
@pytest.mark.parametrize("step", ["from m{} import placed\n", "from m{} import *\n"])
def test_hundreds_of_re_exports_end_no_run(step: str, tmp_path: Path) -> None:
    found = lines(*read(tmp_path, _chain(HEAD, step, step + HANDLER)))
    assert found[0] == "m0.py:3:10 event order.placed of shop"


def test_the_bases_of_hundreds_of_classes_are_all_found(tmp_path: Path) -> None:
    bases = "".join(f"class C{number + 1}(C{number}): ...\n" for number in range(FAR))
    scanned, _ = read(tmp_path, f"{HEAD}class C0: ...\n{bases}@placed.on\ndef a(x: C{FAR}): ...\n")
    assert len(scanned.classes) == FAR + 1


@pytest.mark.parametrize("arms", [900, 1_500, 20_000])
def test_a_long_row_of_branches_is_a_finding_at_most(arms: int, tmp_path: Path) -> None:
    text = HEAD + "if a: pass\n" + "elif b: pass\n" * arms
    (found,) = lines(*read(tmp_path, {"app.py": text}))
    assert found == "app.py:3:10 event order.placed of shop" or found.startswith("app.py:1:1 UPN001")


def test_folders_in_folders_are_walked_as_deep_as_they_go(tmp_path: Path) -> None:
    # One by one: some systems do not make such a path at once.
    folder = tmp_path
    for _ in range(600):
        folder = folder / "d"
        folder.mkdir()
    (folder / "app.py").write_text(HEAD)
    (found,) = lines(*read(tmp_path, {}))
    assert found.endswith("app.py:3:10 event order.placed of shop")


def test_a_class_that_keeps_itself_ends_no_run(tmp_path: Path) -> None:
    """What it carries was asked of itself again and again."""
    keeps = "class Group:\n    def __init__(self) -> None:\n        self.group_class = Group\n        print(worker)\n"
    assert lines(*read(tmp_path, HEAD + keeps))[0] == "app.py:3:10 event order.placed of shop"


@pytest.mark.parametrize(
    "held",
    [
        "held = {}\nheld['itself'] = held\nheld['event'] = placed\nGroup().attach(held)\n",
        "def make(one):\n    return [make(one), worker.name]\nGroup().attach(make([]))\n",
        "held = {}\nheld['a'] = types.SimpleNamespace(held=held)\nheld['event'] = placed\nGroup().attach(held)\n",
        "a = {}\nb = [a]\na['b'] = b\na['event'] = placed\nGroup().attach(b)\n",
    ],
)
def test_a_container_that_is_in_itself_ends_no_run(held: str, tmp_path: Path) -> None:
    """Whether it holds an event was asked of what is in it again and again, until the file counted as unreadable."""
    group = "import types\nclass Group:\n    def attach(self, *events: object) -> None:\n        events[0].on(print)\n"
    found = lines(*read(tmp_path, HEAD + group + held))
    assert found[0] == "app.py:3:10 event order.placed of shop"
    assert {each.split(" ")[1] for each in found[1:]} == {"UPN002"}


def test_items_that_are_made_of_one_another_are_each_asked_once(tmp_path: Path) -> None:
    """There are more ways round among fourteen of them than anybody can go."""
    made = "".join(
        f"found['{n}'] = make(found['{n * 3 % 14}'], found['{n * 5 % 14}'], found[placed.name], worker)\n"
        for n in range(14)
    )
    text = f"{HEAD}found = {{}}\ndef make(*args):\n    return args[0]\n{made}print(found[placed.name], placed)\n"
    assert lines(*read(tmp_path, text))[0] == "app.py:3:10 event order.placed of shop"


def test_a_long_row_of_calls_on_what_calls_return_is_worked_out_once(tmp_path: Path) -> None:
    """Each looks twice at what it is called on."""
    row = "placed" + ".get(worker)" * 60
    assert lines(*read(tmp_path, f"{HEAD}found = {row}\n"))[0] == "app.py:3:10 event order.placed of shop"
