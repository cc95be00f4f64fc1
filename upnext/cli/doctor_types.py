"""`upnext doctor types`: which catalog each installed type checker reads, and which setting corrects it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from upnext.cli import exits
from upnext.cli.terminal import coloured, visible
from upnext.errors import ConfigError

if TYPE_CHECKING:
    from upnext_codegen.contract import Contract
    from upnext_codegen.project import Project

_PATIENCE = 180.0
"""Seconds for one checker; some of them are downloaded when they are first run."""
_PROBE = "upnext_probe_"
_REVEALED = re.compile(r"[Rr]evealed type:? (?:is )?.*|Type of \"event\" is .*")


@dataclass(frozen=True, slots=True)
class _Checker:
    """A type checker.

    Attributes:
        name: Its command.
        arguments: What to run it with, before the file.
        setting: What has it look into a folder, {}, before site-packages.
        whole: Whether it is run on the whole project: pyrefly finds modules otherwise where it is given one file.
    """

    name: str
    arguments: tuple[str, ...]
    setting: str
    whole: bool = False


_CHECKERS = (
    _Checker("mypy", ("--python-executable", sys.executable), 'mypy_path = "{}" in [tool.mypy]'),
    _Checker("pyright", ("--pythonpath", sys.executable), 'extraPaths = ["{}"] in [tool.pyright]'),
    _Checker("basedpyright", ("--pythonpath", sys.executable), 'extraPaths = ["{}"] in [tool.basedpyright]'),
    _Checker(
        "ty",
        ("check", "--output-format", "concise", "--python", sys.executable),
        'extra-paths = ["{}"] in [tool.ty.environment]',
    ),
    _Checker(
        "pyrefly",
        ("check", "--output-format", "min-text", "--min-severity", "info", "--python-interpreter-path", sys.executable),
        'search-path = ["{}"] in [tool.pyrefly]',
        whole=True,
    ),
)


@dataclass(frozen=True, slots=True)
class _Verdict:
    """The result of one checker.

    Attributes:
        name: Its command.
        version: As it says.
        status: "ok", "fail", or "warn" where it could not be asked.
        catalog: The file that types the project's events, or "the default catalog"; "" where that is not known.
        help: The way out.
    """

    name: str
    version: str
    status: str
    catalog: str
    help: str = ""


def doctor_types(form: str) -> int:
    """Ask each installed checker what type an event of the project has.

    Args:
        form: "text" or "json".

    Raises:
        ConfigError: If there is no project here, or no catalog.
    """
    verdicts = list(_verdicts())
    failed = sum(verdict.status == "fail" for verdict in verdicts)
    if form == "json":
        rows = [
            {
                "name": verdict.name,
                "version": verdict.version,
                "status": verdict.status,
                "catalog": verdict.catalog,
                "help": verdict.help,
            }
            for verdict in verdicts
        ]
        print(json.dumps({"checkers": rows, "failed": failed}, indent=2))
    else:
        for verdict in verdicts:
            name = f"{verdict.name} {verdict.version}"
            print(f"{coloured(verdict.status, verdict.status.ljust(4))}  {name.ljust(22)}  {visible(verdict.catalog)}")
            if verdict.help:
                print(f"      {'':22}  help: {visible(verdict.help)}")
    return exits.FINDINGS if failed else exits.CLEAN


def _verdicts() -> Iterator[_Verdict]:
    from upnext_codegen.catalog.places import targets  # noqa: PLC0415 - commands import what they need
    from upnext_codegen.errors import ConfigurationError  # noqa: PLC0415
    from upnext_codegen.project import find_project  # noqa: PLC0415

    try:
        project = find_project(otherwise=Path.cwd())
        stubs = [stub for stub in targets(project) if stub.path.is_file()]
    except ConfigurationError as error:
        raise ConfigError(str(error)) from error
    if not stubs:
        raise ConfigError(f"The project {project.root} has no catalog{_below(project) or ': run `upnext gen` first.'}")
    installed = [(each, path) for each in _CHECKERS if (path := _command(each.name))]
    if not installed:
        names = ", ".join(each.name for each in _CHECKERS)
        raise ConfigError(f"No type checker is installed: looked for {names}.")
    text = _probe(project)
    with _module(project.root / stubs[0].root, text) as probe:
        for checker, command in installed:
            yield _verdict(checker, command, probe, stubs[0].path, project.root / stubs[0].root)


def _below(project: Project) -> str:
    """Name the projects below one that has no events, in case one of them was meant."""
    from upnext_codegen.files.discover import discover  # noqa: PLC0415 - commands import what they need
    from upnext_codegen.no_project import projects_below  # noqa: PLC0415

    named = projects_below(project.root, discover(project))
    return f".{named}" if named else ""


def _probe(project: Project) -> str:
    """Write a module that reveals the type of an event in the catalog."""
    event, worker = next(
        ((event.name, event.receivers[0].worker) for event in _contract(project).events if event.receivers), ("", "")
    )
    if not event:
        nothing = "so there is nothing that a checker could read."
        raise ConfigError(f"No event of {project.root} has a handler, {nothing}{_below(project).removeprefix('.')}")
    source = project.settings.catalog or "upnext"
    head = f"from {source} import Worker\nfrom typing_extensions import reveal_type\n"
    return f"{head}\nevent = Worker({worker!r}).event({event!r})\nreveal_type(event)\n"


def _contract(project: Project) -> Contract:
    from upnext_codegen.catalog import lock  # noqa: PLC0415 - commands import what they need

    try:
        return lock.read((project.root / lock.FILE_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{lock.FILE_NAME} cannot be read: {error}; run `upnext gen` first.") from error


@contextmanager
def _module(folder: Path, text: str) -> Generator[Path]:
    """Create a module in an import root temporarily.

    It is a package, which can tell git and `upnext gen` to leave it out: a process that is killed leaves it behind.
    """
    _remove_left_over(folder)
    package = folder / f"{_PROBE}{os.getpid()}"
    try:
        try:
            package.mkdir()
            (package / ".gitignore").write_text("*\n", encoding="utf-8")
            (package / "__init__.py").write_text(text, encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{package} cannot be written: {error.strerror}.") from error
        yield package / "__init__.py"
    finally:
        shutil.rmtree(package, ignore_errors=True)


def _remove_left_over(folder: Path) -> None:
    """Remove files left behind by processes that no longer run."""
    for package in folder.glob(f"{_PROBE}*/"):
        number = package.name.removeprefix(_PROBE)
        if number.isdecimal() and not _runs(int(number)):
            shutil.rmtree(package, ignore_errors=True)


def _runs(process: int) -> bool:
    """Whether such a process is running besides this one."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return process != os.getpid()


