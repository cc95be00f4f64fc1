"""An environment that has what a user installs: the wheel with its extras, and nothing of this checkout."""

from __future__ import annotations

import os
import subprocess
import sys
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


def answer_of(*command: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command without the settings that this process has from its own environment."""
    inherited = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "MYPYPATH"}}
    environment = {**inherited, "NO_COLOR": "1", **variables}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


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


def _tool(name: str, *arguments: str) -> None:
    answer = answer_of(str(TOOLS / name), *arguments, cwd=ROOT)
    assert answer.returncode == 0, answer.stdout + answer.stderr
