"""What is skipped because it cannot matter does not matter: with and without the prefilter the same is found."""

from __future__ import annotations

from pathlib import Path

from hypothesis import Phase, given, settings

from tests.corpus import casefile
from tests.corpus.random_projects import projects
from upnext_codegen.errors import ConfigurationError
from upnext_codegen.project import Project, load_project
from upnext_codegen.scan import scan


def found(project: Project, *, prefilter: bool) -> tuple[object, ...]:
    """Say what a scan of a project finds.

    Findings are left out: without the prefilter each `.on` of a project may be one of upnext, so that UPN002 is said
    also where nothing of upnext can be.
    """
    scanned, _ = scan(project, use_cache=False, prefilter=prefilter)
    return (scanned.declarations, scanned.handlers, scanned.sends, scanned.tasks, scanned.classes, scanned.refused)


def test_of_every_case_the_same_is_found_without_the_prefilter(tmp_path: Path) -> None:
    compared = 0
    for number, name in enumerate(casefile.names()):
        case = casefile.read(name)
        folder = tmp_path / str(number)
        folder.mkdir()
        casefile.build(case, folder)
        try:
            project = load_project(folder)
        except ConfigurationError:
            continue
        assert found(project, prefilter=True) == found(project, prefilter=False), name
        compared += 1
    assert compared > 300


def test_of_random_projects_the_same_is_found_without_the_prefilter(tmp_path: Path) -> None:
    folders: list[Path] = []

    @settings(max_examples=40, derandomize=True, database=None, phases=[Phase.generate])
    @given(projects())
    def compare(case: casefile.Case) -> None:
        folder = tmp_path / str(len(folders))
        folders.append(folder)
        folder.mkdir()
        casefile.build(case, folder)
        project = load_project(folder)
        assert found(project, prefilter=True) == found(project, prefilter=False)

    compare()
    assert len(folders) > 20
