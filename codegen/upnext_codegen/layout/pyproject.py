"""Reads pyproject.toml, including other tools' tables: anything malformed in one of those counts as absent."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, TypeAlias, cast

from upnext_codegen.errors import ConfigurationError
from upnext_codegen.layout.probing import exists, is_file

NAME = "pyproject.toml"

Document: TypeAlias = dict[str, Any]


def read(folder: Path) -> Document:
    """Read the pyproject.toml of a folder; a missing one counts as empty.

    Raises:
        ConfigurationError: If it cannot be read.
    """
    path = folder / NAME
    try:
        if exists(path) and not is_file(path):
            raise ConfigurationError(f"{NAME} is not a file.")  # Opening a pipe would block.
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"{NAME} cannot be read: {error}") from error


def glance(folder: Path) -> Document:
    """Read the pyproject.toml of a folder other than the project root; an unreadable one counts as empty."""
    try:
        return read(folder)
    except ConfigurationError:
        return {}


def table(document: Document, *keys: str) -> Document:
    """Return a table inside a document, empty if there is none."""
    for key in keys:
        inner: object = document.get(key)
        document = cast("Document", inner) if isinstance(inner, dict) else {}
    return document


def strings(value: object) -> list[str]:
    """Return the strings in a list, or a single string as a list."""
    if isinstance(value, str):
        return [value]
    return [each for each in cast("list[object]", value) if isinstance(each, str)] if isinstance(value, list) else []


def tables(value: object) -> list[Document]:
    """Return the tables in a list."""
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("Document", each) for each in items if isinstance(each, dict)]
