"""Many small projects in one folder, so that a type checker looks at the stubs of all of them in one run."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.corpus import casefile
from tests.installed import Installed
from upnext.cli import main
from upnext_codegen.project import load_project

BIN = Path(sys.executable).parent
CHECKERS = {
    "mypy": ["mypy", "--strict", "--explicit-package-bases", "--python-executable"],
    "pyright": ["pyright", "--pythonpath"],
    "basedpyright": ["basedpyright", "--pythonpath"],
    "ty": ["ty", "check", "--output-format", "concise", "--python"],
    "pyrefly": ["pyrefly", "check", "--output-format", "min-text", "--python-interpreter-path"],
}
_BROKEN = "case_0"
_REPORTED = re.compile(r"^.*upnext_catalog\.pyi:\d+.*error.*$|^ERROR .*upnext_catalog\.pyi:\d+.*$", re.MULTILINE)
_IMPORTED = re.compile(r"^(\s*(?:import|from)\s+)(\w+)", re.MULTILINE)
_TOLD = re.compile(r'"""[ !#-\[\]-~\n]*"""|(_Asked = |_findings: )_Literal\[(?:\s*"(?:[ !#-\[\]-~]|\\["n])*",?)*\s*\]')
"""Docstrings and what a stub holds for the mypy plugin, where they are plain text, of which no checker reads a word."""
_NEVER_OWN = frozenset({"upnext", "typing_extensions"})
_ABSENT = "no_such_package_here"


@dataclass
class Together:
    """A folder of projects, each a package of its own: `shop.events` of the first is `case_1.shop.events`.

    Attributes:
        root: The folder.
        stubs: The stubs in it, relative to it: of those that differ in nothing that a checker reads, the first.
    """

    root: Path
    stubs: list[str] = field(default_factory=list[str])
    _count: int = 0
    _forms: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])

    def __post_init__(self) -> None:
        (self.root / "pyproject.toml").write_text("[tool.pyrefly]\n")
        (self.root / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict", "pythonVersion": "3.13"}')
        (self.root / _BROKEN).mkdir()
        (self.root / _BROKEN / "upnext_catalog.pyi").write_text("broken: nowhere\n")
        self.stubs.append(f"{_BROKEN}/upnext_catalog.pyi")

    def add(self, case: casefile.Case) -> Path:
        """Build a project, generate its stubs, and make its modules importable from the folder around it."""
        self._count += 1
        folder = self.root / f"case_{self._count}"
        folder.mkdir()
        casefile.build(case, folder)
        with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
            main(["gen", "--no-cache"])
        roots = [folder / root for root in load_project(folder).roots]
        for path in [*folder.rglob("*.py"), *folder.rglob("*.pyi")]:
            own = [root for root in roots if path.is_relative_to(root)]
            moved = partial(self._moved, roots=[*own, *roots])
            with contextlib.suppress(UnicodeDecodeError):
                path.write_text(_IMPORTED.sub(moved, path.read_text(encoding="utf-8")), "utf-8")
        for stub in sorted(folder.rglob("upnext_catalog.pyi")):
            form = (stub.parent.name.removesuffix(str(self._count)), _TOLD.sub(r"\1", stub.read_text(encoding="utf-8")))
            if form not in self._forms:
                self._forms.add(form)
                self.stubs.append(stub.relative_to(self.root).as_posix())
        return folder

    def _moved(self, found: re.Match[str], roots: list[Path]) -> str:
        head, name = found.groups()
        if name in sys.stdlib_module_names or name in _NEVER_OWN:
            return found[0]
        for root in roots:
            if (root / name).is_dir() or (root / f"{name}.py").is_file():
                return f"{head}{'.'.join((root / name).relative_to(self.root).parts)}"
        return found[0]

    def reported(self, checker: str, installed: Installed) -> list[str]:
        """Return what a checker says of the stubs; one more that is broken shows that they were looked at."""
        if checker == "mypy":
            shutil.copytree(installed.mypy_cache("--strict"), self.root / ".mypy_cache")
        done = subprocess.run(
            [BIN / CHECKERS[checker][0], *CHECKERS[checker][1:], str(installed.python), *self.stubs],
            cwd=self.root,
            env={**os.environ, "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        found = [line for line in _REPORTED.findall(done.stdout + done.stderr) if _ABSENT not in line]
        assert [line for line in found if f"{_BROKEN}/" in line], done.stdout + done.stderr
        return [line for line in found if f"{_BROKEN}/" not in line]
