"""One run of `upnext celery`: the findings about a project's tasks and calls, and the file that types them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from upnext_codegen.catalog.outputs import compare, keep
from upnext_codegen.catalog.places import stubs
from upnext_codegen.catalog.writer import Outcome, Output
from upnext_codegen.celery.findings import celery_findings
from upnext_codegen.celery.reader import read_celery
from upnext_codegen.celery.stub import render
from upnext_codegen.contract import Contract
from upnext_codegen.files.generated import CELERY_STUB
from upnext_codegen.findings import in_order
from upnext_codegen.report import Report
from upnext_codegen.silence import unsilenced, within

if TYPE_CHECKING:
    from upnext_codegen.celery.records import CeleryTask
    from upnext_codegen.project import Project

_COMMAND = "upnext celery gen"
_MOST_NAMED = 10


def check(project: Project, paths: Iterable[str] = (), *, write: bool = False) -> Report:
    """Check the calls of Celery tasks, and the file that types them if the project uses it.

    Args:
        project: The project.
        paths: What the report is narrowed to, relative to the project root; tasks are always looked for in all of it.
        write: Whether that file is written, whether or not the project makes use of it.

    Raises:
        ConfigurationError: If it cannot be written where it is wanted.
    """
    targets = stubs(project, CELERY_STUB)
    scan, unreadable, comments = read_celery(project)
    text = render(scan.tasks) if write or scan.wants_types else ""
    outcome = _outcome(project, tuple(Output(each.path, text) for each in targets) if text else (), write=write)
    found = in_order((*unreadable, *celery_findings(scan), *outcome.findings))
    return Report(
        within(unsilenced(found, project.root, project.settings.ignore, comments), tuple(paths)),
        Contract(),
        checked=True,
        files=outcome.files,
        changed=outcome.changed,
        stale=bool(outcome.findings),
        diffs=outcome.diffs,
        files_scanned=scan.files,
        files_parsed=len(scan.read),
        counts={"task": len(scan.tasks), "call": len(scan.calls)},
        notes=_unchecked(scan.tasks),
    )


def _unchecked(tasks: Iterable[CeleryTask]) -> tuple[str, ...]:
    """Say for which tasks the parameters are unknown, so that their calls do not pass for checked."""
    names = [f"{each.function} ({each.place.file}:{each.place.line})" for each in tasks if each.signature is None]
    if not names:
        return ()
    shown = ", ".join(names[:_MOST_NAMED]) + (f" and {len(names) - _MOST_NAMED} more" if names[_MOST_NAMED:] else "")
    return (f"calls of these tasks are not checked, as a decorator may change what they take: {shown}",)


def _outcome(project: Project, outputs: tuple[Output, ...], *, write: bool) -> Outcome:
    if write:
        return keep(outputs, project.root, _COMMAND)
    return compare(outputs, project.root, _COMMAND) if outputs else Outcome(())
