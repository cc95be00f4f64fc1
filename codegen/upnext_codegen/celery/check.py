"""One run of `upnext celery`: what is wrong with a project's tasks and their calls."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from upnext_codegen.celery.findings import celery_findings
from upnext_codegen.celery.reader import read_celery
from upnext_codegen.contract import Contract
from upnext_codegen.findings import in_order
from upnext_codegen.report import Report
from upnext_codegen.silence import unsilenced, within

if TYPE_CHECKING:
    from upnext_codegen.celery.records import CeleryScan
    from upnext_codegen.project import Project


class Checked(NamedTuple):
    """The outcome of a run: what was read, and the report."""

    scan: CeleryScan
    report: Report


def check(project: Project, paths: Iterable[str] = ()) -> Checked:
    """Check the calls of Celery tasks.

    Args:
        project: The project.
        paths: What the report is narrowed to, relative to the project root; tasks are always looked for in all of it.
    """
    scan, unreadable, comments = read_celery(project)
    found = in_order((*unreadable, *celery_findings(scan)))
    reported = within(unsilenced(found, project.root, project.settings.ignore, comments), tuple(paths))
    report = Report(
        reported,
        Contract(),
        checked=True,
        files=(),
        files_scanned=scan.files,
        files_parsed=len(scan.read),
        counts={"task": len(scan.tasks), "call": len(scan.calls)},
    )
    return Checked(scan, report)
