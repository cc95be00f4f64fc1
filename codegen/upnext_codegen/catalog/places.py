"""Where the catalog of a project belongs, and what earlier layouts left elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from upnext_codegen.catalog.writer import inside
from upnext_codegen.errors import ConfigurationError
from upnext_codegen.project import Project

STUB_NAME = "upnext_catalog.pyi"


class Target(NamedTuple):
    """A stub to write.

    Attributes:
        path: Where, absolute.
        root: The import root that it is for.
        own: Whether it types a module of the project's own, which has to be written as well.
    """

    path: Path
    root: str
    own: bool = False


def targets(project: Project, out: Path | None = None) -> tuple[Target, ...]:
    """Return the stubs of a project.

    Args:
        project: The project.
        out: Folder of the stub, instead of the project's setting; it may be outside of the project.

    Raises:
        ConfigurationError: If one folder is wanted for several import roots or for a module that the settings name, or
            if the setting leads out of the project.
    """
    if project.catalog is not None:
        if out is not None:
            raise ConfigurationError(
                f"--out names a folder for the catalog, and catalog in [tool.upnext] the module "
                f"{project.settings.catalog}: leave out --out."
            )
        root = max((each for each in project.roots if _is_below(project.catalog, each)), key=len)
        return (Target(project.root / f"{project.catalog}.pyi", root, own=True),)
    return stubs(project, STUB_NAME, out)


def stubs(project: Project, name: str, out: Path | None = None) -> tuple[Target, ...]:
    """Return the stubs with this name in a project, one in each import root, or one in a given folder.

    Raises:
        ConfigurationError: If one folder is wanted for several import roots, or if it leads out of the project.
    """
    wanted = out or (None if project.settings.out is None else project.root / project.settings.out)
    if wanted is None:
        return tuple(Target(project.root / root / name, root) for root in project.roots)
    if len(project.roots) > 1:
        raise ConfigurationError(
            f"One folder for the stub, {wanted}, but {len(project.roots)} import roots in src of [tool.upnext]: "
            "each needs its own, so leave out the folder."
        )
    folder = inside(wanted, project.root) if out is None else out
    return tuple(Target(folder / name, root) for root in project.roots)


def left_over(project: Project, generated: Iterable[str], out: Path | None = None) -> tuple[Path, ...]:
    """Return the generated files of a project that are in the wrong place.

    Args:
        project: The project.
        generated: What it holds of generated files, relative to its root.
        out: Folder of the stub, instead of the project's setting: then nothing is left over.
    """
    if out is not None:
        return ()
    wanted = {each.path for each in targets(project)}
    wanted |= {each.path.with_suffix(".py") for each in targets(project) if each.own}
    return tuple(path for path in (project.root / each for each in generated) if path not in wanted)


def _is_below(path: str, root: str) -> bool:
    return not root or path.startswith(f"{root}/")
