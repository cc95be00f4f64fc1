"""Takes the screenshots of the dashboard in `docs/pictures`, with a real server, worker and browser.

python docs/screenshots.py         needs Chromium and the environment of `make test`

They show what a page looks like; what it says is what tests/dashboard checks.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.servers import Server, free_port, valkey_binary  # noqa: E402  # the checkout is no package

PICTURES = Path(__file__).parent / "pictures"
SERVICE = """\
import time
from datetime import timedelta

import upnext

worker = upnext.Worker("shop")
order_placed = worker.event("order.placed")
payment_taken = worker.event("payment.taken")

@order_placed.on(retries=1, retry_delay=0.1)
async def charge(order_id: int, **kwargs: object) -> None:
    if order_id % 9 == 0:
        raise ConnectionError("payments: 503 Service Unavailable")
    await payment_taken.send(order_id=order_id)

@order_placed.on
async def reserve(order_id: int, **kwargs: object) -> None: ...

@payment_taken.on
def print_label(order_id: int, **kwargs: object) -> None:
    time.sleep(0.2)

@worker.cron(every=timedelta(hours=1))
async def close_the_books() -> None: ...
"""
SEND = """\
import asyncio
from service import order_placed

async def main() -> None:
    for number in range(600):
        await order_placed.send(order_id=number)
        await asyncio.sleep(0.02)

asyncio.run(main())
"""
SHOTS = {
    "dashboard-narrow.png": ("/", (390, 844), False),
    "dashboard-dead.png": ("/dead", (1280, 640), True),
    "dashboard-overview.png": ("/", (1280, 700), False),  # last: rates need two looks
}


def main() -> int:
    browser, binary = shutil.which("chromium") or shutil.which("google-chrome"), valkey_binary()
    if browser is None or binary is None:
        print("There is no Chromium or no Valkey on this machine.", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "service.py").write_text(SERVICE, encoding="utf-8")
        (folder / "send.py").write_text(SEND, encoding="utf-8")
        with Server(binary, folder / "server", tcp=True, appendonly=True) as server:
            environment = {**os.environ, "UPNEXT_REDIS_URL": server.url, "PYTHONPATH": str(folder)}
            port = free_port()
            with (
                _running(folder, environment, "-m", "upnext", "run", "--processes", "2", "service.py"),
                _running(folder, environment, "-m", "upnext", "dashboard", "--port", str(port)),
                _running(folder, environment, "send.py"),
            ):
                _wait_for(f"http://127.0.0.1:{port}/")
                time.sleep(8)  # for the picture: there has to be something to see
                for file, (path, size, dark) in SHOTS.items():
                    _shoot(browser, f"http://127.0.0.1:{port}{path}", PICTURES / file, size, dark=dark)
    return 0


@contextmanager
def _running(folder: Path, environment: dict[str, str], *arguments: str) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, *arguments], cwd=folder, env=environment, stderr=subprocess.DEVNULL)
    try:
        yield
        assert process.poll() in {None, 0}, f"{arguments} ended with {process.returncode}"
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(url: str) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(url, timeout=5)
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(url)


def _shoot(browser: str, url: str, target: Path, size: tuple[int, int], *, dark: bool) -> None:
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=6000"]
    options += [f"--window-size={size[0]},{size[1]}", f"--screenshot={target}", *(["--force-dark-mode"] * dark)]
    subprocess.run([browser, *options, url], check=True, capture_output=True)


if __name__ == "__main__":
    sys.exit(main())
