"""One scan: a project's files to its declarations and handlers, with everything that is wrong with them."""

from __future__ import annotations

import gc
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias, cast

from upnext_codegen import messages
from upnext_codegen.files import encoding
from upnext_codegen.files.cache import Cache, open_cache
from upnext_codegen.files.discover import discover
from upnext_codegen.files.store import Store
from upnext_codegen.handlers.annotations import Annotations
from upnext_codegen.handlers.attach import Attacher, Found
from upnext_codegen.handlers.classes import Classes, classes_in
from upnext_codegen.handlers.declare import declare, is_name
from upnext_codegen.handlers.signatures import Signatures
from upnext_codegen.names import values
from upnext_codegen.names.evaluate import Evaluator
from upnext_codegen.names.lookup import Lookup, Spot
from upnext_codegen.names.modules import ModuleRef, map_modules
from upnext_codegen.reading import facts
from upnext_codegen.records import Place, Scan

if TYPE_CHECKING:
    from upnext_codegen.files.discover import Discovery
    from upnext_codegen.findings import Finding
    from upnext_codegen.names.modules import Modules
    from upnext_codegen.project import Project

    _Result: TypeAlias = tuple[Scan, tuple[Finding, ...], tuple[str, ...]]


def scan(project: Project, *, use_cache: bool = True) -> tuple[Scan, tuple[Finding, ...]]:
    """Read the sources of a project.

    Args:
        project: The project.
        use_cache: Whether to use and keep what earlier scans read, under `.upnext/`.

    Returns:
        What was found, and the findings that reading alone can make, sorted by place.
    """
    enabled = gc.isenabled()
    # Nothing here outlives the scan in cycles, and looking for them takes a third of its time.
    gc.disable()
    try:
        return _scanned(project, use_cache=use_cache)
    finally:
        if enabled:
            gc.enable()


def _scanned(project: Project, *, use_cache: bool) -> tuple[Scan, tuple[Finding, ...]]:
    found = discover(project)
    modules = map_modules([file.path for file in found.files], found.aliases, project.roots)
    cache = open_cache(project.root, use=use_cache)
    store = Store(project.root, {file.path: file for file in found.files}, modules, cache)
    store.refresh()
    state = store.state()
    recalled = _recalled(cache, state)
    if recalled is None:
        classes, result = _resolve(store, modules)
        scanned = _scan(project, modules, store, classes, result)
        recalled = scanned, _sorted(result.findings), tuple(store.loaded())
        state = store.state()
    scanned, findings, loaded = recalled
    faults = store.check(loaded)
    if not store.moved and (store.entries != cache.entries or cache.result[0] != state):
        cache.keep(store.entries, (state, encoding.dumps(recalled)))
    known = "" if store.moved else state
    done = replace(scanned, files_scanned=len(found.files), files_parsed=store.parsed(), state=known)
    return done, _sorted([*_unlisted(found), *faults, *findings])


def _recalled(cache: Cache, state: str) -> _Result | None:
    """What the last scan returned, if nothing has changed that it depended on."""
    if cache.result[0] != state:
        return None
    try:
        known = encoding.loads(cache.result[1])
    except ValueError:
        return None
    return cast("_Result", known) if isinstance(known, tuple) else None


def _resolve(store: Store, modules: Modules) -> tuple[Classes, Found]:
    relevant = store.relevant()
    evaluator = Evaluator(Lookup(modules, store.facts, store.whole))
    annotations = Annotations(evaluator)
    classes = Classes(annotations)
    found = Found()
    attacher = Attacher(evaluator, Signatures(annotations, classes), found)
    done: set[str] = set()
    while True:
        # Resolving reads more files, and those may declare and attach as well.
        todo = sorted({*relevant, *store.loaded()} - done) or sorted(_through_aliases(store, evaluator, done) - done)
        if not todo:
            return classes, found
        for file in todo:
            done.add(file)
            _file(file, store, attacher)


def _through_aliases(store: Store, evaluator: Evaluator, done: set[str]) -> set[str]:
    """The files that may use `make = worker.event` or `attach = event.on` of others, and so hold no word of ours."""
    aliases: dict[str, list[str]] = {}
    for file in sorted(done):
        known = store.facts(file)
        for binding in known.scopes[0].bindings if known else ():
            value = binding.what.value if isinstance(binding.what, facts.Assigned) else None
            if isinstance(value, facts.Attr) and value.attr in {"event", "on"}:
                spot = Spot(file, 0, binding.line, binding.arms)
                if isinstance(evaluator.value(value, spot), values.Method):
                    aliases.setdefault(file, []).append(binding.name)
    return set(store.users_of(aliases)) if aliases else set()


def _file(file: str, store: Store, attacher: Attacher) -> None:
    known = store.facts(file)
    if known is None:
        return
    for site in known.sites:
        spot = Spot(file, site.scope, site.call.line, site.arms)
        declare(attacher.evaluator, attacher.found, site, spot)
        attacher.called(site.call, spot, site.arms, known)
    attacher.decorated(known, file)


def _scan(project: Project, modules: Modules, store: Store, classes: Classes, found: Found) -> Scan:
    # An event whose name is not allowed counts as absent, and its handlers with it.
    allowed = [handler for handler in found.handlers if is_name(handler.event)]
    handlers = tuple(sorted(allowed, key=lambda each: (each.place, each.event, each.name)))
    declarations = tuple(sorted(dict.fromkeys(found.declarations), key=lambda each: each.place))
    used = {
        cls.module
        for handler in handlers
        for written in [*[each.type for each in handler.parameters], handler.extras]
        if written is not None
        for cls in classes_in(written)
    }
    used |= {key.partition(":")[0] for key in classes.known}
    return Scan(
        declarations,
        handlers,
        frozenset(found.refused),
        dict(sorted(classes.known.items())),
        {root: frozenset(each for each in used if _can_import(modules, root, each)) for root in project.roots},
        ignores=store.ignores(),
        shared={name: modules.name_of(file) for file, name in sorted(modules.shared.items()) if name in used},
    )


def _can_import(modules: Modules, root: str, module: str) -> bool:
    source = modules.named(module)
    if not isinstance(source, ModuleRef) or source.file is None:
        return True
    if source.file in modules.shared:
        return modules.root_of(source.file) == root
    return not root or source.file.startswith(f"{root}/")


def _unlisted(found: Discovery) -> list[Finding]:
    return [messages.unreadable(Place(folder.rstrip("/") or ".", 1, 1), reason) for folder, reason in found.unreadable]


def _sorted(findings: list[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(dict.fromkeys(findings), key=lambda each: (each.place, each.code, each.message)))
