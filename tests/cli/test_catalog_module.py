"""`catalog = "shop.catalog"`: the catalog as a module of the project's own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.projects import SHOP, Shell

SETTINGS = '[tool.upnext]\ncatalog = "shop.catalog"\n'
EVENTS = """
    from shop.catalog import Worker

    worker = Worker("shop")
    order_placed = worker.event("order.placed")
"""


@pytest.fixture
def own(empty: Shell) -> Shell:
    """Give a project whose worker comes from the catalog that is to be written."""
    empty.write(SHOP | {"pyproject.toml": SETTINGS, "shop/events.py": EVENTS})
    return empty


def test_the_first_run_writes_a_module_and_its_stub_and_nothing_else(own: Shell) -> None:
    """The handlers are found although the module that the worker comes from does not exist yet."""
    outcome = own.run("gen")
    assert "wrote shop/catalog.pyi, shop/catalog.py, upnext.lock\n1 event, 2 handlers in" in outcome.out
    assert "class Worker(_upnext_worker.Worker):" in own.text("shop/catalog.pyi")
    assert not (own.root / "upnext_catalog.pyi").exists()
    assert own.run("gen", "--check").code == 0
    assert "up to date: shop/catalog.pyi, shop/catalog.py, upnext.lock" in own.run("gen").out


def test_at_run_time_the_module_has_upnexts_own_worker(own: Shell) -> None:
    """It is a name for it, so that workers of both kinds are of one class."""
    own.run("gen")
    code = "import upnext, shop.catalog as c, shop.email; assert c.Worker is upnext.Worker; print(c.__all__)"
    answer = subprocess.run([sys.executable, "-c", code], cwd=own.root, capture_output=True, text=True, check=False)
    assert (answer.stdout, answer.stderr) == ("['Worker']\n", "")


@pytest.mark.parametrize(
    "head",
    [
        "from shop.catalog import Worker as W\nworker = W('shop')",
        "from shop import catalog\nworker = catalog.Worker('shop')",
        "from . import catalog as c\nworker = c.Worker('shop')",
        "from .catalog import Worker\nworker = Worker('shop')",
        "import shop.catalog\nworker = shop.catalog.Worker('shop')",
        "from shop.catalog import *\nworker = Worker('shop')",
        "from shop.catalog import Worker\nclass Own(Worker): ...\nworker = Own('shop')",
        "import upnext\nworker = upnext.Worker('shop')",
    ],
)
@pytest.mark.parametrize("ignored", [False, True])
def test_the_worker_is_upnexts_by_whatever_way_it_is_imported(head: str, ignored: bool, own: Shell) -> None:
    """Before the module exists, when it does, and where generated files are not kept in version control."""
    own.write({"shop/events.py": f"{head}\norder_placed = worker.event('order.placed')\n"})
    own.write({".gitignore": "catalog.py*\n"} if ignored else {})
    for _ in range(2):
        outcome = own.run("gen")
        assert (outcome.code, "1 event, 2 handlers" in outcome.out) == (0, True), outcome.out


def test_the_module_may_be_the_only_one_of_its_package(empty: Shell) -> None:
    """The folder is there, and nothing is in it yet."""
    settings = SETTINGS.replace("shop.catalog", "made.typed.catalog")
    events = EVENTS.replace("shop.catalog", "made.typed.catalog")
    empty.write(SHOP | {"pyproject.toml": settings, "shop/events.py": events, "made/typed/notes.txt": ""})
    assert "1 event, 2 handlers" in empty.run("gen").out
    assert empty.run("gen", "--check").code == 0


def test_check_says_which_of_the_two_files_is_stale(own: Shell) -> None:
    """The module is generated as well as its stub."""
    assert [line for line in own.run("gen", "--check").out.splitlines() if "UPN301" in line] == [
        "shop/catalog.py:1:1: error[UPN301]: shop/catalog.py was never generated",
        "shop/catalog.pyi:1:1: error[UPN301]: shop/catalog.pyi was never generated",
        "upnext.lock:1:1: error[UPN301]: upnext.lock was never generated",
    ]
    own.run("gen")
    (own.root / "shop" / "catalog.py").write_text(own.text("shop/catalog.py") + "x = 1\n", encoding="utf-8")
    outcome = own.run("gen", "--check")
    assert (outcome.code, "shop/catalog.py is out of date" in outcome.out) == (1, True)


@pytest.mark.parametrize("name", ["shop/catalog.py", "shop/catalog.pyi"])
def test_a_module_that_somebody_wrote_is_left_alone(name: str, own: Shell) -> None:
    """Nothing is written then."""
    own.write({name: "mine = 1\n"})
    outcome = own.run("gen")
    assert (outcome.code, "UPN302" in outcome.out) == (1, True)
    assert own.text(name) == "mine = 1\n"
    assert not (own.root / "upnext.lock").exists()


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ('"shop"', "but shop is a folder: name another module."),
        ('"nowhere.catalog"', "but there is no folder nowhere: make it first."),
        ('"shop.class"', 'it is the name of a module, as "shop.catalog".'),
        ('"shop..catalog"', 'it is the name of a module, as "shop.catalog".'),
        ('"shop/catalog"', 'it is the name of a module, as "shop.catalog".'),
        ('""', 'it is the name of a module, as "shop.catalog".'),
        ("3", 'it is the name of a module, as "shop.catalog".'),
        ('"upnext"', "it is a module of the project's own that only upnext writes"),
        ('"shop.__init__"', "it is a module of the project's own that only upnext writes"),
        ('"shop.catalog"\nout = "stubs"', "catalog and out in [tool.upnext] both say where the catalog is written"),
        ('"catalog"\nsrc = ["shop", "other"]', "but there are 2 import roots: name one in a package."),
    ],
)
def test_a_module_that_cannot_be_written_is_refused(setting: str, said: str, own: Shell) -> None:
    """Exit code 2, and one sentence."""
    own.write({"pyproject.toml": f"[tool.upnext]\ncatalog = {setting}\n", "other/a.py": ""})
    outcome = own.run("gen")
    assert (outcome.code, outcome.out) == (2, "")
    assert said in outcome.err


def test_out_on_the_command_line_does_not_go_with_it(own: Shell) -> None:
    """Both say where the catalog goes."""
    outcome = own.run("gen", "--out", "stubs")
    assert (outcome.code, "catalog in [tool.upnext] the module shop.catalog: leave out --out." in outcome.err) == (
        2,
        True,
    )


def test_in_a_workspace_the_module_is_found_in_the_member_that_has_its_package(empty: Shell) -> None:
    """There is one for all members, wherever it lies."""
    empty.write(
        {
            "pyproject.toml": '[tool.uv.workspace]\nmembers = ["p/*"]\n[tool.upnext]\ncatalog = "core.catalog"\n',
            "p/core/pyproject.toml": "",
            "p/core/src/core/events.py": EVENTS.replace("shop.catalog", "core.catalog"),
            "p/api/pyproject.toml": "",
            "p/api/src/api/a.py": SHOP["shop/email.py"].replace("shop.events", "core.events"),
        }
    )
    outcome = empty.run("gen")
    assert (
        "wrote p/core/src/core/catalog.pyi, p/core/src/core/catalog.py, upnext.lock\n1 event, 1 handler" in outcome.out
    )
