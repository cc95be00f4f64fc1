from __future__ import annotations

import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from tests.cli.projects import SHOP, Shell

# Where the tests run in the background of a script they ignore SIGINT, and a child would inherit that.
_WATCH = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from upnext.cli import main
sys.exit(main(["gen", "--watch"]))
"""


class Watcher:
    """A running `upnext gen --watch`."""

    def __init__(self, shop: Shell) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _WATCH],
            cwd=shop.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def until(self, text: str) -> str:
        """Return what is printed up to the line with the text."""
        found: list[str] = []
        while not found or text not in found[-1]:
            found.append(self._lines.get(timeout=30))
            assert found[-1], f"{text!r} was not printed, but this: {''.join(found)}"
        return "".join(found)


@pytest.fixture
def watcher(shop: Shell) -> Iterator[Watcher]:
    """Give a watcher of the project."""
    started = Watcher(shop)
    yield started
    started.process.kill()
    started.process.wait()
    assert started.process.stdout is not None
    started.process.stdout.close()


def test_watch_writes_the_catalog_again_after_each_change_until_it_is_interrupted(
    shop: Shell, watcher: Watcher
) -> None:
    assert "wrote upnext_catalog.pyi, upnext.lock\n" in watcher.until("nothing to report")
    shop.write({"shop/stock.py": SHOP["shop/stock.py"].replace("order_id: str", "order_id: int")})
    assert 'field "order_id" of "order.placed" is str here but int' in watcher.until("1 error")
    shop.write({"pyproject.toml": "[tool.upnext]\nsrcs = 1\n"})
    watcher.until("upnext: Unknown key 'srcs' in [tool.upnext]")
    shop.write({"pyproject.toml": "[tool.upnext]\nignore = ['UPN101']\n", "shop/stock.py": "broken = (\n"})
    shop.write({"shop/stock.py": SHOP["shop/stock.py"].replace("items", "goods")})
    # Between two writes the watcher may see the first alone, and report on that as well.
    watcher.until("goods")
    watcher.until("nothing to report")
    assert "goods: list[str] | None = ...," in shop.text("upnext_catalog.pyi")
    watcher.process.send_signal(signal.SIGINT)
    assert watcher.process.wait(timeout=30) == 130


def test_what_is_deleted_moved_or_saved_by_a_rename_is_noticed(shop: Shell, watcher: Watcher) -> None:
    watcher.until("nothing to report")
    (shop.root / "shop" / "stock.py").unlink()
    assert "required  send_confirmation\n" in watcher.until("1 event, 1 handler in 3 files")
    (shop.root / "shop" / "email.py").rename(shop.root / "shop" / "letters.py")
    watcher.until("wrote upnext_catalog.pyi")
    watcher.until("nothing to report")
    assert '"shop.letters"' in shop.text("upnext.lock")
    shop.write({".saved": SHOP["shop/email.py"].replace("user_id", "person_id")})
    (shop.root / ".saved").replace(shop.root / "shop" / "letters.py")
    assert "person_id" in watcher.until("nothing to report")
    (shop.root / "shop").rename(shop.root / "store")
    # Its imports name the old folder, so the handler's event is not known there.
    watcher.until("in 3 files")
    assert '"shop.letters"' not in shop.text("upnext.lock")
    (shop.root / "store").rename(shop.root / "shop")
    assert "person_id" in watcher.until("nothing to report")


def test_a_switch_to_another_branch_is_one_project_after_the_other(shop: Shell, watcher: Watcher) -> None:
    watcher.until("nothing to report")
    other = {f"more/part{number}.py": SHOP["shop/email.py"] for number in range(200)}
    named = {name: text.replace("send_confirmation", f"send_{name[9:-3]}") for name, text in other.items()}
    git = ["git", "-c", "user.name=me", "-c", "user.email=me@example.com"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"], ["checkout", "-qb", "other"]):
        subprocess.run([*git, *command], cwd=shop.root, check=True)
    (shop.root / "shop" / "email.py").unlink()
    shop.write(named)
    watcher.until("1 event, 201 handlers in 203 files")
    for command in (["add", "."], ["commit", "-qm", "two"], ["checkout", "-q", "-"]):
        subprocess.run([*git, *command], cwd=shop.root, check=True)
    watcher.until("1 event, 2 handlers in 4 files")
    assert "send_1" not in shop.text("upnext.lock")
    subprocess.run([*git, "checkout", "-q", "other"], cwd=shop.root, check=True)
    watcher.until("1 event, 201 handlers in 203 files")
    assert "send_199" in shop.text("upnext.lock")


@pytest.mark.parametrize("name", ["upnext_catalog.pyi", "upnext.lock"])
def test_a_generated_file_that_is_deleted_is_written_again(name: str, shop: Shell, watcher: Watcher) -> None:
    watcher.until("nothing to report")
    # The watcher has certainly seen the files once it has seen a change that came after them.
    shop.write({"shop/stock.py": SHOP["shop/stock.py"].replace("items", "goods")})
    # It may see the file empty first, and report on that as well.
    watcher.until("goods")
    watcher.until("nothing to report")
    (shop.root / name).unlink()
    assert f"wrote {name}\n" in watcher.until("nothing to report")


def test_sigterm_ends_the_watch(shop: Shell, watcher: Watcher) -> None:
    watcher.until("nothing to report")
    watcher.process.terminate()
    assert watcher.process.wait(timeout=30) == -signal.SIGTERM
