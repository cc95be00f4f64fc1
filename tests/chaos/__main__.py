"""`python -m tests.chaos --minutes 2 --seed 1`: random faults under load; the same seed chooses the same faults."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.chaos.run import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=1, help="odd seeds run on Valkey, even ones on Redis")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        reckoning = asyncio.run(run(arguments.seed, arguments.minutes * 60, Path(folder)))
    for name, value in vars(reckoning).items():
        sys.stdout.write(f"{name:9} {dict(value) if isinstance(value, dict) else value}\n")
    return 1 if reckoning.lost or reckoning.ghosts else 0


if __name__ == "__main__":
    sys.exit(main())
