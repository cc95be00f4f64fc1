"""How long `upnext gen` takes on ten thousand files, beside what else reads them: `make bench-scan`.

    python benchmarks/scan.py [--folder DIR] [--mypy] [--runs N]

Each figure is the best of its runs, a process each from start to end, so that other work on the machine counts as
little as it can; memory is the sum over all its processes, without counting shared pages twice.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from haystack import Haystack, build
from watching import FILES as WATCHED
from watching import saved

_GEN = (sys.executable, "-m", "upnext", "gen", "--format", "json")
_AST = """
import ast, gc, sys, warnings
warnings.simplefilter("ignore")
gc.disable()
for path in open(sys.argv[1]).read().split("\\n"):
    with open(path, "rb") as file:
        ast.parse(file.read())
"""
_GRIFFE = """
import sys, griffe
loader = griffe.GriffeLoader(search_paths=[sys.argv[1]])
for name in sys.argv[2:]:
    loader.load(name)
"""
_MYPY = ("--no-incremental", "--cache-dir", os.devnull, "--ignore-missing-imports", "--explicit-package-bases")


class Figure(NamedTuple):
    """What one kind of run takes: seconds on the clock, seconds of all processors, MB at its peak."""

    what: str
    wall: float
    cpu: float
    memory: float
    note: str = ""


def main() -> int:
    """Build, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parser.add_argument("--folder", type=Path, help="where the repository is built, and kept; a temporary one else")
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--mypy", action="store_true", help="mypy without a cache on the same files; takes minutes")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="haystack."))
    try:
        if options.folder:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(exist_ok=True, parents=True)
        hay = build(folder, options.files)
        time.sleep(3)  # Files written just now are not believed by their times alone, and an hour later they are.
        _print(hay, _figures(hay, options.runs, mypy=options.mypy))
        _print_saved(saved(4 * options.runs))
    finally:
        if options.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


def _figures(hay: Haystack, runs: int, *, mypy: bool) -> list[Figure]:
    found = [_gen(hay, "cold", runs, before=lambda _: _forget(hay))]
    found.append(_gen(hay, "warm", runs))
    handler, other = hay.handlers[len(hay.handlers) // 2], hay.others[len(hay.others) // 2]
    edits: list[tuple[str, Path, Callable[[str, int], str]]] = [
        ("a handler's body changed", handler, lambda text, run: f"{text}    note += '{run}'\n"),
        ("a handler's signature changed", handler, lambda text, run: text.replace("note: str", f"note{run}: str")),
        ("a file with nothing of ours changed", other, lambda text, run: f"{text}\n# {run}\n"),
    ]
    for what, path, edit in edits:
        original = path.read_text(encoding="utf-8")
        found.append(
            _gen(hay, what, runs, before=lambda run, p=path, e=edit, o=original: p.write_text(e(o, run)))  # type: ignore[misc]
        )
        path.write_text(original, encoding="utf-8")
        run(_GEN, hay.root)

    found += [_parsed(hay), _griffe(hay)]
    return [*found, _mypy(hay)] if mypy else found


def _gen(hay: Haystack, what: str, runs: int, before: Callable[[int], object] = lambda _: None) -> Figure:
    figures: list[Figure] = []
    for run in range(runs):
        before(run)
        figures.append(run(_GEN, hay.root, what))
    before(runs)
    peak = run(_GEN, hay.root, what, sampled=True).memory
    best = min(figures, key=lambda figure: figure.wall)
    return best._replace(memory=peak, cpu=min(figure.cpu for figure in figures))


def run(command: tuple[str, ...], folder: Path, what: str = "", *, sampled: bool = False) -> Figure:
    """Run a command to its end, and say what it took; memory is that of all its processes where it is sampled."""
    with tempfile.TemporaryFile() as output:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        sampler = _Sampler(process.pid) if sampled else None
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        memory = sampler.peak() if sampler else usage.ru_maxrss / 1024
        output.seek(0)
        note = "" if process.returncode == 0 else f"exit {process.returncode}"
        if process.returncode and what and "mypy" not in what:
            sys.stderr.write(output.read().decode()[-2000:])
        return Figure(what, wall, usage.ru_utime + usage.ru_stime, memory, note)


class _Sampler:
    """Looks every few milliseconds at the memory of a process and those that it started."""

    def __init__(self, process: int) -> None:
        self._process = process
        self._most = 0.0
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        while Path(f"/proc/{self._process}").exists():
            self._most = max(self._most, sum(map(_proportional, _family(self._process))))
            time.sleep(0.02)

    def peak(self) -> float:
        """The most it ever was, in MB."""
        self._thread.join()
        return self._most


def _family(process: int) -> list[int]:
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return [process]
    return [process, *(each for child in children for each in _family(int(child)))]


def _proportional(process: int) -> float:
    try:
        text = Path(f"/proc/{process}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in text.splitlines() if line.startswith("Pss:")), 0.0)


def _forget(hay: Haystack) -> None:
    shutil.rmtree(hay.root / ".upnext", ignore_errors=True)


def _parsed(hay: Haystack) -> Figure:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as listed:
        listed.write("\n".join(map(str, sorted(hay.root.rglob("*.py")))))
        listed.flush()
        return run((sys.executable, "-c", _AST, listed.name), hay.root, "ast.parse of every file")


def _griffe(hay: Haystack) -> Figure:
    if importlib.util.find_spec("griffe") is None:
        return Figure("griffe", 0, 0, 0, "not installed")
    packages = sorted(each.name for each in hay.root.iterdir() if each.is_dir() and not each.name.startswith("."))
    return run((sys.executable, "-c", _GRIFFE, str(hay.root), *packages), hay.root, "griffe")


def _mypy(hay: Haystack) -> Figure:
    (hay.root / "upnext_catalog.pyi").rename(hay.root / "upnext_catalog.hidden")
    try:
        return run((sys.executable, "-m", "mypy", *_MYPY, "."), hay.root, "mypy, cold")
    finally:
        (hay.root / "upnext_catalog.hidden").rename(hay.root / "upnext_catalog.pyi")


def _print(hay: Haystack, figures: list[Figure]) -> None:
    size = hay.size / 1e6
    load = " ".join(f"{each:.1f}" for each in os.getloadavg())
    print(
        f"{hay.files} files, {size:.0f} MB; Python {platform.python_version()}, {os.cpu_count()} cores, load {load}\n"
    )
    cold = figures[0].wall
    print(f"{'':38}{'s':>8}{'CPU s':>8}{'MB/s':>8}{'peak MB':>9}{'/ cold':>8}")
    for each in figures:
        if not each.wall:
            print(f"{each.what:38}  {each.note}")
            continue
        rate = f"{size / each.wall:.0f}"
        print(
            f"{each.what:38}{each.wall:8.2f}{each.cpu:8.2f}{rate:>8}{each.memory:9.0f}{each.wall / cold:8.2f}"
            f"  {each.note}"
        )


def _print_saved(seconds: list[float]) -> None:
    middle, worst = seconds[len(seconds) // 2], seconds[-1]
    print(
        f"\n--watch, {WATCHED} files: a saved handler is in the catalog after {middle * 1000:.0f} ms "
        f"({worst * 1000:.0f} ms at worst, of {len(seconds)})"
    )


if __name__ == "__main__":
    sys.exit(main())
