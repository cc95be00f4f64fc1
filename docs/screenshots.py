"""Takes the screenshots of the dashboard in `docs/pictures`, with a real server, workers and browser.

python docs/screenshots.py         needs Chromium and the environment of `make test`

They show what a page looks like; what it says is what tests/dashboard checks.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.servers import Server, free_port, valkey_binary  # noqa: E402  # the checkout is not a package
from tests.waiting import wait_until  # noqa: E402

PICTURES = Path(__file__).parent / "pictures"
SERVICE = """\
import asyncio
import random
from datetime import timedelta

import upnext

worker = upnext.Worker("shop")
order_placed = worker.event("order.placed")
payment_taken = worker.event("payment.taken")
parcel_sent = worker.event("parcel.sent")

DECLINED = (
    ConnectionError("payments: 503 Service Unavailable"),
    ConnectionError("payments: 503 Service Unavailable"),
    TimeoutError("payments: no answer within 5 s"),
    LookupError("no card on file for this customer"),
)

@order_placed.on(retries=1, retry_delay=0.5)
async def charge(order_id: int, total: float, **kwargs: object) -> None:
    if order_id % 19 == 0:
        raise random.choice(DECLINED)
    await payment_taken.send(order_id=order_id)

@order_placed.on
async def reserve_stock(order_id: int, **kwargs: object) -> None:
    await asyncio.sleep(random.random() / 50)

@order_placed.on(retries=3, retry_delay=20)
async def send_confirmation(order_id: int, **kwargs: object) -> None:
    if order_id % 97 == 5:
        raise TimeoutError("mail: no answer within 5 s")

@payment_taken.on(limit=4)
async def print_label(order_id: int, **kwargs: object) -> None:
    await asyncio.sleep(0.12)
    await parcel_sent.send(order_id=order_id, carrier="owl post")

@parcel_sent.on
async def tell_customer(order_id: int, carrier: str) -> None: ...

@parcel_sent.on
async def count_parcels(carrier: str, **kwargs: object) -> None: ...

@worker.cron(every=timedelta(hours=1))
async def close_the_books() -> None: ...
"""
SHOP = """\
import asyncio
import math
import time

from service import order_placed

async def place_order(number: int) -> None:
    await order_placed.send(order_id=number, total=9.5)

async def main() -> None:
    began, number = time.monotonic(), 0
    while True:
        number += 1
        await place_order(number)
        passed = time.monotonic() - began
        await asyncio.sleep(1 / (22 + 9 * math.sin(passed / 4) + 4 * math.sin(passed / 1.7)))

asyncio.run(main())
"""
NAMESPACE = "shop"


class Shot(NamedTuple):
    """One picture: the path of the page, the size of the window, and which colours its user prefers."""

    path: str
    width: int
    height: int
    dark: bool = False


SHOTS = {
    "dashboard-overview.png": Shot("/", 1280, 800),
    "dashboard-events.png": Shot("/events", 1280, 690),
    "dashboard-dead.png": Shot("/dead", 1280, 640, dark=True),
    "dashboard-narrow.png": Shot("/", 390, 844),
}
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


def chromium() -> str | None:
    """Return where a Chromium is on this machine."""
    return next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, default=PICTURES, metavar="FOLDER")
    parser.add_argument("--readings", type=int, default=45, metavar="N", help="how many points the chart has")
    given = parser.parse_args()
    if not take(given.into, given.readings):
        print("There is no Chromium or no Valkey on this machine.", file=sys.stderr)
        return 1
    return 0


def take(into: Path, readings: int) -> bool:
    """Take all pictures; return whether this machine has what that needs.

    Args:
        into: The folder to write them to.
        readings: How many points the chart is to have.
    """
    browser, binary = chromium(), valkey_binary()
    if browser is None or binary is None:
        return False
    with tempfile.TemporaryDirectory() as name, Server(binary, Path(name) / "server", tcp=True) as server:
        folder = Path(name)
        with serving(folder, server.url) as address:
            watch(address, readings)
            for file, shot in SHOTS.items():
                shoot(browser, address, into / file, shot, folder / f"profile of {file}")
    return True


@contextmanager
def serving(folder: Path, redis_url: str) -> Iterator[str]:
    """Run a shop with a dashboard beside it; give the dashboard's address."""
    for file, text in {"pyproject.toml": "", "service.py": SERVICE, "shop.py": SHOP}.items():
        (folder / file).write_text(text, encoding="utf-8")
    settings = {"UPNEXT_REDIS_URL": redis_url, "UPNEXT_NAMESPACE": NAMESPACE, "PYTHONPATH": str(folder)}
    environment, port = {**os.environ, **settings}, free_port()
    upnext = ("-m", "upnext")
    graph = [sys.executable, *upnext, "graph", "--format", "json"]
    (folder / "graph.json").write_bytes(subprocess.run(graph, cwd=folder, check=True, capture_output=True).stdout)
    address = f"http://127.0.0.1:{port}"
    with (
        _running(folder, environment, *upnext, "run", "--processes", "2", "service.py"),
        _running(folder, environment, *upnext, "dashboard", "--port", str(port), "--graph", "graph.json"),
    ):
        wait_until(lambda: page(f"{address}/workers").count("lease renewed") == 2, timeout=120, what="two workers")
        with _running(folder, environment, "shop.py"):
            yield address


def page(address: str) -> str:
    """Return a page, "" while nobody answers."""
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def watch(address: str, readings: int) -> None:
    """Look at the overview until there is something to see, and its chart has so many points."""

    def is_worth_a_picture() -> bool:
        shown = page(f"{address}/")
        points = shown.partition('<polyline class="done" points="')[2].partition('"')[0].split()
        return len(points) >= readings and "dead letters" in shown

    wait_until(is_worth_a_picture, timeout=240, interval=1.05, what="a chart with that many points")


def shoot(browser: str, address: str, target: Path, shot: Shot, profile: Path) -> None:
    """Take one picture."""
    colours = ["--blink-settings=preferredColorScheme=0"] * shot.dark
    options = [f"--user-data-dir={profile}", f"--window-size={shot.width},{shot.height}", f"--screenshot={target}"]
    subprocess.run(
        [browser, *FLAGS, *colours, *options, address + shot.path], check=True, capture_output=True, timeout=120
    )


@contextmanager
def _running(folder: Path, environment: dict[str, str], *arguments: str) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, *arguments], cwd=folder, env=environment, stderr=subprocess.DEVNULL)
    try:
        yield
        assert process.poll() is None, f"{arguments} ended with {process.returncode}"
    finally:
        process.terminate()
        process.wait(30)


if __name__ == "__main__":
    sys.exit(main())
