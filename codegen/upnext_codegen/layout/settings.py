"""`[tool.upnext]`: the settings of a project, and their allowed values."""

from __future__ import annotations

import keyword
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from upnext_codegen.errors import ConfigurationError
from upnext_codegen.rules import CODES, RETIRED_CODES

if TYPE_CHECKING:
    from upnext_codegen.layout.pyproject import Document

_MODULE = 'the name of a module, as "shop.catalog"'


@dataclass(frozen=True, slots=True)
class Settings:
    """`[tool.upnext]` of pyproject.toml.

    Attributes:
        src: Import roots relative to the project root: folders, globs, and workspace members; empty for the default.
        exclude: Files to leave out, as gitignore patterns.
        include: Files to read although they are left out by default, as gitignore patterns.
        out: Folder of the generated stub, None for the import root.
        catalog: Module that the catalog is written as, "shop.catalog"; None for `upnext_catalog.pyi`.
        extra: "allow" or "forbid", None where it is not set.
        ignore: Codes that the whole project silences.
        refresh: Whether the mypy plugin brings the catalog up to date.
        closed: Whether all senders and handlers of its events are in the project: an event without one is reported.
        run: The files that `upnext run` is given: a handler that none of them imports is reported.
        owner: Patterns of event names, each with who owns those events; the last one that matches counts.
    """

    src: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    out: str | None = None
    catalog: str | None = None
    extra: str | None = None
    ignore: tuple[str, ...] = ()
    refresh: bool = True
    closed: bool = False
    run: tuple[str, ...] = ()
    owner: tuple[tuple[str, str], ...] = ()


def settings_in(document: Document) -> Settings:
    """Return the settings in a pyproject.toml.

    Raises:
        ConfigurationError: If a setting is unknown, or its value cannot be used.
    """
    return _checked(_table(_table(document, "tool"), "upnext"))


def _table(inside: Document, name: str) -> Document:
    table: object = inside.get(name, {})
    if not isinstance(table, dict):
        raise ConfigurationError("[tool.upnext] in pyproject.toml is not a table.")
    return cast("Document", table)


def _checked(table: dict[str, object]) -> Settings:
    known = tuple(Settings.__dataclass_fields__)
    unknown = [repr(key) for key in table if key not in known]
    if unknown:
        keys = f"key{'s' if len(unknown) > 1 else ''} {', '.join(unknown)}"
        raise ConfigurationError(f"Unknown {keys} in [tool.upnext]; the keys are {', '.join(known)}.")
    extra = table.get("extra")
    if extra not in (None, "allow", "forbid"):
        raise ConfigurationError(f'extra in [tool.upnext] is {extra!r}; it is "allow" or "forbid".')
    settings = Settings(
        src=_strings(table, "src"),
        exclude=_strings(table, "exclude"),
        include=_strings(table, "include"),
        out=_string(table, "out", "the path of a folder"),
        catalog=_module(_string(table, "catalog", _MODULE)),
        extra=extra if isinstance(extra, str) else None,
        ignore=_strings(table, "ignore"),
        refresh=_truth(table, "refresh", default=True),
        closed=_truth(table, "closed", default=False),
        run=_strings(table, "run"),
        owner=_owners(table),
    )
    _check_values(settings)
    return settings


def _check_values(settings: Settings) -> None:
    for key, path in [
        ("out", settings.out or ""),
        *[("src", each) for each in settings.src],
        *[("run", each) for each in settings.run],
    ]:
        if path and not path.isprintable():
            raise ConfigurationError(f"{key} in [tool.upnext] names {path!r}, which holds a control character.")
    strange = [code for code in settings.ignore if code not in {*CODES, *RETIRED_CODES}]
    if strange:
        raise ConfigurationError(f"ignore in [tool.upnext] names {strange[0]!r}; the codes are {', '.join(CODES)}.")
    if settings.catalog is not None and settings.out is not None:
        raise ConfigurationError(
            "catalog and out in [tool.upnext] both say where the catalog is written: remove one of them."
        )


def _module(name: str | None) -> str | None:
    """Return the name of the catalog's module.

    Raises:
        ConfigurationError: If an import statement cannot name such a module, or it is one of upnext's own.
    """
    if name is None:
        return None
    parts = name.split(".")
    if not all(part.isascii() and part.isidentifier() and not keyword.iskeyword(part) for part in parts):
        raise ConfigurationError(
            f'catalog in [tool.upnext] is {name!r}; it is the name of a module, as "shop.catalog".'
        )
    if parts[0] in {"upnext", "upnext_catalog"} or parts[-1] == "__init__":
        raise ConfigurationError(
            f"catalog in [tool.upnext] is {name!r}; it is a module of the project's own that only upnext writes, "
            'as "shop.catalog".'
        )
    return name


def _owners(table: dict[str, object]) -> tuple[tuple[str, str], ...]:
    value = table.get("owner", {})
    items = cast("dict[str, object]", value) if isinstance(value, dict) else None
    if items is None or not all(isinstance(each, str) and each and each.isprintable() for each in items.values()):
        raise ConfigurationError(
            f"owner in [tool.upnext] is {value!r}; it is a table of event names or patterns, each with an owner: "
            'owner = {"order.*" = "@orders-team"}.'
        )
    return tuple((pattern, str(owner)) for pattern, owner in items.items())


def _truth(table: dict[str, object], key: str, *, default: bool) -> bool:
    value = table.get(key, default)
    if not isinstance(value, bool):
        raise ConfigurationError(f"{key} in [tool.upnext] is {value!r}; it is true or false.")
    return value


def _string(table: dict[str, object], key: str, kind: str) -> str | None:
    value = table.get(key)
    if value is not None and not isinstance(value, str):
        raise ConfigurationError(f"{key} in [tool.upnext] is {value!r}; it is {kind}.")
    return value


def _strings(table: dict[str, object], key: str) -> tuple[str, ...]:
    value = table.get(key, [])
    items = cast("list[object]", value) if isinstance(value, list) else None
    if items is None or not all(isinstance(item, str) for item in items):
        raise ConfigurationError(f"{key} in [tool.upnext] is {value!r}; it is a list of strings.")
    return tuple(str(item) for item in items)
