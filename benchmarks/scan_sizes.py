"""What `upnext gen` takes on trees of several sizes, beside other versions of it: `make bench-scan-sizes`.

    python benchmarks/scan_sizes.py [--trees 10000 dense 100000] [--against PYTHON ...] [--runs N]

`--against` names the interpreters of environments in which other versions are installed. Each figure is the best of its
runs, in processor seconds, which other work on the machine changes least; memory is the sum over all processes.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from haystack import Haystack, build
from scan import Figure, run

_DENSE = 1_300
_GENERATED = ("upnext.lock", "upnext_catalog.pyi")


def main() -> int:
    """Build each tree, measure every version on it, print one table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parser.add_argument("--trees", nargs="+", default=["10000", "dense", "100000"], help="numbers of files, or dense")
    parser.add_argument("--against", nargs="*", default=[], metavar="PYTHON", help="interpreters with other versions")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    load = " ".join(f"{each:.1f}" for each in os.getloadavg())
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {load}\n")
    pythons = [sys.executable, *options.against]
    others = "".join(f"{f'CPU s of {number}':>14}{'ratio':>7}" for number in range(1, len(pythons)))
    print(f"{'':34}{'s':>8}{'CPU s':>8}{'peak MB':>9}{others}")
    for tree in options.trees:
        folder = Path(tempfile.mkdtemp(prefix="haystack."))
        try:
            hay = build(folder, _DENSE, dense=True) if tree == "dense" else build(folder, int(tree))
            time.sleep(3)  # Files written just now are not believed by their times alone.
            _print(tree, [_figures(hay, python, options.runs) for python in pythons])
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    for number, python in enumerate(options.against, 1):
        print(f"\n{number}: {python}")
    return 0


def _figures(hay: Haystack, python: str, runs: int) -> list[Figure]:
    command = (python, "-m", "upnext", "gen", "--format", "json")
    for name in _GENERATED:
        (hay.root / name).unlink(missing_ok=True)
    path = hay.handlers[len(hay.handlers) // 2]
    text = path.read_text(encoding="utf-8")

    def best(what: str, before: Callable[[int], object]) -> Figure:
        found: list[Figure] = []
        for number in range(runs):
            before(number)
            found.append(run(command, hay.root, what, sampled=True))
        return Figure(
            what, min(each.wall for each in found), min(each.cpu for each in found), max(each.memory for each in found)
        )

    figures = [
        best("cold", lambda _: shutil.rmtree(hay.root / ".upnext", ignore_errors=True)),
        best("warm", lambda _: None),
        best(
            "one signature changed",
            lambda number: path.write_text(text.replace("note: str", f"note{number}: str"), encoding="utf-8"),
        ),
    ]
    path.write_text(text, encoding="utf-8")
    shutil.rmtree(hay.root / ".upnext", ignore_errors=True)
    return figures


def _print(tree: str, versions: list[list[Figure]]) -> None:
    name = "dense" if tree == "dense" else f"{int(tree):,} files"
    for here, *others in zip(*versions, strict=True):
        beside = "".join(f"{each.cpu:14.2f}{each.cpu / here.cpu:7.2f}" for each in others)
        print(f"{f'{name}, {here.what}':34}{here.wall:8.2f}{here.cpu:8.2f}{here.memory:9.0f}{beside}")


if __name__ == "__main__":
    sys.exit(main())
