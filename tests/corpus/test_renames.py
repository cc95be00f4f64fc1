"""Every name in the corpus can be renamed and renamed back, which gives the sources byte for byte.

A run draws some of the cases by a seed, and some names of each; `make renames` tries all of them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.corpus import casefile
from upnext_codegen.errors import ConfigurationError
from upnext_codegen.files.discover import discover
from upnext_codegen.fixes.fix import write
from upnext_codegen.project import load_project
from upnext_codegen.renames.plan import ProjectSources, Rename
from upnext_codegen.renames.rename_event import rename_event
from upnext_codegen.renames.rename_field import rename_field
from upnext_codegen.renames.rename_handler import rename_handler
from upnext_codegen.scan import scan

_DRAWN = 6
_NAMES_DRAWN = 12
_SEED = 7
_ALWAYS = ("command/empty-brackets", "sees/worker-events", "types/unpack-with-context")
"""Cases whose way back was wrong or has to be refused."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    names = casefile.names()
    if not metafunc.config.getoption("--every-rename"):
        names = sorted({*random.Random(_SEED).sample(names, _DRAWN), *_ALWAYS})
    metafunc.parametrize("name", names)


def test_a_rename_and_the_same_back_is_the_identity(name: str, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    try:
        casefile.build(casefile.read(name), tmp_path)
        sources = _sources(tmp_path)
    except ConfigurationError:
        return  # a case of what cannot be run
    before = _contents(tmp_path)
    renames = list(_renames(sources))
    if len(renames) > _NAMES_DRAWN and not pytestconfig.getoption("--every-rename"):
        renames = random.Random(_SEED).sample(renames, _NAMES_DRAWN)
    for kind, of, old, new in renames:
        try:
            there = _renamed(sources, kind, of, old, new)
        except ConfigurationError:
            continue  # Such a name cannot be renamed; the next comparison holds that nothing was written.
        if there.blocked or not there.changed:
            continue
        write(tmp_path, there.changed)
        try:
            back = _renamed(_sources(tmp_path), kind, of, new, old)
        except ConfigurationError:
            assert there.undecided, (kind, of, old)  # The old name stands where only a person may change it.
            write(tmp_path, {file: (after, was) for file, (was, after) in there.changed.items()})
            continue
        assert back.blocked == (), (kind, of, old)
        write(tmp_path, back.changed)
        assert _contents(tmp_path) == before, (kind, of, old)


def _renames(sources: ProjectSources) -> Iterator[tuple[str, str, str, str]]:
    """Yield what is renamed: its kind, the event of a field, the old name and a new one."""
    scanned = sources.scan
    for event in sorted({each.event for each in scanned.declarations}):
        yield "event", "", event, f"{event}.renamed"
    fields = {(each.event, field.name) for each in scanned.handlers for field in each.parameters}
    for event, field in sorted(fields):
        yield "field", event, field, f"{field}_renamed"
    for module, function in sorted({(each.module, each.name) for each in (*scanned.handlers, *scanned.tasks)}):
        yield "handler", "", f"{module}.{function}", f"{function}_renamed"


def _renamed(sources: ProjectSources, kind: str, of: str, old: str, new: str) -> Rename:
    match kind:
        case "event":
            return rename_event(sources, old, new)
        case "field":
            return rename_field(sources, of, old, new)
        case _:
            module = (old if "." in old else new).rpartition(".")[0]
            return rename_handler(sources, old if "." in old else f"{module}.{old}", new.rpartition(".")[2])


def _sources(root: Path) -> ProjectSources:
    project = load_project(root)
    found = discover(project)
    scanned, _ = scan(project, use_cache=False, listing=lambda: found)
    return ProjectSources(project.root, project.roots, found, scanned)


def _contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*.py") if path.is_file()}
