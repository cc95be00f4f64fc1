"""One run: merge what was scanned, compare with what is on the disk, write what changed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from upnext_codegen.catalog.writer import Outcome, inside
from upnext_codegen.contract import Contract
from upnext_codegen.errors import ConfigurationError
from upnext_codegen.files.stamp import remember, stamp, standing
from upnext_codegen.findings import Finding, in_order
from upnext_codegen.garbage import uncollected
from upnext_codegen.merging.contracts import contracts
from upnext_codegen.project import Project
from upnext_codegen.records import Scan
from upnext_codegen.report import Report
from upnext_codegen.silence import unsilenced, within


@uncollected()
def generate(
    project: Project,
    scan: Scan,
    found: Iterable[Finding],
    *,
    check: bool = False,
    command: str = "upnext gen",
    out: Path | None = None,
    paths: Iterable[str] = (),
    earlier: Contract | None = None,
) -> Report:
    """Bring the generated files of a project up to date, or tell whether they are.

    Args:
        project: The project.
        scan: What was read from its sources.
        found: What reading them reported.
        check: Compare only, and report UPN301 for what would be written.
        command: What a user runs to write the files, for the help of UPN301 and UPN302.
        out: Folder of the stub, instead of the project's setting.
        paths: What the report is narrowed to, relative to the project root; never what the contracts are made of.
        earlier: A contract that senders and queued jobs may still have, to report what breaks them (UPN401, UPN402).

    Raises:
        ConfigurationError: If the files cannot be written where they are wanted; nothing has been written then.
    """
    found = tuple(found)
    made_from = None if out else stamp(project, scan, found)
    contract, disagreements = contracts(scan, extra=project.settings.extra)
    everything = (*found, *disagreements)
    found = unsilenced(everything, project.root, project.settings.ignore, scan.ignores)
    outcome = _outcome(project, scan, contract, found, check=check, command=command, out=out, made_from=made_from)
    about = unsilenced(
        (*outcome.findings, *_broken(earlier, scan, everything)), project.root, project.settings.ignore, scan.ignores
    )
    return Report(
        findings=in_order(within((*found, *about), tuple(paths))),
        contract=contract,
        checked=check,
        files=outcome.files,
        changed=outcome.changed,
        stale=bool(outcome.findings),
        diffs=outcome.diffs,
        files_scanned=scan.files_scanned,
        files_parsed=scan.files_parsed,
    )


def _outcome(
    project: Project,
    scan: Scan,
    contract: Contract,
    findings: Iterable[Finding],
    *,
    check: bool,
    command: str,
    out: Path | None,
    made_from: str | None,
) -> Outcome:
    files = standing(project.root, made_from)
    if files:
        return Outcome(files)
    # Rendering, and jinja2 with it, takes longer than all of the rest: only where something has changed.
    from upnext_codegen.catalog.outputs import compare, keep, plan  # noqa: PLC0415

    folders = stub_folders(project, out)
    importable = {folder: scan.importable[root] for folder, root in folders.items() if root in scan.importable}
    outputs = plan(contract, project.root, folders, importable, findings, shared=scan.shared)
    if check:
        return compare(outputs, project.root, command)
    outcome = keep(outputs, project.root, command)
    if not outcome.findings:
        texts = [output.text for output in outputs]
        remember(project.root, made_from, dict(zip(outcome.files, texts, strict=True)))
    return outcome


def _broken(earlier: Contract | None, scan: Scan, found: Iterable[Finding]) -> Iterable[Finding]:
    if earlier is None:
        return ()
    from upnext_codegen.changes.compare import breaking  # noqa: PLC0415 - few runs ask for it

    return breaking(earlier, scan, complete=all(finding.code != "UPN001" for finding in found))


def stub_folders(project: Project, out: Path | None = None) -> dict[Path, str]:
    """Return where stubs go, each with the import root that it is for.

    Args:
        project: The project.
        out: Folder of the stub, instead of the project's setting; whoever gives it may mean one outside of the project.

    Raises:
        ConfigurationError: If one folder is wanted for several import roots, or the setting leads out of the project.
    """
    wanted = out or (None if project.settings.out is None else project.root / project.settings.out)
    if wanted is None:
        return {project.root / root: root for root in project.roots}
    if len(project.roots) > 1:
        raise ConfigurationError(
            f"One folder for the stub, {wanted}, but {len(project.roots)} import roots in src of [tool.upnext]: "
            "each needs its own, so leave out the folder."
        )
    folder = inside(wanted, project.root) if out is None else out
    return dict(zip((folder,), project.roots, strict=True))
