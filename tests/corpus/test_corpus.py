"""Small projects, seen from the outside: what `upnext gen` says of each, and what contracts it makes of it."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.corpus import casefile, compact
from tests.corpus.casefile import CASES, Case
from upnext.cli import main

NAMES = casefile.names()
_FINDING = re.compile(r"^\S.*: (error|warning)\[UPN\d{3}\]: ")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an empty project that is the current folder."""
    root = tmp_path / "project"
    root.mkdir()
    monkeypatch.chdir(root)
    return root


@pytest.mark.parametrize("name", NAMES)
def test_a_project_gives_exactly_these_findings_and_contracts_and_the_same_again_without_the_cache(
    name: str, project: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    case = casefile.read(name)
    if case.xfail:
        request.applymarker(pytest.mark.xfail(reason=case.xfail, strict=True))
    casefile.build(case, project)
    said = _said(case, project, capsys)
    if request.config.getoption("--update", default=False):
        (CASES / f"{name}.case").write_text(casefile.written(replace(case, expected=said)), encoding="utf-8")
        return
    assert said == case.expected
    if said.get("catalog"):
        main(["gen", "--check", "--no-cache", *case.run])
        assert _findings(capsys.readouterr().out) == said["findings"]


def test_every_case_is_written_in_the_form_that_it_is_read_in() -> None:
    texts = {name: (CASES / f"{name}.case").read_text(encoding="utf-8") for name in NAMES}
    assert {name: casefile.written(casefile.parse(text)) for name, text in texts.items()} == texts


def test_the_command_says_the_same_in_a_process_of_its_own(project: Path) -> None:
    case = casefile.read("merge/closed-rejects-required")
    casefile.build(case, project)
    done = subprocess.run(
        [sys.executable, "-m", "upnext", "gen"], check=False, capture_output=True, encoding="utf-8", cwd=project
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert _findings(done.stdout) == case.expected["findings"]
    assert compact.of_lock(project / "upnext.lock") == case.expected["catalog"]


def test_folders_that_cannot_be_are_refused_before_anything_is_read_or_kept(project: Path) -> None:
    casefile.build(casefile.read("command/out-of-several-roots"), project)
    before = sorted(project.rglob("*"))
    assert main(["gen", "--out", "stubs"]) == 2
    assert sorted(project.rglob("*")) == before


def _said(case: Case, root: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """Run the command, and return what the sections of the case should hold."""
    before = _on_disk(root)
    code = main(["gen", *case.run])
    printed = capsys.readouterr()
    if code == 2:
        assert printed.out == ""
        assert _on_disk(root) == before
        return {"stderr": printed.err.replace(str(root), "PROJECT")}
    findings = _findings(printed.out)
    assert printed.err == ""
    assert code == int(": error[UPN" in findings)
    said = {"findings": findings, "catalog": compact.of_lock(root / "upnext.lock")}
    for stub in sorted(root.rglob("upnext_catalog.pyi")):
        if stub in before:
            assert "--check" in case.run or stub.read_bytes() == before[stub]
            continue
        sends, folder = compact.of_stub(stub), stub.parent.relative_to(root).as_posix()
        if sends != _sends(said["catalog"]) or any(title.startswith("stub ") for title in case.expected):
            said[f"stub {folder}"] = sends
    return said


def _on_disk(root: Path) -> dict[Path, bytes]:
    """Return what the project holds, without what is known of it for the next run."""
    files = [path for path in root.rglob("*") if path.is_file() and ".upnext" not in path.relative_to(root).parts]
    return {path: path.read_bytes() for path in files}


def _findings(report: str) -> str:
    """Return the lines of a text report that are findings: neither the table nor the last lines."""
    blocks = [block for block in report.split("\n\n") if _FINDING.match(block)]
    return "".join(f"{block.rstrip()}\n" for block in blocks)


def _sends(catalog: str) -> str:
    """Return what the stub should hold for the contracts of a lock."""
    lines = [line.rpartition(" <- ")[0] for line in catalog.splitlines() if " <- " in line]
    return "".join(f"{line}\n" for line in lines)
