"""Settings of type checkers: the plugin for mypy, and the path of the catalog for pyright."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any, cast

from upnext.errors import ConfigError
from upnext.project_settings import ini_text, toml_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from upnext.project_settings.proposal import Proposal

_PLUGIN = "upnext_mypy"


def propose_mypy(proposal: Proposal, root: Path) -> None:
    """Have mypy use the plugin, in the file that it reads its settings from."""
    if _table(proposal, root, "mypy") is None:
        candidates: Sequence[str] = ("mypy.ini", ".mypy.ini", "setup.cfg")
    else:
        candidates = ("mypy.ini", ".mypy.ini")  # before pyproject.toml, which is before setup.cfg
    for name in candidates:
        path = root / name
        if not path.is_file():
            continue
        file = proposal.file(path)
        if name == "setup.cfg" and not ini_text.has_section(file.text, "mypy"):
            continue
        changed = ini_text.with_item(file.text, "mypy", "plugins", _PLUGIN)
        if changed is None:
            proposal.by_hand.append(f"{name}, section [mypy]: add {_PLUGIN} to plugins.")
        else:
            file.text = changed
        return
    _propose_in_pyproject(proposal, root, "mypy", "plugins", _PLUGIN)


def propose_pyright(proposal: Proposal, root: Path, folders: Sequence[str]) -> None:
    """Have pyright, and basedpyright if it has settings, look for the catalog where it is.

    Args:
        proposal: Where to add it.
        root: The project root.
        folders: The folders that hold the catalog, relative to it.
    """
    config = root / "pyrightconfig.json"
    if config.is_file():
        missing = [folder for folder in folders if folder not in _extra_paths(config)]
        if missing:
            proposal.by_hand.append(f'pyrightconfig.json: add {json.dumps(missing)} to "extraPaths".')
        return
    names = ["pyright"] if _table(proposal, root, "basedpyright") is None else ["basedpyright"]
    if names != ["pyright"] and _table(proposal, root, "pyright") is not None:
        names.append("pyright")
    for name in names:
        for folder in folders:
            _propose_in_pyproject(proposal, root, name, "extraPaths", folder)


def _propose_in_pyproject(proposal: Proposal, root: Path, tool: str, key: str, item: str) -> None:
    file = proposal.file(root / "pyproject.toml")
    changed = toml_text.with_item(file.text, ("tool", tool), key, item)
    if changed is None:
        proposal.by_hand.append(f'pyproject.toml, [tool.{tool}]: add "{item}" to {key}.')
    else:
        file.text = changed


def _table(proposal: Proposal, root: Path, name: str) -> Any:
    try:
        tools: Any = tomllib.loads(proposal.file(root / "pyproject.toml").text).get("tool", {})
    except ValueError as error:
        raise ConfigError(f"{root / 'pyproject.toml'} cannot be read: {error}") from error
    return cast("dict[str, Any]", tools).get(name) if isinstance(tools, dict) else None


def _extra_paths(config: Path) -> list[Any]:
    """Return the extra paths of a pyrightconfig.json; none if it has comments, which JSON has not."""
    try:
        found: Any = json.loads(config.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return []
    paths = cast("dict[str, Any]", found).get("extraPaths") if isinstance(found, dict) else None
    return [*cast("Iterable[Any]", paths)] if isinstance(paths, list) else []
