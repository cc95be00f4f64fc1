"""An environment that has what a user installs: the wheel with its extras, and nothing of this checkout."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
CONSTRAINTS = ROOT / "constraints.txt"
TOOLS = Path(sys.executable).parent


@dataclass(frozen=True)
class Installed:
    """A virtual environment with upnext in it."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def run(self, name: str, *arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run one of the environment's commands."""
        while True:
            answer = answer_of(str(self.folder / "bin" / name), *arguments, cwd=cwd, **variables)
            # `mypy -n` gives its own workers three seconds to start, which a busy machine does not always take.
            if "Failed to establish connection with worker" not in answer.stdout + answer.stderr:
                return answer

    def mypy_cache(self, *flags: str) -> Path:
        """Give what mypy keeps after it has read upnext and all that upnext imports, which is most of a cold run.

        Args:
            flags: Those of the runs that are to start with a copy of it; with others mypy reads everything again.
        """
        folder = self.folder.parent / "mypy" / " ".join(flags)
        folder.mkdir(parents=True, exist_ok=True)
        with alone(folder):
            cache = folder / "cache"
            if not cache.exists():
                (folder / "uses.py").write_text("import upnext\n", encoding="utf-8")
                command = ("mypy", "--python-executable", str(self.python), "--cache-dir", str(cache), *flags)
                _tool(*command, "uses.py", cwd=folder)
        return cache


def answer_of(*command: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command without the settings that this process has from its own environment."""
    environment = without_own(**variables)
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def without_own(**variables: str) -> dict[str, str]:
    """Return the environment without what this process has of its own in it, and with these variables."""
    inherited = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "MYPYPATH"}}
    return {**inherited, "NO_COLOR": "1", **variables}


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other test process does what is done in a folder once for all of them."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def install_once(folder: Path) -> Installed:
    """Install into a folder, unless another test process has."""
    folder.mkdir(exist_ok=True)
    complete = folder / "complete"
    with alone(folder):
        if not complete.exists():
            install(folder)
            complete.touch()
    return Installed(folder / "environment")


def install(folder: Path) -> Installed:
    """Build the wheel and install it with all extras, in the versions that are pinned for development."""
    _tool("python", "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder / "dist"))
    (wheel,) = (folder / "dist").glob("*.whl")
    environment = folder / "environment"
    _tool("uv", "venv", "--quiet", "--python", sys.executable, str(environment))
    # What the tests run with was installed by uv, so its cache has it all.
    offline = _install(environment, wheel, "--offline")
    if offline.returncode:
        answer = _install(environment, wheel)
        assert answer.returncode == 0, answer.stderr
    return Installed(environment)


def _install(environment: Path, wheel: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    target = ("--python", str(environment / "bin" / "python"), "--constraint", str(CONSTRAINTS))
    return answer_of(
        str(TOOLS / "uv"), "pip", "install", "--quiet", *flags, *target, f"upnext[all] @ {wheel.as_uri()}", cwd=ROOT
    )


def _tool(name: str, *arguments: str, cwd: Path = ROOT) -> None:
    answer = answer_of(str(TOOLS / name), *arguments, cwd=cwd)
    assert answer.returncode == 0, answer.stdout + answer.stderr
