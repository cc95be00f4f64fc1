"""Random faults under load, reckoned by a ledger; the same seed chooses the same faults.

`python -m tests.chaos --minutes 2 --seed 1` mixes faults of all kinds, with workers of two contract versions.
`python -m tests.chaos --scenario kill --runs 100 --seed 1` does one kind of fault many times, and says how long it took
until what the fault had hit went on.
`--partitions 3` lets the namespace grow to so many while all of that goes on.
`--beside PYTHON` mixes two releases of upnext: the other one is what is installed for that Python.
`--renames` mixes the service with itself under other names for its event, a field and a function, by `upnext rename`.
With `--beside PYTHON` as well, the other release has the earlier names, and may be too old to know of former ones.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

from tests.chaos.run import by_themselves, run
from tests.chaos.scenarios import SCENARIOS, Result, repeat


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=1, help="odd seeds run on Valkey, even ones on Redis")
    # Made absolute, but not resolved: an environment's Python is a link to one outside of it.
    parser.add_argument("--beside", metavar="PYTHON", type=os.path.abspath, default=sys.executable)
    parser.add_argument("--partitions", type=int, default=1)
    parser.add_argument("--renames", action="store_true")
    parser.add_argument("--keep", metavar="FOLDER", type=Path, help="where the ledger and the log stay")
    parser.add_argument("--scenario", choices=sorted(SCENARIOS))
    parser.add_argument("--runs", type=int, default=100)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kept = arguments.keep or Path(folder)
        kept.mkdir(parents=True, exist_ok=True)
        if arguments.scenario is None:
            return _mixed(arguments, kept)
        return _scenario(arguments.scenario, arguments.runs, arguments.seed, kept)


def _mixed(arguments: argparse.Namespace, folder: Path) -> int:
    seed, seconds = arguments.seed, arguments.minutes * 60
    done = asyncio.run(run(seed, seconds, folder, arguments.beside, arguments.partitions, renames=arguments.renames))
    first, last = done.sizes
    _print(seed=seed, **{name: f"{count} times" for name, count in sorted(done.injected.items())})
    _print(**vars(done.reckoning))
    _print(memory=f"{first.memory:.1f} -> {last.memory:.1f} MB", files=f"{first.files} -> {last.files}")
    _print(server=f"{first.server:.1f} -> {last.server:.1f} MB")
    _print(ends=done.ends)
    return 1 if done.reckoning.faults or by_themselves(done.ends) else 0


def _scenario(name: str, runs: int, seed: int, folder: Path) -> int:
    def show(number: int, result: Result) -> None:
        reckoning = result.reckoning
        times = "" if result.recovery is None else f"  hit {result.hit}, going on after {result.recovery:.2f} s"
        line = f"{number:4}  {result.fault:16} accepted {reckoning.accepted}  repeated {reckoning.repeated}{times}"
        sys.stdout.write(f"{line}  {reckoning.faults or ''}\n")
        sys.stdout.flush()

    summary = asyncio.run(repeat(SCENARIOS[name], runs, seed, folder, show))
    _print(scenario=name, seed=seed, **vars(summary))
    return 1 if summary.bad else 0


def _print(**values: object) -> None:
    for name, value in values.items():
        sys.stdout.write(f"{name:11} {dict(value) if isinstance(value, dict) else value}\n")


if __name__ == "__main__":
    sys.exit(main())
