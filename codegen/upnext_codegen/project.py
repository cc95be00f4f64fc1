"""The project that is scanned: its root, its `[tool.upnext]` settings, and the folders that imports start from."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from upnext_codegen.errors import ConfigurationError
from upnext_codegen.rules import CODES


@dataclass(frozen=True, slots=True)
class Settings:
    """`[tool.upnext]` of pyproject.toml.

    Attributes:
        src: Import roots relative to the project root, empty for the default.
        exclude: Files to leave out, as gitignore patterns.
        out: Folder of the generated stub, None for the import root.
        extra: "allow" or "forbid", None where it is not set.
        ignore: Codes that the whole project silences.
        refresh: Whether the mypy plugin brings the catalog up to date.
    """

    src: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    out: str | None = None
    extra: str | None = None
    ignore: tuple[str, ...] = ()
    refresh: bool = True


@dataclass(frozen=True, slots=True)
class Project:
    """A project to scan.

    Attributes:
        root: The project root, absolute and without symlinks.
        roots: Import roots relative to it with `/`, "" for the project root itself.
        settings: Its settings.
    """

    root: Path
    roots: tuple[str, ...]
    settings: Settings


def find_project(start: Path | None = None, otherwise: Path | None = None) -> Project:
    """Find the project around a folder or file: the nearest folder upward with a pyproject.toml.

    Args:
        start: Where to look from, the current folder by default.
        otherwise: The project root where there is no pyproject.toml, if it holds `start`; else that is a root itself.

    Raises:
        ConfigurationError: pyproject.toml cannot be read, or a setting in it cannot be used.
    """
    folder = (start or Path.cwd()).resolve()
    if not folder.is_dir():
        folder = folder.parent
    alone = otherwise.resolve() if otherwise is not None and folder.is_relative_to(otherwise.resolve()) else folder
    root = next((each for each in (folder, *folder.parents) if (each / "pyproject.toml").is_file()), alone)
    return load_project(root)


def load_project(root: Path) -> Project:
    """Read the settings of the project with this root.

    Raises:
        ConfigurationError: pyproject.toml cannot be read, or a setting in it cannot be used.
    """
    root = root.resolve()
    settings = _settings(root / "pyproject.toml")
    return Project(root, _import_roots(root, settings.src), settings)


def _settings(path: Path) -> Settings:
    try:
        if path.exists() and not path.is_file():
            raise ConfigurationError(f"{path.name} is no file.")  # A pipe would be waited for.
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return Settings()
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path.name} cannot be read: {error}") from error
    return _checked(_table(_table(document, "tool"), "upnext"))


def _table(inside: dict[str, Any], name: str) -> dict[str, Any]:
    table: object = inside.get(name, {})
    if not isinstance(table, dict):
        raise ConfigurationError("[tool.upnext] in pyproject.toml is not a table.")
    return cast("dict[str, Any]", table)


def _checked(table: dict[str, object]) -> Settings:
    known = tuple(Settings.__dataclass_fields__)
    unknown = [repr(key) for key in table if key not in known]
    if unknown:
        keys = f"key{'s' if len(unknown) > 1 else ''} {', '.join(unknown)}"
        raise ConfigurationError(f"Unknown {keys} in [tool.upnext]; the keys are {', '.join(known)}.")
    extra = table.get("extra")
    if extra not in {None, "allow", "forbid"}:
        raise ConfigurationError(f'extra in [tool.upnext] is {extra!r}; it is "allow" or "forbid".')
    out = table.get("out")
    if out is not None and not isinstance(out, str):
        raise ConfigurationError(f"out in [tool.upnext] is {out!r}; it is the path of a folder.")
    for key, path in [("out", out or ""), *[("src", each) for each in _strings(table, "src")]]:
        if path and not path.isprintable():
            raise ConfigurationError(f"{key} in [tool.upnext] names {path!r}, which holds a control character.")
    refresh = table.get("refresh", True)
    if not isinstance(refresh, bool):
        raise ConfigurationError(f"refresh in [tool.upnext] is {refresh!r}; it is true or false.")
    ignore = _strings(table, "ignore")
    strange = [code for code in ignore if code not in CODES]
    if strange:
        raise ConfigurationError(f"ignore in [tool.upnext] names {strange[0]!r}; the codes are {', '.join(CODES)}.")
    return Settings(
        src=_strings(table, "src"),
        exclude=_strings(table, "exclude"),
        out=out,
        extra=extra if isinstance(extra, str) else None,
        ignore=ignore,
        refresh=refresh,
    )


def _strings(table: dict[str, object], key: str) -> tuple[str, ...]:
    value = table.get(key, [])
    items = cast("list[object]", value) if isinstance(value, list) else None
    if items is None or not all(isinstance(item, str) for item in items):
        raise ConfigurationError(f"{key} in [tool.upnext] is {value!r}; it is a list of strings.")
    return tuple(str(item) for item in items)


def _import_roots(root: Path, src: tuple[str, ...]) -> tuple[str, ...]:
    if not src:
        return ("src",) if _is_source_root(root / "src") else ("",)
    roots: list[str] = []
    for each in src:
        folder = (root / each).resolve()
        if not folder.is_relative_to(root):
            raise ConfigurationError(f"src in [tool.upnext] names {each!r}, which is outside the project {root}.")
        if not folder.is_dir():
            raise ConfigurationError(f"src in [tool.upnext] names {each!r}, which is not a folder of the project.")
        relative = folder.relative_to(root).as_posix()
        roots.append("" if relative == "." else relative)
    return tuple(dict.fromkeys(roots))


def _is_source_root(folder: Path) -> bool:
    """Whether `src/` holds Python modules, at any depth that counts, and is no package itself."""
    if not folder.is_dir() or (folder / "__init__.py").exists():
        return False
    for _, folders, files in os.walk(folder):
        if any(file.endswith(".py") for file in files):
            return True
        folders[:] = [name for name in folders if not name.startswith(".") and name != "node_modules"]
    return False
