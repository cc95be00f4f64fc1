"""Keys of `worker.events["order.placed"]` that are certainly the name of an event."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from upnext_codegen.fixes.source import requoted
from upnext_codegen.graph.selection import module_of
from upnext_codegen.renames.edits import Edits, text_of
from upnext_codegen.renames.references import dotted_names, names_passed_on, uses

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from upnext_codegen.records import Declaration
    from upnext_codegen.renames.plan import ProjectSources


def renamed_keys(
    sources: ProjectSources,
    declarations: Iterable[Declaration],
    changed: dict[str, tuple[bytes, bytes]],
    old: str,
    new: str,
) -> Iterator[tuple[str, bytes, bytes]]:
    """Yield each file with renamed keys, before and after, including earlier changes.

    Only those of a variable on which the event is declared: another worker may have another event of that name.

    Args:
        sources: The project.
        declarations: Those of the event.
        changed: Each file that the rename has changed, before and after.
        old: The name that the event has.
        new: The name that it is to have.
    """
    holding = list(sources.holding(old, "events"))
    if not any(b"[" in data for _, data in holding):
        return
    files: dict[str, Edits | None] = {}

    def read(path: str) -> Edits | None:
        if path not in files:
            files[path] = Edits.read(path, sources.read(path))
        return files[path]

    workers = workers_of(sources, declarations, read)
    for path, data in holding:
        before = changed[path][1] if path in changed else data
        file = Edits.read(path, before)
        keys = [] if file is None else list(keys_in(file, module_of(path, sources.roots), workers, {old}))
        if file is not None and keys:
            for key in keys:
                file.replace(key, requoted(key, new).value)
            yield path, data, file.after


def workers_of(
    sources: ProjectSources, declarations: Iterable[Declaration], read: Callable[[str], Edits | None]
) -> set[str]:
    """Return the dotted names of the variables of workers that declare an event.

    Args:
        sources: The project.
        declarations: Those of the event.
        read: Reads a file, None if it cannot be read.
    """
    found: set[str] = set()
    for each in declarations:
        file, module = read(each.place.file), module_of(each.place.file, sources.roots)
        if file is None:
            continue
        for call in file.calls_at(each.place):
            if isinstance(call.func, cst.Attribute) and call.func.attr.value == "event":
                for name in dotted_names(file, module, call.func.value):
                    found |= names_passed_on(name, sources, read, aliased=True)
    return found


def keys_in(file: Edits, module: str, workers: set[str], names: Collection[str]) -> Iterator[cst.SimpleString]:
    """Yield the keys in a file that are certainly a current or former name of an event.

    Args:
        file: The file.
        module: The name of its module.
        workers: The dotted names of the variables on which the event is declared.
        names: The names.
    """
    found: list[tuple[cst.Name, cst.SimpleString]] = []
    for node in file.nodes:
        match node:
            case cst.Subscript(
                value=cst.Attribute(value=cst.Name() | cst.Attribute() as owner, attr=cst.Name("events")),
                slice=[cst.SubscriptElement(slice=cst.Index(value=cst.SimpleString() as key))],
            ) if text_of(key) in names:
                found.append((owner.attr if isinstance(owner, cst.Attribute) else owner, key))
            case _:
                pass
    if found:
        named = {name for name, _ in uses(file, module, workers, aliased=True)}
        yield from (key for name, key in found if name in named)
