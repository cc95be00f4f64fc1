"""Renames an event: every declaration of it in the project, and the places that somebody has to look at."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from upnext_codegen.errors import ConfigurationError
from upnext_codegen.fixes.source import Source
from upnext_codegen.handlers.declare import is_name
from upnext_codegen.records import Place
from upnext_codegen.renames.declared_name import renamed
from upnext_codegen.renames.event_keys import renamed_keys
from upnext_codegen.renames.mentions import texts_in
from upnext_codegen.renames.owner_keys import lost_owner
from upnext_codegen.renames.plan import ProjectSources, Rename, Undecided, near, unreadable

if TYPE_CHECKING:
    from upnext_codegen.records import Declaration, Scan


def rename_event(sources: ProjectSources, old: str, new: str) -> Rename:
    """Plan the rename of an event; nothing is written.

    Every declaration gets the new name, and so does every key of `worker.events[...]` that is certainly the event's
    name. Declarations on workers with handlers of the event keep the old one in `formerly`, so that jobs and senders of
    an earlier release go on; if the new name is the latest former one, the rename is taken back instead.

    Args:
        sources: The project.
        old: The name that the event has.
        new: The name that it is to have.

    Raises:
        ConfigurationError: If there is no such event, the new name cannot be used or is taken, or a file that has to
            be changed cannot be read.
    """
    scan = sources.scan
    _check(scan, old, new)
    handling = {each.worker for each in scan.handlers if each.event == old}
    by_file: defaultdict[str, list[Declaration]] = defaultdict(list)
    for each in scan.declarations:
        if each.event == old:
            by_file[each.place.file].append(each)
    changed: dict[str, tuple[bytes, bytes]] = {}
    blocked: list[Undecided] = []
    for file, declarations in sorted(by_file.items()):
        before, source = _read(sources, file)
        # From the end, so that earlier positions stay valid.
        for each in sorted(declarations, key=lambda one: one.place, reverse=True):
            bridged = each.worker in handling or not each.worker
            calls = renamed(source.calls_at(each.place), old, new, bridged=bridged)
            if calls is None:
                reason = (
                    "this declares the event, and its name or a former one is not written out here: change it by hand"
                )
                blocked.append(Undecided(each.place, reason))
                continue
            source = Source.read(source.replaced(*calls).bytes) or source
        if source.module.bytes != before:
            changed[file] = before, source.module.bytes
    declared = [each for declarations in by_file.values() for each in declarations]
    for file, before, after in list(renamed_keys(sources, declared, changed, old, new)):
        changed[file] = before, after
    undecided, half_read = _mentions(sources, old, changed)
    undecided = (*undecided, *lost_owner(sources.root, old, new))
    taken_back = any(each.formerly[:1] == (new,) for each in declared)
    return Rename(changed, undecided, tuple(sorted(blocked)), half_read, taken_back)


def _check(scan: Scan, old: str, new: str) -> None:
    declared = {each.event for each in scan.declarations}
    known = declared | {each.event for each in scan.handlers}
    if old not in declared:
        hint = near(old, declared, "`upnext graph` lists all events.")
        raise ConfigurationError(f"No event is called {old!r}; {hint}")
    if not is_name(new):
        raise ConfigurationError(
            f"{new!r} cannot name an event: start it with a letter or an underscore, go on with letters, digits, "
            "underscores and . : / -, at most 200 characters."
        )
    if new == old:
        raise ConfigurationError(f"The event is called {old!r} already.")
    own = {name for each in scan.declarations if each.event == old for name in each.formerly}
    if new in known or (new in scan.former_names and new not in own):
        raise ConfigurationError(f"There is an event {new!r} already: choose another name, or merge the two by hand.")


def _read(sources: ProjectSources, file: str) -> tuple[bytes, Source]:
    data = sources.read(file)
    source = Source.read(data)
    # A file that libcst does not reproduce byte for byte is left alone.
    if source is None or source.module.bytes != data:
        raise ConfigurationError(f"{file} declares the event and cannot be changed: libcst cannot read its syntax.")
    return data, source


def _mentions(
    sources: ProjectSources, old: str, changed: dict[str, tuple[bytes, bytes]]
) -> tuple[tuple[Undecided, ...], tuple[Undecided, ...]]:
    """Return other texts equal to the old name, and the files that cannot be searched."""
    undecided: list[Undecided] = []
    half_read: list[Undecided] = []
    for file, data in sources.holding(old):
        found = texts_in(changed[file][1] if file in changed else data, old, but_in=("formerly",))
        reason = f"this text is {old!r}: if it means the event, change it by hand"
        undecided += [Undecided(Place(file, line, column), reason) for line, column in found.places]
        if not found.whole:
            half_read.append(unreadable(file, old))
    return tuple(undecided), tuple(half_read)
