"""`upnext.imports.lock`: the contracts of other projects as data, each with its source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

from upnext_codegen.catalog import lock
from upnext_codegen.catalog.contract_json import from_json, to_json
from upnext_codegen.catalog.writer import current
from upnext_codegen.contract import Contract
from upnext_codegen.errors import ConfigurationError
from upnext_codegen.files.git_lfs import POINTER, is_pointer
from upnext_codegen.project import IMPORTS_LOCK
from upnext_codegen.records import Place

FORMAT = 1
"""Changes when an older upnext could no longer read the file."""


class Source(NamedTuple):
    """A source of contracts.

    Attributes:
        address: What `upnext pull` is given: `redis://...` without a password, `git:REPOSITORY#PATH`, or a file. Paths
            are relative to the project root.
        namespace: The namespace of a server, "" for the others.
    """

    address: str
    namespace: str = ""

    def __str__(self) -> str:
        """Return the source as it is named in messages."""
        return f"{self.address} (namespace {self.namespace})" if self.namespace else self.address

    @property
    def command(self) -> str:
        """The command that updates its contracts."""
        return f"upnext pull {self.address}{f' --namespace {self.namespace}' if self.namespace else ''}"


class Pulled(NamedTuple):
    """The contracts of one source.

    Attributes:
        source: Where they are from.
        contract: What they were when they were pulled.
        lines: Lines of the file, by the keys that lead there below the source: `("events", "order.placed")`.
    """

    source: Source
    contract: Contract
    lines: Mapping[tuple[object, ...], int]

    def place(self, *keys: str) -> Place:
        """Return a place in the file; () for the source itself."""
        return Place(IMPORTS_LOCK, self.lines.get(keys, 1), 1)


def render(pulled: Iterable[Pulled]) -> str:
    """Write the file: sorted, the same for the same contracts on every machine."""
    return lock.indented(_as_json(pulled)) + "\n"


def _as_json(pulled: Iterable[Pulled]) -> dict[str, Any]:
    sources = [
        {"from": each.source.address, "namespace": each.source.namespace, **to_json(each.contract)}
        for each in sorted(pulled, key=lambda one: one.source)
    ]
    return {"format": FORMAT, "generator": lock.GENERATOR, "sources": sources}


def read(root: Path) -> tuple[Pulled, ...]:
    """Read the file of a project; nothing was pulled if it does not exist.

    Raises:
        ConfigurationError: If there is something else in its place, or a later upnext wrote it.
    """
    text = current(root / IMPORTS_LOCK)
    if text is None:
        return ()
    if is_pointer(text):
        raise ConfigurationError(f"{IMPORTS_LOCK} is {POINTER}: fetch that with `git lfs pull`.")
    data = lock.read_object(text)
    if data is None or data.get("generator") != lock.GENERATOR:
        raise _unreadable("it was not written by upnext, or a merge left it in pieces")
    if data.get("format") != FORMAT:
        raise _unreadable(f"it has format {data.get('format')!r}, and this upnext reads format {FORMAT}")
    try:
        found = [(Source(str(each["from"]), str(each["namespace"])), from_json(each)) for each in data["sources"]]
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable(f"{type(error).__name__} at {error}") from error
    lines: dict[tuple[object, ...], int] = {}
    _count(data, (), 1, lines)
    below = [
        {keys[2:]: line for keys, line in lines.items() if keys[:2] == ("sources", number)}
        for number in range(len(found))
    ]
    return tuple(Pulled(source, contract, each) for (source, contract), each in zip(found, below, strict=True))


def _unreadable(reason: str) -> ConfigurationError:
    return ConfigurationError(f"{IMPORTS_LOCK} cannot be read: {reason}. Delete it, and `upnext pull` again.")


def _count(value: object, keys: tuple[object, ...], line: int, found: dict[tuple[object, ...], int]) -> int:
    """Record the line on which each value begins, as `lock.indented` writes it; return the last line of this one."""
    found[keys] = line
    inner: Iterable[tuple[object, object]] = ()
    if isinstance(value, dict):
        inner = sorted(cast("dict[str, object]", value).items())
    elif isinstance(value, list):
        inner = enumerate(cast("list[object]", value))
    last = line
    for key, each in inner:
        last = _count(each, (*keys, key), last + 1, found)
    return last + 1 if value and isinstance(value, dict | list) else last
