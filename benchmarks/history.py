"""Figures of `make bench SAVE=1` over time: benchmarks/history.jsonl, and the table of them in benchmarks/history.md.

python benchmarks/history.py            write the table
python benchmarks/history.py --check    exit 1 if it is not what the figures give

Machines differ, so only what is compared within one run is shown: ratios.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FIGURES = HERE / "history.jsonl"
TABLE = HERE / "history.md"
_HEAD = """\
# What `make bench` has measured

Written by `python benchmarks/history.py` from `history.jsonl`, to which `make bench SAVE=1` adds a line. Each figure is
a ratio of two that one run measured on one machine within seconds ([what they are](README.md#what-is-measured)); the
figures themselves are in the file.

"""


def save(figures: Mapping[str, float], ratios: Mapping[str, float], runs: int) -> None:
    """Add what was measured, with the commit and the machine that it was measured on, and write the table."""
    entry = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "--short", "HEAD") + ("+" if _git("status", "--porcelain") else ""),
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "runs": runs,
        "ratios": {name: round(ratio, 3) for name, ratio in ratios.items()},
        "figures": _named(figures),
    }
    with FIGURES.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")
    TABLE.write_text(table(FIGURES.read_text(encoding="utf-8")), encoding="utf-8")


def table(lines: str) -> str:
    """Return the table of what was saved, the latest first; a column for each ratio that any run has."""
    entries: list[dict[str, Any]] = [json.loads(line) for line in lines.splitlines()]
    names = list(dict.fromkeys(name for entry in entries for name in entry["ratios"]))
    rows = [
        [entry["at"][:10], f"`{entry['commit']}`", entry["python"], entry["machine"], str(entry["runs"])]
        + [f"{entry['ratios'][name]:.2f}" if name in entry["ratios"] else "" for name in names]
        for entry in reversed(entries)
    ]
    head = ["date", "commit", "Python", "machine", "runs", *names]
    return _HEAD + "".join(f"| {' | '.join(row)} |\n" for row in (head, ["---"] * len(head), *rows))


def _named(figures: Mapping[str, float]) -> dict[str, float]:
    """Return the figures, those that are printed indented with the name of what they belong to."""
    found: dict[str, float] = {}
    of = ""
    for name, figure in figures.items():
        of = of if name.startswith(" ") else name
        found[f"{of}: {name.strip()}" if name.startswith(" ") else name] = round(figure, 1)
    return found


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=HERE, capture_output=True, text=True, check=True).stdout.strip()


def main(arguments: list[str]) -> int:
    wanted = table(FIGURES.read_text(encoding="utf-8"))
    if "--check" in arguments:
        if TABLE.read_text(encoding="utf-8") == wanted:
            return 0
        print("Out of date: benchmarks/history.md. Write it with: python benchmarks/history.py", file=sys.stderr)
        return 1
    TABLE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
