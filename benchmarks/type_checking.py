"""What upnext costs while types are checked: python -m benchmarks.type_checking [--runs N] [--modules N] [--write]

Two things are measured, both as what the processor did in user mode, in pairs of neighbours, so that what else the
machine does falls on both; a figure is the median of the differences.

- The mypy plugin, on a project of a thousand modules with and without it: cold without any cache, and warm after
  nothing has changed. The aims are 5 % and 150 ms.
- The catalog, on projects of up to 4,000 events, each with a handler and a send, beside the same projects on a bus of
  their own whose events take anything. The aims for 2,000 events of 40 workers are 4 s (mypy), 8 s (pyright) and 1 s.

`--write` writes the figures into docs/conformance.md.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.typed_projects import SETTINGS, write_events, write_modules
from tests.conformance.table import PAGE, replaced

BIN = Path(sys.executable).parent
PLUGIN = 'plugins = ["upnext_mypy"]\n'
SIZES = ((1, 1), (300, 6), (2000, 40), (4000, 80), (1000, 1))
CHECKERS = {
    "mypy": ("--cache-dir", os.devnull, "src"),
    "pyright": ("--pythonpath", sys.executable, "src"),
    "basedpyright": ("--level", "error", "--pythonpath", sys.executable, "src"),
    "ty": ("check", "--python", sys.executable, "src"),
    "pyrefly": ("check",),
}


def seconds(root: Path, tool: str, *arguments: str) -> float:
    """Run a checker, which has to find nothing, and return its user time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    answer = subprocess.run([BIN / tool, *arguments], cwd=root, capture_output=True, text=True, check=False)
    if answer.returncode:
        sys.exit(f"{tool} found faults in {root.name}:\n{answer.stdout[-2000:]}{answer.stderr}")
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def compare(runs: int, one: Callable[[], float], other: Callable[[], float]) -> tuple[float, float]:
    """Return the medians of what one takes more than the other, and of what the other takes."""
    pairs = [(one(), other()) for _ in range(runs)]
    return statistics.median(first - second for first, second in pairs), statistics.median(each[1] for each in pairs)


def plugin(root: Path, modules: int, runs: int) -> list[tuple[str, ...]]:
    """Measure the plugin, and return the table."""
    write_modules(root, modules)

    def mypy(settings: str, cache: str) -> float:
        (root / "pyproject.toml").write_text(SETTINGS + settings)
        return seconds(root, "mypy", "--cache-dir", cache, "src")

    caches = (str(root / "with"), str(root / "without"))
    cold = compare(runs, lambda: mypy(PLUGIN, os.devnull), lambda: mypy("", os.devnull))
    compare(1, lambda: mypy(PLUGIN, caches[0]), lambda: mypy("", caches[1]))
    warm = compare(runs * 2, lambda: mypy(PLUGIN, caches[0]), lambda: mypy("", caches[1]))
    return [
        (f"mypy on {modules:,} modules", "without the plugin", "more with it"),
        ("---", "---:", "---:"),
        ("cold", f"{cold[1]:.1f} s", f"{cold[0]:.2f} s, {cold[0] / cold[1]:.1%}"),
        ("warm", f"{warm[1]:.2f} s", f"{warm[0] * 1000:.0f} ms"),
    ]


def catalog(folder: Path, runs: int) -> list[tuple[str, ...]]:
    """Measure the catalog, and return the table."""
    lines: list[tuple[str, ...]] = [("events", "workers", *CHECKERS), ("---:", "---:", *("---:" for _ in CHECKERS))]
    for events, workers in SIZES:
        ours, theirs = folder / f"upnext-{events}-{workers}", folder / f"bus-{events}-{workers}"
        write_events(ours, events, workers)
        write_events(theirs, events, workers, bus=True)
        more = {name: _more(runs, name, ours, theirs) for name in CHECKERS}
        lines.append((f"{events:,}", f"{workers}", *(f"{more[name]:.1f} s" for name in CHECKERS)))
        print(*lines[-1], flush=True)
    return lines


def _more(runs: int, checker: str, ours: Path, theirs: Path) -> float:
    flags = CHECKERS[checker]
    return compare(runs, lambda: seconds(ours, checker, *flags), lambda: seconds(theirs, checker, *flags))[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--modules", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tables = {
            "scale": catalog(Path(folder), arguments.runs),
            "plugin": plugin(Path(folder) / "modules", arguments.modules, arguments.runs),
        }
    page = PAGE.read_text(encoding="utf-8")
    for name, lines in tables.items():
        print(*(" | ".join(line) for line in lines), sep="\n")
        page = replaced(page, name, lines)
    if arguments.write:
        PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
