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
