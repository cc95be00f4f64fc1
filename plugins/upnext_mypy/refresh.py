"""Does what `upnext gen` does when mypy starts.

Nothing here may make the mypy run fail. Faults in the handlers are reported as by `upnext gen`, and the catalog is
written all the same; whatever prevents the catalog from being written is reported in one line.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mypy.defaults import USER_CONFIG_FILES

if TYPE_CHECKING:
    from upnext_codegen.project import Project
    from upnext_codegen.report import Report

CATALOG = "upnext_catalog"
_LOCK = "upnext.lock"
_PYPROJECT = "pyproject.toml"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a refresh.

    Attributes:
        changed: Whether it wrote a file.
        trouble: Why it could not do its work, in one line; None if it could.
        stale: With `refresh = false`, what is not up to date and the way out, a line each.
        root: The folder of the project, where there is something to say of it; None if it does not use upnext.
        module: The module that types its sends.
        catalogs: The stubs of that module; none where there is nothing to type.
        project: The root of the project, whatever there is to say of it.
    """

    changed: bool = False
    trouble: str | None = None
    stale: tuple[str, ...] = ()
    root: Path | None = None
    module: str = field(default=CATALOG, compare=False)
    catalogs: tuple[Path, ...] = field(default=(), compare=False)
    project: Path | None = field(default=None, compare=False)


def refresh(config_file: Path, folder: Path, sources: Sequence[Path] = (), *, write: bool = True) -> Outcome:
    """Update the catalog of the project that mypy is started for.

    Files are written only where they are expected: in a project with `upnext.lock`, and in one whose sources declare an
    event and whose pyproject.toml names upnext (as a dependency, a mypy plugin or `[tool.upnext]`) or which stands
    around the mypy configuration that lists the plugin. With `refresh = false` in `[tool.upnext]` nothing is written.

    Args:
        config_file: The mypy configuration that lists the plugin.
        folder: The folder that mypy was started in.
        sources: The files that mypy was given, as far as they are known.
        write: Whether files may be written; if not, there is nothing to do but to look for what is stale.
    """
    config_file, folder = _absolute(config_file), folder.resolve()
    starts = [config_file.parent, folder]
    if folder.is_relative_to(config_file.parent) or config_file.is_relative_to(folder):
        starts.reverse()
    places = [source.resolve().parent for source in sources] or [folder]
    found = Outcome()
    for start in starts:
        if _is_only_around(start, places):
            continue
        outcome = _attempt(start, config_file, write=write)
        if outcome is not None and (outcome.catalogs or outcome.trouble):
            return outcome
        # The folder of a shared configuration is a project without events, unless other files show some.
        found = outcome or found
    return found


def refresh_others(
    config_file: Path, sources: Iterable[Path], known: Iterable[Path], *, write: bool = True
) -> dict[Path, Outcome]:
    """Update the catalogs of other projects whose files mypy is given.

    Args:
        config_file: The mypy configuration that lists the plugin.
        sources: The files.
        known: The roots of projects that are taken care of.
        write: Whether files may be written.

    Returns:
        By their roots what was done for each project that uses upnext.
    """
    found: dict[Path, Outcome] = {}
    done = set(known)
    config_file = _absolute(config_file)
    for folder in sorted({_nearest(path) for path in {source.resolve().parent for source in sources}}):
        root = _root_of(folder) or folder
        if root in done:
            continue
        done.add(root)
        outcome = _attempt(folder, config_file, write=write)
        if outcome is not None and root.is_dir():
            found[root] = outcome
    return found


def project_root(path: Path) -> Path | None:
    """Return the root of the project that a file belongs to, None if its settings cannot be read."""
    return _root_of(_nearest(path.resolve().parent))


