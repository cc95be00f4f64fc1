"""The import roots of one distribution: those its build back end is told, or the default."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from upnext_codegen.layout.probing import exists, is_file, is_folder
from upnext_codegen.layout.pyproject import glance, strings, table, tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from configparser import ConfigParser

    from upnext_codegen.layout.pyproject import Document


def import_roots(folder: Path, document: Document | None = None) -> tuple[Path, ...]:
    """Return the import roots of the distribution in a folder.

    These are the folders that its build back end's settings name, whichever of them exist; else `src/`, if it holds
    Python modules and is not a package; else the folder itself.

    Args:
        folder: Where its pyproject.toml is.
        document: What that says, if it has been read already.
    """
    pyproject = glance(folder) if document is None else document
    named = dict.fromkeys(_normal(each) for each in [*_in_pyproject(pyproject), *_in_setup_cfg(folder / "setup.cfg")])
    found = [folder / each for each in named if each is not None and is_folder(folder / each)]
    if found:
        return tuple(found)
    return (folder / "src",) if is_source_root(folder / "src") else (folder,)


def renamed_packages(folder: Path, document: Document | None = None) -> dict[str, str]:
    """Return the packages of a distribution that are imported under another name than their folder's.

    Args:
        folder: Where its pyproject.toml is.
        document: What that says, if it has been read already.

    Returns:
        By the folder, relative to that of the distribution: the path that imports mean by it, `acme/shop`.
    """
    pyproject = glance(folder) if document is None else document
    found = [*_named_in_pyproject(pyproject), *_named_in_setup_cfg(folder / "setup.cfg")]
    pairs = [(_normal(source), _normal(name)) for source, name in found]
    return {source: name for source, name in pairs if source and name and is_folder(folder / source)}


def is_source_root(folder: Path) -> bool:
    """Whether a folder contains Python modules, at any relevant depth, and is not a package itself."""
    if not is_folder(folder) or exists(folder / "__init__.py"):
        return False
    for _, folders, files in os.walk(folder):
        if any(file.endswith(".py") for file in files):
            return True
        folders[:] = [name for name in folders if not name.startswith(".") and name != "node_modules"]
    return False


def _in_pyproject(document: Document) -> Iterator[str]:
    """Yield the folders named in the tables of build back ends, one of which the user has written."""
    setuptools = table(document, "tool", "setuptools")
    yield from strings(table(setuptools, "package-dir").get(""))
    yield from strings(table(setuptools, "packages", "find").get("where"))
    for each in tables(table(document, "tool", "poetry").get("packages")):
        yield from strings(each.get("from"))
    yield from strings(table(document, "tool", "maturin").get("python-source"))
    yield from strings(table(document, "tool", "pdm", "build").get("package-dir"))
    yield from strings(table(document, "tool", "uv", "build-backend").get("module-root"))
    yield from _of_packages(table(document, "tool", "scikit-build", "wheel").get("packages"))
    yield from _in_hatch(table(document, "tool", "hatch", "build"))


def _named_in_pyproject(document: Document) -> Iterator[tuple[str, str]]:
    """Yield the folders that build back ends map to packages, each with the package's path."""
    for name, source in table(document, "tool", "setuptools", "package-dir").items():
        if name and isinstance(source, str):
            yield source, name.replace(".", "/")
    build = table(document, "tool", "hatch", "build")
    for each in (build, table(build, "targets", "wheel")):
        for mapping in (table(each, "sources"), table(each, "force-include")):
            yield from ((source, name) for source, name in mapping.items() if isinstance(name, str))


def _in_hatch(build: Document) -> Iterator[str]:
    for each in (build, table(build, "targets", "wheel")):
        yield from (source for source, target in table(each, "sources").items() if target == "")
        yield from strings(each.get("sources"))
        yield from _of_packages(each.get("packages"))


def _of_packages(value: object) -> Iterator[str]:
    """Yield the parents of packages that are named by path: `python/shop` is imported as `shop`."""
    yield from (str(PurePosixPath(each).parent) for each in strings(value))


def _in_setup_cfg(path: Path) -> Iterator[str]:
    parser = _setup_cfg(path)
    if parser is None:
        return
    yield from (folder for package, folder in _package_dirs(parser) if not package)
    yield parser.get("options.packages.find", "where", fallback="").strip()


def _named_in_setup_cfg(path: Path) -> Iterator[tuple[str, str]]:
    parser = _setup_cfg(path)
    if parser is not None:
        yield from ((folder, package.replace(".", "/")) for package, folder in _package_dirs(parser) if package)


def _setup_cfg(path: Path) -> ConfigParser | None:
    if not is_file(path):
        return None
    import configparser  # noqa: PLC0415 - few projects have such a file any more

    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, configparser.Error):
        return None
    return parser


def _package_dirs(parser: ConfigParser) -> Iterator[tuple[str, str]]:
    for line in parser.get("options", "package_dir", fallback="").splitlines():
        package, equals, folder = line.partition("=")
        if equals:
            yield package.strip(), folder.strip()


def _normal(path: str) -> str | None:
    """Return a relative path without dots, "" for the folder itself, None if it leads out of it or is empty."""
    if not path.strip() or not path.isprintable():
        return None
    parts = PurePosixPath(path.replace("\\", "/")).parts
    return None if ".." in parts or path.startswith("/") else "/".join(parts)
