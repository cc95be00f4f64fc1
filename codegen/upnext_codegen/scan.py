"""One scan: from a project's files to its declarations, handlers and findings."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias, cast

from upnext_codegen import messages
from upnext_codegen.files import record_json
from upnext_codegen.files.cache import open_cache
from upnext_codegen.files.discover import discover
from upnext_codegen.files.file_index import FileIndex
from upnext_codegen.findings import in_order
from upnext_codegen.garbage import uncollected
from upnext_codegen.incremental import Incremental
from upnext_codegen.names.modules import ModuleRef, map_modules
from upnext_codegen.no_project import is_none
from upnext_codegen.reached_models import reached_models
from upnext_codegen.records import Place, Scan
from upnext_codegen.types.traversal import classes_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from upnext_codegen.files.cache import Cache
    from upnext_codegen.files.cache_format import Snapshot
    from upnext_codegen.files.discover import Discovery, SourceFile
    from upnext_codegen.findings import Finding
    from upnext_codegen.names.modules import Modules
    from upnext_codegen.project import Project
    from upnext_codegen.records import Resolved

    Ignores: TypeAlias = dict[str, dict[int, frozenset[str] | None]]


@uncollected()
def scan(
    project: Project,
    *,
    use_cache: bool = True,
    listing: Callable[[], Discovery] | None = None,
    prefilter: bool = True,
) -> tuple[Scan, tuple[Finding, ...]]:
    """Read the sources of a project.

    Args:
        project: The project.
        use_cache: Whether to use and keep what earlier scans read, under `.upnext/`.
        listing: What gives its files, if somebody has begun to list them (`discover_ahead`).
        prefilter: Whether to skip files, names and lines that cannot matter. Without it a scan takes much longer and
            finds the same.

    Returns:
        What was found, and the findings that reading alone can make, sorted by place.
    """
    cache = open_cache(project.root, use=use_cache and prefilter)
    return _scanned(project, listing() if listing else discover(project), cache, prefilter=prefilter)


def _scanned(project: Project, found: Discovery, cache: Cache, *, prefilter: bool) -> tuple[Scan, tuple[Finding, ...]]:
    modules = _modules(found, project)
    incremental = _worked_out(found, project, modules, cache.known, prefilter=prefilter, words=cache.words)
    index, parts = incremental.index, [*incremental.by_file().values()]
    models = reached_models(index, modules, parts, cache.known)
    # Files read on mere suspicion do not count: which those are depends on earlier scans.
    loaded = incremental.read() | models.read
    faults = index.check(loaded)

    def again(more: Iterable[SourceFile], roots: Mapping[tuple[str, str], Sequence[str]]) -> dict[str, Resolved]:
        """Compute the project again with additional files, and with additional import roots for some imports."""
        supposed = found._replace(files=(*found.files, *more))
        others = replace(_modules(supposed, project), supposed=roots)
        known = incremental.snapshot()
        return _worked_out(supposed, project, others, known, incremental, prefilter=prefilter).by_file()

    left_out = _digest_of(repr((found.left_out, project.outside)))
    recalled = _recalled(cache.known, left_out) if incremental.leads_as_before else None
    if recalled and not incremental.is_unchanged:
        recalled = None  # Their positions and events may have changed.
    kept = cache.known.unread
    if recalled is None:
        from upnext_codegen.unread.missing import missing_imports  # noqa: PLC0415 - a warm run does without
        from upnext_codegen.unread.report import unread  # noqa: PLC0415 - a warm run does without

        by_file = incremental.by_file()
        missing = missing_imports(found, index, modules, by_file, project.outside)
        recalled, lasts = unread(missing, index, modules, by_file, again)
        kept = f"{left_out} {record_json.dumps(recalled)}" if lasts else ""
    faults += recalled
    snapshot = incremental.snapshot()._replace(unread=kept, models=models.texts)
    scanned = replace(
        _put_together(parts, modules, index.ignores(loaded)), generated=found.generated, read=frozenset(loaded)
    )
    if not index.moved and snapshot != cache.known and not is_none(project, scanned):
        cache.keep(snapshot)
        lines = incremental.relevance.words.lines() if incremental.relevance else None
        if lines:
            cache.keep_words(lines)
    scanned = replace(scanned, classes=dict(sorted({**scanned.classes, **models.classes}.items())))
    scanned = replace(scanned, imported=_imported(project, index, modules))
    state = "" if index.moved else _digest((*snapshot.parts.values(), record_json.dumps(models.classes)), scanned)
    findings = in_order([*_unlisted(found), *faults, *[each for part in parts for each in part.findings]])
    return replace(scanned, files_scanned=len(found.files), files_parsed=len(index.parsed), state=state), findings


def _imported(project: Project, index: FileIndex, modules: Modules) -> dict[str, frozenset[str] | None]:
    if not project.settings.run:
        return {}
    from upnext_codegen.graph.imported import imported_files  # noqa: PLC0415 - few projects ask for it

    entries = [(project.root / each).resolve().relative_to(project.root).as_posix() for each in project.settings.run]
    return imported_files(entries, index, modules)


def _recalled(known: Snapshot, left_out: str) -> tuple[Finding, ...] | None:
    """The earlier result of `unread` for the same files, if it is still valid."""
    before, _, kept = known.unread.partition(" ")
    if before != left_out:
        return None
    try:
        return cast("tuple[Finding, ...]", record_json.loads(kept))
    except ValueError:
        return None


def _modules(found: Discovery, project: Project) -> Modules:
    files = [file.path for file in found.files]
    return map_modules(files, found.aliases, project.roots, project.catalog, project.renamed)


def _worked_out(
    found: Discovery,
    project: Project,
    modules: Modules,
    known: Snapshot,
    begun_by: Incremental | None = None,
    *,
    prefilter: bool,
    words: Callable[[], Mapping[str, bytes]] = dict,
) -> Incremental:
    names = modules.words() | {part.removesuffix(".py") for path, _ in found.left_out for part in path.split("/")}
    names |= {name for name, _ in project.outside}
    index = FileIndex(project.root, {file.path: file for file in found.files}, names, known)
    index.refresh()
    incremental = Incremental(index, modules, prefilter, words, begun_by)
    incremental.work_out()
    return incremental


def _put_together(parts: list[Resolved], modules: Modules, ignores: Ignores) -> Scan:
    handlers = [each for part in parts for each in part.handlers]
    declarations = dict.fromkeys(each for part in parts for each in part.declarations)
    workers = frozenset(worker for part in parts for worker in part.workers)
    classes = {key: each for part in reversed(parts) for key, each in part.classes.items()}
    used = {
        cls.module
        for handler in handlers
        for written in [*[each.type for each in handler.parameters], handler.extras]
        if written is not None
        for cls in classes_in(written)
    }
    used |= {key.partition(":")[0] for key in classes}
    return Scan(
        tuple(sorted(declarations, key=lambda each: each.place)),
        tuple(sorted(handlers, key=lambda each: (each.place, each.event, each.name))),
        frozenset(event for part in parts for event in part.refused),
        workers if "" not in workers else frozenset(),
        dict(sorted(classes.items())),
        {root: frozenset(each for each in used if _can_import(modules, root, each)) for root in modules.roots},
        ignores=ignores,
        sends=tuple(sorted((each for part in parts for each in part.sends), key=lambda each: each.place)),
        tasks=tuple(sorted({each for part in parts for each in part.tasks}, key=lambda each: each.place)),
        hidden=frozenset(event for part in parts for event in part.hidden),
        upcasters=tuple(sorted({each for part in parts for each in part.upcasters}, key=lambda each: each.place)),
        shared={name: modules.name_of(file) for file, name in sorted(modules.shared.items()) if name in used},
    )


def _digest(parts: Iterable[str], scanned: Scan) -> str:
    """A digest of everything that a scan found."""
    importable = sorted((root, sorted(modules)) for root, modules in scanned.importable.items())
    ignores = [
        (file, line, codes and sorted(codes))
        for file, found in scanned.ignores.items()
        for line, codes in found.items()
    ]
    return _digest_of(*parts, repr((importable, ignores, scanned.shared, scanned.generated)))


def _digest_of(*texts: str) -> str:
    return hashlib.blake2b("\n".join(texts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _can_import(modules: Modules, root: str, module: str) -> bool:
    source = modules.named(module)
    if not isinstance(source, ModuleRef) or source.file is None:
        return True
    if source.file in modules.shared:
        return modules.root_of(source.file) == root
    return not root or source.file.startswith(f"{root}/")


def _unlisted(found: Discovery) -> list[Finding]:
    return [messages.unreadable(Place(folder.rstrip("/") or ".", 1, 1), reason) for folder, reason in found.unreadable]
