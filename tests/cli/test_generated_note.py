"""What is noted of the generated files, so that a run without changes is fast: never believed wrongly."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.projects import SHOP, Shell
from upnext_codegen.catalog.outputs import keep
from upnext_codegen.catalog.writer import Outcome, Output

OTHER = {"shop/stock.py": SHOP["shop/stock.py"].replace("items", "goods")}


@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "second name"])
def test_whatever_stands_in_the_place_of_the_note_nothing_outside_is_written(
    kind: str, shop: Shell, tmp_path: Path
) -> None:
    shop.run("gen")
    precious, note = tmp_path / "precious", shop.root / ".upnext" / "generated.json"
    precious.write_text("precious")
    note.unlink()
    match kind:
        case "link":
            note.symlink_to(precious)
        case "dangling link":
            note.symlink_to(tmp_path / "missing")
        case "pipe":
            os.mkfifo(note)
        case _:
            note.hardlink_to(precious)
    shop.write(OTHER)
    assert shop.run("gen").code == 0
    assert "goods" in shop.text("upnext_catalog.pyi")
    assert precious.read_text() == "precious"
    assert not (tmp_path / "missing").exists()


def test_a_file_that_another_run_wrote_meanwhile_is_not_taken_for_this_one_s(
    shop: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(outputs: tuple[Output, ...], root: Path, command: str) -> Outcome:
        outcome = keep(outputs, root, command)
        (root / "upnext_catalog.pyi").write_text(outputs[0].text.replace("items", "goods"))
        return outcome

    with monkeypatch.context() as patch:
        patch.setattr("upnext_codegen.catalog.outputs.keep", overtaken)
        shop.run("gen")
    assert shop.run("gen", "--check").code == 1
    assert "wrote upnext_catalog.pyi" in shop.run("gen").out