def _command(name: str) -> str | None:
    """Find a checker next to this Python, or else on PATH."""
    return shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)


def _verdict(checker: _Checker, command: str, probe: Path, stub: Path, root: Path) -> _Verdict:
    version = _version(command)
    try:
        output = _run(command, *checker.arguments, *([] if checker.whole else [_relative(probe)]))
    except (OSError, subprocess.SubprocessError) as error:
        return _Verdict(checker.name, version, "warn", "", f"it cannot be run: {error}")
    revealed = _REVEALED.search("\n".join(line for line in output.splitlines() if probe.parent.name in line))
    if revealed is None and "preset `basic`" in output:
        way_out = "give it a setting of its own, such as python-interpreter-path in [tool.pyrefly]"
        return _Verdict(checker.name, version, "fail", "without any settings it checks next to nothing", way_out)
    if revealed is None:
        lines = [line for line in output.splitlines() if line.strip()] or ["it printed nothing"]
        return _Verdict(checker.name, version, "warn", "", f"it says nothing of the catalog: {lines[0].strip()}")
    if not re.search(r"DynamicEvent|\bAny\b|\bUnknown\b", revealed[0]):
        return _Verdict(checker.name, version, "ok", _relative(stub))
    way_out = f"set {checker.setting.format(_relative(root))}; or catalog in [tool.upnext], which needs no setting"
    return _Verdict(checker.name, version, "fail", "the default catalog: no send is checked", way_out)


def _version(command: str) -> str:
    try:
        found = re.search(r"\d+\.\d+[\w.]*", _run(command, "--version"))
    except (OSError, subprocess.SubprocessError):
        return "?"
    return found[0] if found else "?"


def _run(*command: str) -> str:
    environment = os.environ | {"NO_COLOR": "1", "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    answer = subprocess.run(
        command, check=False, capture_output=True, text=True, errors="replace", env=environment, timeout=_PATIENCE
    )
    return f"{answer.stdout}\n{answer.stderr}"


def _relative(path: Path) -> str:
    return Path(os.path.relpath(path)).as_posix()
