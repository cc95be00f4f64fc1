"""How long a saved file takes to get into the catalog while `upnext gen --watch` runs."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from haystack import build

FILES = 1_000
_WATCH = (sys.executable, "-m", "upnext", "gen", "--watch", "--format", "json")
_GIVEN_UP = 30.0
_GLANCE = 0.001


def saved(runs: int) -> list[float]:
    """Save a handler's file so many times, with a field renamed, and say how many seconds each took, sorted."""
    with tempfile.TemporaryDirectory(prefix="watched.") as folder:
        hay = build(Path(folder), FILES)
        path = hay.handlers[len(hay.handlers) // 2]
        original = path.read_text(encoding="utf-8")
        catalog = hay.root / "upnext_catalog.pyi"
        watch = subprocess.Popen(_WATCH, cwd=hay.root, stdout=subprocess.DEVNULL)
        try:
            _until(catalog, "note")
            time.sleep(3)  # Files written just now are not believed by their times alone.
            return sorted(_one(path, original, catalog, f"note_{run}") for run in range(runs))
        finally:
            watch.terminate()
            watch.wait()


def _one(path: Path, original: str, catalog: Path, field: str) -> float:
    # At any moment between two glances of the watch.
    time.sleep(0.5 + int(field.rpartition("_")[2]) * 37 % 100 / 1000)
    path.write_text(original.replace("note: str", f"{field}: str"), encoding="utf-8")
    began = time.perf_counter()
    _until(catalog, field)
    return time.perf_counter() - began


def _until(catalog: Path, word: str) -> None:
    end = time.perf_counter() + _GIVEN_UP
    pattern = re.compile(rf"\b{word}\b")
    while not (catalog.exists() and pattern.search(catalog.read_text(encoding="utf-8"))):
        if time.perf_counter() > end:
            raise TimeoutError(f"{word} did not get into the catalog within {_GIVEN_UP:.0f} s")
        time.sleep(_GLANCE)
