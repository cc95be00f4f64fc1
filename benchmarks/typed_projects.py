"""The projects that type checkers are measured on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EVENTS = 100
SETTINGS = f"""\
[project]
name = "app"
version = "1"
dependencies = ["upnext"]

[tool.pyrefly]
python-interpreter-path = "{sys.executable}"

[tool.mypy]
"""
PLAIN = """\
from dataclasses import dataclass


@dataclass
class Item{n}:
    sku: str
    count: int
    prices: dict[str, float]


def total{n}(items: list[Item{n}]) -> float:
    by_sku = {{item.sku: item for item in items}}
    return sum(price * item.count for item in by_sku.values() for price in item.prices.values())


def names{n}(items: list[Item{n}], prefix: str = "") -> list[str]:
    found = sorted((item.sku for item in items if item.sku.startswith(prefix)), key=len)
    return [name.upper() if len(name) > 3 else name for name in found]
"""
HANDLER = """

from app.events import event{e}


@event{e}.on
async def handle{n}(order_id: str, amount: int, note: str | None = None, **kwargs: object) -> None: ...


async def send{n}() -> None:
    await event{e}.send(order_id="1", amount={n})
    await event{e}.send(order_id="2", amount={n}, note="x")
"""
BUS = """\
from collections.abc import Callable
from typing import Any, TypeVar

H = TypeVar("H", bound=Callable[..., Any])


class Event:
    def on(self, handler: H) -> H:
        return handler

    async def send(self, **fields: Any) -> None:
        print(fields)


class Worker:
    def __init__(self, name: str) -> None:
        print(name)

    def event(self, name: str) -> Event:
        print(name)
        return Event()
"""
SHAPES = (
    ("order_id: str, amount: int, note: str | None = None, **kwargs: object", 'order_id="1", amount=1'),
    ("order_id: str, user_id: str", 'order_id="1", user_id="2"'),
    ("sku: str, left: int, where: list[str] | None = None", 'sku="1", left=1, where=["a"]'),
    ('order_id: str, total: float, currency: str = "EUR", **kwargs: object', 'order_id="1", total=2.0, currency="USD"'),
)
"""Parameters of handlers, and what is sent to them."""


def write_modules(root: Path, modules: int) -> None:
    """Write a project of which every fifth module handles an event and sends it twice."""
    package = _package(root)
    events = "".join(f'event{e} = worker.event("event.{e}")\n' for e in range(EVENTS))
    (package / "events.py").write_text(f'import upnext\n\nworker = upnext.Worker("app")\n{events}')
    for n in range(modules):
        text = PLAIN.format(n=n) + (HANDLER.format(n=n, e=n // 5 % EVENTS) if n % 5 == 0 else "")
        (package / f"module{n}.py").write_text(text)
    _generate(root)


def write_events(root: Path, events: int, workers: int, *, bus: bool = False) -> None:
    """Write a project with a module a worker, which declares, handles and sends its share of the events.

    Args:
        root: Where.
        events: How many.
        workers: How many.
        bus: Whether the project has an event bus of its own, without types, instead of upnext.
    """
    package = _package(root)
    each = events // workers
    for worker in range(workers):
        numbers = range(worker * each, worker * each + each)
        lines = ["import app.bus as upnext" if bus else "import upnext", f'worker = upnext.Worker("worker{worker}")']
        lines += [f'event{n} = worker.event("team{worker}.event{n}")' for n in numbers]
        for n in numbers:
            lines += [f"@event{n}.on", f"async def handle{n}({SHAPES[n % 4][0]}) -> None: ..."]
        lines += ["async def sends() -> None:"]
        lines += [f"    await event{n}.send({SHAPES[n % 4][1]})" for n in numbers]
        (package / f"worker{worker}.py").write_text("\n".join(lines) + "\n")
    if bus:
        (package / "bus.py").write_text(BUS)
    else:
        _generate(root)


def _package(root: Path) -> Path:
    package = root / "src" / "app"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (root / "pyproject.toml").write_text(SETTINGS)
    return package


def _generate(root: Path) -> None:
    subprocess.run([sys.executable, "-m", "upnext", "gen"], cwd=root, check=True, stdout=subprocess.DEVNULL)