def _is_only_around(folder: Path, places: Iterable[Path]) -> bool:
    """Whether a folder is in no project, and everything that mypy checks is in projects.

    A configuration, or a lock that was left there, does not have such a folder written to.
    """
    root = _root_of(folder)
    if root is None or (root / _PYPROJECT).is_file():
        return False
    roots = {_root_of(place) for place in {_nearest(place) for place in places}}
    return all(each is not None and (each / _PYPROJECT).is_file() for each in roots)


def _root_of(folder: Path) -> Path | None:
    try:
        from upnext_codegen.project import find_project  # noqa: PLC0415 - an extra that may be missing

        return find_project(folder).root
    except Exception:  # noqa: BLE001 - whatever it is, it has been told, or is none of this project's business
        return None


def _attempt(start: Path, config_file: Path, *, write: bool) -> Outcome | None:
    """Refresh the project around a folder; None if that does not use upnext."""
    try:
        from upnext_codegen.project import find_project  # noqa: PLC0415

        project = find_project(start, otherwise=None if _is_of_the_user(config_file) else config_file.parent)
        return _refresh(project, write=write) if _uses_upnext(project.root, config_file) else None
    except ModuleNotFoundError as error:
        return Outcome(trouble=f"{_one_line(error)}; install upnext[mypy]")
    except Exception as error:  # noqa: BLE001 - whatever it is, mypy goes on
        return Outcome(trouble=_one_line(error))


def _refresh(project: Project, *, write: bool) -> Outcome:
    from upnext_codegen.catalog.places import targets  # noqa: PLC0415 - an extra that may be missing

    stubs = tuple(stub.path for stub in targets(project))
    known = Outcome(module=project.settings.catalog or CATALOG, catalogs=stubs, project=project.root)
    if project.settings.refresh and not write:
        return known

    from upnext_codegen.files.up_to_date import stamp, standing  # noqa: PLC0415
    from upnext_codegen.scan import scan  # noqa: PLC0415

    generated_before = (project.root / _LOCK).is_file()
    found, findings = scan(project, use_cache=generated_before)
    if not generated_before and not found.declarations:
        return replace(known, catalogs=())
    if standing(project.root, stamp(project, found, findings)):
        return replace(known, root=None if project.settings.refresh else project.root)

    # Merging and rendering, including jinja2, take longer than all of the above: only if something has changed.
    from upnext_codegen.generate import generate  # noqa: PLC0415

    if not project.settings.refresh:
        return replace(known, stale=_stale(generate(project, found, findings, check=True)), root=project.root)
    # mypy has listed its files already, so none of them may go.
    report = generate(project, found, findings, tidy=False)
    trouble = next((finding.message for finding in report.findings if finding.code == "UPN302"), None)
    return replace(known, changed=bool(report.changed), trouble=trouble)


def _stale(report: Report) -> tuple[str, ...]:
    about = [finding for finding in report.findings if finding.code in {"UPN301", "UPN302"}]
    # The stub comes before the lock if both are present.
    about.sort(key=lambda finding: finding.place.file.endswith(_LOCK))
    return tuple(dict.fromkeys([*(finding.message for finding in about), *(finding.help for finding in about)]))


def _uses_upnext(root: Path, config_file: Path) -> bool:
    if (root / _LOCK).is_file():
        return True
    if config_file.is_relative_to(root) and not _is_of_the_user(config_file):
        return True
    try:
        return b"upnext" in (root / _PYPROJECT).read_bytes()
    except OSError:
        return False


def _is_of_the_user(config_file: Path) -> bool:
    """Whether it is a user's configuration for all projects, which says nothing about its folder."""
    return config_file in {_absolute(Path(each).expanduser()) for each in USER_CONFIG_FILES}


def _nearest(folder: Path) -> Path:
    """Return the nearest folder upwards that may be the root of a project, or the folder itself."""
    for each in (folder, *folder.parents):
        if (each / _PYPROJECT).is_file() or (each / _LOCK).is_file():
            return each
    return folder


def _absolute(path: Path) -> Path:
    # Links are followed in the folders only: a linked configuration belongs where the link is.
    return Path(os.path.realpath(path.parent)) / path.name


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
