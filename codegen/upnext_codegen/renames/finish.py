"""Finishes a rename by removing the former names."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from upnext_codegen.errors import ConfigurationError
from upnext_codegen.fixes.source import Source
from upnext_codegen.records import Place, is_elsewhere
from upnext_codegen.renames.declared_name import without_former_name
from upnext_codegen.renames.edits import Edits
from upnext_codegen.renames.former_field import FormerNames
from upnext_codegen.renames.parameters import parameter
from upnext_codegen.renames.plan import ProjectSources, Rename, Undecided
from upnext_codegen.renames.typed_dict import typed_dict_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import libcst as cst

    from upnext_codegen.records import Declaration, Handler

_BY_HAND = "the former name is not written out here: take it out by hand"


def finish_event(sources: ProjectSources, old: str, new: str) -> Rename:
    """Remove a former name of an event from its declarations.

    Raises:
        ConfigurationError: If the event does not have that former name, or a file cannot be changed.
    """
    by_file: defaultdict[str, list[Declaration]] = defaultdict(list)
    for each in sources.scan.declarations:
        if each.event == new and old in each.formerly:
            by_file[each.place.file].append(each)
    if not by_file:
        raise ConfigurationError(f"No declaration of {new!r} has formerly={old!r}: there is nothing to finish.")
    changed: dict[str, tuple[bytes, bytes]] = {}
    blocked: list[Undecided] = []
    for path, declarations in by_file.items():
        before = sources.read(path)
        source = Source.read(before)
        # From the end, so that earlier positions stay valid.
        for each in sorted(declarations, key=lambda one: one.place, reverse=True):
            calls = None if source is None else without_former_name(source.calls_at(each.place), old)
            if source is None or calls is None:
                blocked.append(Undecided(each.place, _BY_HAND))
                continue
            source = Source.read(source.replaced(*calls).bytes) or source
        if source is not None:
            changed[path] = before, source.module.bytes
    return Rename(changed, (), tuple(sorted(blocked)))


def finish_field(sources: ProjectSources, event: str, old: str, new: str) -> Rename:
    """Remove a former name of a field from the handlers of an event.

    Raises:
        ConfigurationError: If no handler has it, or a file cannot be changed.
    """
    handlers = [
        handler
        for handler in sources.scan.handlers
        if handler.event == event and any(each.name == new and old in each.formerly for each in handler.parameters)
    ]
    if not handlers:
        raise ConfigurationError(
            f"No handler of {event!r} takes a field {new!r} that was {old!r}: there is nothing to finish."
        )
    files: dict[str, FormerNames] = {}

    def read(path: str) -> Edits:
        if path not in files:
            file = Edits.read(path, sources.read(path))
            if file is None:
                raise ConfigurationError(f"{path} has to be changed, and libcst cannot read its syntax.")
            files[path] = FormerNames(file)
        return files[path].file

    blocked: list[Undecided] = []
    for handler in {each.place: each for each in handlers if not is_elsewhere(each.place)}.values():
        found = _written(sources, read, handler, new)
        if found is None or not files[found[0].file].drop(found[1], old):
            blocked.append(Undecided(handler.place, _BY_HAND))
    changed = {path: (former.file.before, former.after()) for path, former in files.items()}
    return Rename({path: each for path, each in changed.items() if each[0] != each[1]}, (), tuple(sorted(blocked)))


def _written(
    sources: ProjectSources, read: Callable[[str], Edits], handler: Handler, name: str
) -> tuple[Edits, cst.Annotation] | None:
    """Return the annotation of a field, and its file."""
    file = read(handler.place.file)
    function = file.function(Place(*handler.place))
    if function is None:
        return None
    param = parameter(function, name)
    if param is not None:
        return None if param.annotation is None else (file, param.annotation)
    further = function.params.star_kwarg
    found = None if further is None else typed_dict_of(sources, read, file, further)
    key = None if found is None else found.key(name)
    return None if found is None or key is None else (found.file, key.annotation)
