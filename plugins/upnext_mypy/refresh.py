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

_LOCK = "upnext.lock"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a refresh did.

    Attributes:
        changed: Whether it wrote a file.
        trouble: Why it could not do its work, in one line; None if it could.
    """

    changed: bool = False
    trouble: str | None = None


def refresh(config_file: Path, folder: Path) -> Outcome:
    """Bring the catalog of the project up to date.

    Files are written only where they are expected: in a project with `upnext.lock`, and in one whose sources declare an
    event and whose pyproject.toml names upnext (as a dependency, a mypy plugin or `[tool.upnext]`) or stands around
    the mypy configuration that lists the plugin. `refresh = false` in `[tool.upnext]` turns it off.

    Args:
        config_file: The mypy configuration that lists the plugin.
        folder: The folder that mypy was started in.
    """
    try:
        return _refresh(_absolute(config_file), folder.resolve())
    except ModuleNotFoundError as error:
        return Outcome(trouble=f"{_one_line(error)}; install upnext[mypy]")
    except Exception as error:  # noqa: BLE001 - whatever it is, mypy goes on
        return Outcome(trouble=_one_line(error))


def _refresh(config_file: Path, folder: Path) -> Outcome:
    from upnext_codegen.generate import generate  # noqa: PLC0415 - an extra that may be missing
    from upnext_codegen.scan import scan  # noqa: PLC0415

    project = _project(config_file, folder)
    if project is None or not project.settings.refresh:
        return Outcome()
    generated_before = (project.root / _LOCK).is_file()
    found, findings = scan(project, use_cache=generated_before)
    if not generated_before and not found.declarations:
        return Outcome()
    report = generate(project, found, findings)
    foreign = next((finding.message for finding in report.findings if finding.code == "UPN302"), None)
    return Outcome(changed=bool(report.changed), trouble=foreign)


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
