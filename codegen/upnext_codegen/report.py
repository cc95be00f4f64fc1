"""What one run of `upnext gen` found and did: the single record behind every output format."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from upnext_codegen.contract import Contract
from upnext_codegen.findings import Finding, is_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from upnext_codegen.fixes.fix import Fix


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of a run.

    Attributes:
        findings: What is reported, sorted; those that were silenced, or are outside of PATH, are left out.
        contract: All events of the project.
        checked: Whether the files were only compared.
        files: The generated files, relative to the project root.
        changed: Those of them that were written.
        removed: Generated files that were left from an earlier layout, and are gone.
        stale: Whether they are not what the sources give, also where the finding that says so is silenced.
        diffs: With `--check`, how stale files differ, ready to print.
        files_scanned: How many source files were looked at.
        files_parsed: How many of them had to be parsed for what they define; a look at the syntax alone does not count.
        sends: How many calls send an event or submit a task.
        counts: What was counted instead of events and handlers, by its noun.
        fixes: The fixes of findings that have one, where the format of the report shows them.
        notes: What else the user should know, a sentence each.
    """

    findings: tuple[Finding, ...]
    contract: Contract
    checked: bool
    files: tuple[str, ...]
    changed: tuple[str, ...] = ()
    stale: bool = False
    diffs: tuple[str, ...] = ()
    files_scanned: int = 0
    files_parsed: int = 0
    sends: int = 0
    notes: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    fixes: Mapping[Finding, Fix] = field(default_factory=dict["Finding", "Fix"])

    @property
    def failed(self) -> bool:
        """Whether any finding is an error."""
        return any(is_error(finding) for finding in self.findings)
