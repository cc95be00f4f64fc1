"""What the mypy plugin costs on a thousand modules: python benchmarks/plugin_cost.py [--modules N] [--pairs N]

Runs mypy with the plugin and without it by turns, on the same project with the same catalog, and compares what each run
took of the processor in user mode: cold without any cache, and warm after nothing has changed. The figure is the median
of the differences of neighbours, so that what else the machine does falls on both.
The aims are 5 % cold and 150 ms warm.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

EVENTS = 100
SETTINGS = '[project]\nname = "app"\nversion = "1"\ndependencies = ["upnext"]\n\n[tool.mypy]\n'
PLUGIN = 'plugins = ["upnext_mypy"]\n'
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


def write(root: Path, modules: int) -> None:
    """Write a project of which every fifth module handles an event and sends it twice."""
    package = root / "src" / "app"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    events = "".join(f'event{e} = worker.event("event.{e}")\n' for e in range(EVENTS))
    (package / "events.py").write_text(f'import upnext\n\nworker = upnext.Worker("app")\n{events}')
    for n in range(modules):
        text = PLAIN.format(n=n) + (HANDLER.format(n=n, e=n // 5 % EVENTS) if n % 5 == 0 else "")
        (package / f"module{n}.py").write_text(text)


def seconds(root: Path, *, plugin: bool, cache: str) -> float:
    """Run mypy and return its user time."""
    (root / "pyproject.toml").write_text(SETTINGS + (PLUGIN if plugin else ""))
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    answer = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", cache, "src"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        sys.exit(f"mypy found faults in the project:\n{answer.stdout[-2000:]}{answer.stderr}")
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def compare(root: Path, pairs: int, caches: tuple[str, str]) -> tuple[float, float, float]:
    """Return the medians with the plugin and without it, and of the differences of the pairs, in seconds."""
    taken = [
        (seconds(root, plugin=True, cache=caches[0]), seconds(root, plugin=False, cache=caches[1]))
        for _ in range(pairs)
    ]
    difference = statistics.median(with_it - without for with_it, without in taken)
    return statistics.median(each[0] for each in taken), statistics.median(each[1] for each in taken), difference


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--modules", type=int, default=1000)
    parser.add_argument("--pairs", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write(root, arguments.modules)
        (root / "pyproject.toml").write_text(SETTINGS)
        subprocess.run([sys.executable, "-m", "upnext", "gen"], cwd=root, check=True, stdout=subprocess.DEVNULL)
        cold = compare(root, arguments.pairs, (os.devnull, os.devnull))
        caches = (str(root / "with"), str(root / "without"))
        compare(root, 1, caches)
        warm = compare(root, arguments.pairs * 2, caches)
    print(f"{arguments.modules} modules, {EVENTS} events; user time, median of {arguments.pairs} pairs")
    print(f"cold  {cold[0]:.2f} s with the plugin, {cold[1]:.2f} s without: {cold[2] / cold[1]:+.1%}")
    print(f"warm  {warm[0]:.2f} s with the plugin, {warm[1]:.2f} s without: {warm[2] * 1000:+.0f} ms")


if __name__ == "__main__":
    main()
