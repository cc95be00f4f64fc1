"""Findings of the graph beside the rest of `upnext gen`; what they say of which sources is in the corpus."""

from __future__ import annotations

import json

import pytest

from tests.cli.projects import SHOP, Shell

API = """
    from shop.events import order_placed


    async def place(order_id: str) -> None:
        await order_placed.send(order_id=order_id, user_id="1")
"""
CLOSED = "[tool.upnext]\nclosed = true\n"


def reported(shell: Shell, *arguments: str) -> list[str]:
    found = json.loads(shell.run("gen", "--format", "json", *arguments).out)["diagnostics"]
    return [f"{each['code']} {each['file']}:{each['line']}" for each in found]


def test_a_send_makes_no_generated_file_stale(shop: Shell) -> None:
    shop.run("gen")
    before = shop.text("upnext.lock"), shop.text("upnext_catalog.pyi")
    shop.write({"shop/api.py": API})
    assert shop.run("gen", "--check").code == 0
    shop.write({"shop/api.py": API.replace("await ", "sent = ")})
    assert reported(shop) == ["UPN507 shop/api.py:5"]
    assert (shop.text("upnext.lock"), shop.text("upnext_catalog.pyi")) == before


def test_a_finding_goes_with_the_edit_of_another_file(shop: Shell) -> None:
    """What is found of one file depends on others, and the cache knows that."""
    shop.write({"pyproject.toml": CLOSED})
    assert reported(shop) == ["UPN501 shop/email.py:5"]
    shop.write({"shop/api.py": API})
    assert reported(shop) == []
    shop.write({"shop/api.py": ""})
    assert reported(shop) == ["UPN501 shop/email.py:5"]


@pytest.mark.parametrize(
    "files",
    [
        {"pyproject.toml": f'{CLOSED}ignore = ["UPN501"]\n'},
        {"shop/email.py": SHOP["shop/email.py"].replace("...", "...  # upnext: ignore[UPN501]")},
        {"shop/stock.py": SHOP["shop/stock.py"].replace("...", "...  # upnext: ignore")},
    ],
)
def test_they_are_silenced_like_all_others(shop: Shell, files: dict[str, str]) -> None:
    shop.write({"pyproject.toml": CLOSED, **files})
    assert reported(shop) == []


def test_they_are_narrowed_to_paths_like_all_others(shop: Shell) -> None:
    shop.write({"pyproject.toml": CLOSED})
    assert reported(shop, "shop/events.py") == []
    assert reported(shop, "shop/stock.py") == ["UPN501 shop/email.py:5"]


def test_an_entry_file_that_is_left_out_counts_all_the_same(shop: Shell) -> None:
    """`upnext run` can be given any file, also one in a folder that is not scanned."""
    run = '[tool.upnext]\nrun = ["build/service.py"]\n'
    shop.write({"pyproject.toml": run, "build/service.py": "import shop.email\n"})
    assert reported(shop) == ["UPN503 shop/stock.py:5"]
    shop.write({"build/service.py": "import shop.email, shop.stock\n"})
    assert reported(shop) == []
