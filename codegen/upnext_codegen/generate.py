"""One run of `gen`: merge what was scanned, compare with the files on disk, write what changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from upnext_codegen.catalog.places import left_over, targets
from upnext_codegen.catalog.writer import Outcome
from upnext_codegen.contract import Contract
from upnext_codegen.files.up_to_date import remember, stamp, standing
from upnext_codegen.findings import Finding, in_order
from upnext_codegen.garbage import uncollected
from upnext_codegen.graph.findings import graph_findings
from upnext_codegen.layout.probing import exists
from upnext_codegen.merging.contracts import contracts
from upnext_codegen.no_project import is_none
from upnext_codegen.owners import naming_owners, with_owners
from upnext_codegen.project import IMPORTS_LOCK, Project
from upnext_codegen.records import Scan
from upnext_codegen.report import Report
from upnext_codegen.silence import unsilenced, within
from upnext_codegen.typed_dict_versions import refused_typed_dicts
from upnext_codegen.unsendable_parts import unsendable_parts

if TYPE_CHECKING:
    from upnext_codegen.deployed.snapshot import DeployedState
    from upnext_codegen.pulled.freshness import Current
    from upnext_codegen.pulled.imports_lock import Pulled


@uncollected()
def generate(
    project: Project,
    scan: Scan,
    found: Iterable[Finding],
    *,
    check: bool = False,
    command: str = "upnext gen",
    out: Path | None = None,
    tidy: bool = True,
    paths: Iterable[str] = (),
    earlier: Sequence[Contract | DeployedState] = (),
    sources: Current | None = None,
) -> Report:
    """Bring the generated files of a project up to date, or check whether they are.

    Args:
        project: The project.
        scan: What was read from its sources.
        found: What reading them reported.
        check: Compare only, and report UPN301 for what would be written.
        command: What a user runs to write the files, for the help of UPN301 and UPN302.
        out: Folder of the stub, instead of the project's setting.
        tidy: Whether generated files that are left from an earlier layout are removed.
        paths: What the report is narrowed to, relative to the project root; never what the contracts are made of.
        earlier: Contracts of earlier states, and what is deployed, to report what breaks senders and jobs (UPN4xx).
        sources: What the sources of pulled contracts have now, to report which are out of date (UPN44x).

    Raises:
        ConfigurationError: If the files cannot be written where they are wanted; nothing has been written then.
    """
    found = tuple(found)
    ignore, made_from = project.settings.ignore, None if out else stamp(project, scan, found)
    merged = _merged(project, scan)
    everything = naming_owners((*found, *merged.findings), merged.contract)
    found = unsilenced(everything, project.root, ignore, scan.ignores)
    outcome = _outcome(project, merged, found, check=check, command=command, out=out, made_from=made_from, tidy=tidy)
    about = (*outcome.findings, *_about(project, scan, merged, everything, earlier=earlier, sources=sources or {}))
    return Report(
        findings=in_order(within((*found, *unsilenced(about, project.root, ignore, scan.ignores)), tuple(paths))),
        contract=merged.contract,
        checked=check,
        files=outcome.files,
        changed=outcome.changed,
        removed=outcome.removed,
        stale=bool(outcome.findings),
        diffs=outcome.diffs,
        files_scanned=scan.files_scanned,
        files_parsed=scan.files_parsed,
        sends=len(scan.sends),
    )


class _Merged(NamedTuple):
    """The result of merging handlers.

    Attributes:
        scan: The sources, with the handlers of other projects that were pulled.
        contract: The contracts of all of them.
        own: Those of the handlers in the sources, which the lock holds.
        findings: What they disagree on.
        pulled: What was pulled of other projects.
    """

    scan: Scan
    contract: Contract
    own: Contract
    findings: tuple[Finding, ...]
    pulled: tuple[Pulled, ...] = ()


def _merged(project: Project, scan: Scan) -> _Merged:
    extra, owner = project.settings.extra, project.settings.owner
    own, findings = contracts(scan, extra=extra)
    wrong = (*_wrong_upcasters(scan), *refused_typed_dicts(project, scan), *unsendable_parts(scan))
    own = with_owners(own, owner, {})
    if not exists(project.root / IMPORTS_LOCK):
        return _Merged(scan, own, own, (*findings, *wrong))
    from upnext_codegen.pulled.imports_lock import read  # noqa: PLC0415 - few projects have any
    from upnext_codegen.pulled.merged import with_others  # noqa: PLC0415

    pulled = read(project.root)
    both = with_others(project, scan, pulled)
    contract, findings = contracts(both.scan, extra=extra, closed=both.closed, elsewhere=both.events)
    contract = with_owners(contract, owner, both.owners)
    return _Merged(both.scan, contract, own, (*findings, *wrong), pulled)


def _wrong_upcasters(scan: Scan) -> Iterator[Finding]:
    if scan.upcasters:
        from upnext_codegen.changes.upcasters import upcaster_findings  # noqa: PLC0415 - few projects have any

        yield from upcaster_findings(scan)


def _about(
    project: Project,
    scan: Scan,
    merged: _Merged,
    found: Sequence[Finding],
    *,
    earlier: Sequence[Contract | DeployedState],
    sources: Current,
) -> tuple[Finding, ...]:
    """Return the findings about the graph, earlier states, and other projects."""
    contract = merged.contract
    more = [*_broken(earlier, project, scan, contract, found)]
    if merged.pulled and sources:
        from upnext_codegen.pulled.freshness import freshness  # noqa: PLC0415 - few projects have any

        more += freshness(project, scan, merged.pulled, sources)
    handled = {each.name for each in contract.events if each.receivers}
    return naming_owners((*more, *graph_findings(scan, project.settings, found, handled)), contract)


def _outcome(
    project: Project,
    merged: _Merged,
    findings: Iterable[Finding],
    *,
    check: bool,
    command: str,
    out: Path | None,
    made_from: str | None,
    tidy: bool,
) -> Outcome:
    if is_none(project, merged.scan):
        return Outcome(())
    files = standing(project.root, made_from)
    if files:
        return Outcome(files)
    # Rendering, including jinja2, takes longer than everything else: only if something has changed.
    from upnext_codegen.catalog.outputs import compare, keep, plan  # noqa: PLC0415

    scan = merged.scan
    left = left_over(project, scan.generated, out)
    outputs = plan(
        merged.contract,
        project.root,
        targets(project, out),
        scan.importable,
        findings,
        shared=scan.shared,
        locked=merged.own,
    )
    if check:
        return compare(outputs, project.root, command, left)
    outcome = keep(outputs, project.root, command, left if tidy else ())
    if not outcome.findings and not (left and not tidy):
        texts = [output.text for output in outputs]
        remember(project.root, made_from, dict(zip(outcome.files, texts, strict=True)))
    return outcome


def _broken(
    earlier: Sequence[Contract | DeployedState],
    project: Project,
    scan: Scan,
    contract: Contract,
    found: Iterable[Finding],
) -> Iterator[Finding]:
    complete = all(finding.code != "UPN001" for finding in found)
    for each in earlier:
        # Few runs need either.
        if isinstance(each, Contract):
            from upnext_codegen.changes.compare import breaking  # noqa: PLC0415

            yield from breaking(each, scan, complete=complete)
        else:
            from upnext_codegen.deployed.rollout import Rollout  # noqa: PLC0415

            yield from Rollout.of(each, scan, contract, project.has_module, complete=complete).findings()
