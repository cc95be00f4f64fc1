"""Does what `upnext gen` does, when mypy starts.

Nothing that happens here may fail the mypy run. What is wrong with the handlers is reported by `upnext gen`, and the
catalog is written all the same; what keeps the catalog from being written is told in one line.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from upnext_codegen.project import Project
    from upnext_codegen.report import Report

_LOCK = "upnext.lock"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a refresh did.

    Attributes:
        changed: Whether it wrote a file.
        trouble: Why it could not do its work, in one line; None if it could.
        stale: With `refresh = false`, what is not up to date and the way out, a line each.
        root: The folder of the project; None if there is none that uses upnext.
    """

    changed: bool = False
    trouble: str | None = None
    stale: tuple[str, ...] = ()
    root: Path | None = None


def refresh(config_file: Path, folder: Path, *, write: bool = True) -> Outcome:
    """Bring the catalog of the project up to date.

    Files are written only where they are expected: in a project with `upnext.lock`, and in one whose sources declare an
    event and whose pyproject.toml names upnext (as a dependency, a mypy plugin or `[tool.upnext]`) or stands around
    the mypy configuration that lists the plugin. With `refresh = false` in `[tool.upnext]` nothing is written.

    Args:
        config_file: The mypy configuration that lists the plugin.
        folder: The folder that mypy was started in.
        write: Whether files may be written; if not, there is nothing to do but to look for what is stale.
    """
    try:
        return _refresh(_absolute(config_file), folder.resolve(), write=write)
    except ModuleNotFoundError as error:
        return Outcome(trouble=f"{_one_line(error)}; install upnext[mypy]")
    except Exception as error:  # noqa: BLE001 - whatever it is, mypy goes on
        return Outcome(trouble=_one_line(error))


def _refresh(config_file: Path, folder: Path, *, write: bool) -> Outcome:
    project = _project(config_file, folder)
    if project is None or (project.settings.refresh and not write):
        return Outcome()

    from upnext_codegen.files.up_to_date import stamp, standing  # noqa: PLC0415 - an extra that may be missing
    from upnext_codegen.scan import scan  # noqa: PLC0415

    generated_before = (project.root / _LOCK).is_file()
    found, findings = scan(project, use_cache=generated_before)
    if not generated_before and not found.declarations:
        return Outcome()
    if standing(project.root, stamp(project, found, findings)):
        return Outcome(root=None if project.settings.refresh else project.root)

    # Merging and rendering, and jinja2 with it, take longer than all of the above: only where something has changed.
    from upnext_codegen.generate import generate  # noqa: PLC0415

    if not project.settings.refresh:
        return Outcome(stale=_stale(generate(project, found, findings, check=True)), root=project.root)
    report = generate(project, found, findings)
    foreign = next((finding.message for finding in report.findings if finding.code == "UPN302"), None)
    return Outcome(changed=bool(report.changed), trouble=foreign)


def _stale(report: Report) -> tuple[str, ...]:
    about = [finding for finding in report.findings if finding.code in {"UPN301", "UPN302"}]
    # The stub comes before the lock if both are.
    about.sort(key=lambda finding: finding.place.file.endswith(_LOCK))
    return tuple(dict.fromkeys([*(finding.message for finding in about), *(finding.help for finding in about)]))


def _project(config_file: Path, folder: Path) -> Project | None:
    """Find the project: around the folder where mypy was started, or around its configuration if that is elsewhere."""
    from upnext_codegen.project import find_project  # noqa: PLC0415

    starts = [config_file.parent, folder]
    if folder.is_relative_to(config_file.parent):
        starts.reverse()
    projects = (find_project(start) for start in starts)
    return next((project for project in projects if _uses_upnext(project.root, config_file)), None)


def _uses_upnext(root: Path, config_file: Path) -> bool:
    if (root / _LOCK).is_file():
        return True
    try:
        text = (root / "pyproject.toml").read_bytes()
    except OSError:
        return False
    return b"upnext" in text or config_file.is_relative_to(root)


def _absolute(path: Path) -> Path:
    # Links are followed in the folders only: a linked configuration belongs where the link is.
    return Path(os.path.realpath(path.parent)) / path.name


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
