"""Configuration that runs `upnext gen --check` for the whole team: pre-commit and GitHub Actions."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from upnext import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from upnext.project_settings.proposal import Proposal

_OTHERS = (".gitlab-ci.yml", "azure-pipelines.yml", "bitbucket-pipelines.yml", ".circleci", "Jenkinsfile")
_RUNS = re.compile(r"^[^#\n]*\bupnext gen\b", re.MULTILINE)
_HOOK = """\
- repo: local
  hooks:
    - id: upnext
      name: upnext gen
      entry: {command}
      language: system
      types: [python]
      pass_filenames: false
"""
_WORKFLOW = """\
name: upnext
on: [push, pull_request]
permissions:
  contents: read
jobs:
  catalog:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.13"
      # The version that the project uses: another one may write different files.
      - run: pip install 'upnext[gen]=={version}'
      - run: {command} --format github
"""


def propose_pre_commit(proposal: Proposal, root: Path) -> None:
    """Have pre-commit check that the catalog is fresh."""
    top = _top(root)
    path = top / ".pre-commit-config.yaml"
    file = proposal.file(path)
    changed = with_hook(file.text, _HOOK.format(command=_command(root, top)))
    if changed is None:
        proposal.by_hand.append(f"{path.name}: add a local hook that runs `{_command(root, top)}`.")
    else:
        file.text = changed


def propose_workflow(proposal: Proposal, root: Path) -> None:
    """Have GitHub Actions check it, unless a workflow does, or the project uses another service."""
    top = _top(root)
    folder = top / ".github" / "workflows"
    command = _command(root, top)
    found = [path for path in (*folder.glob("*.yml"), *folder.glob("*.yaml")) if path.is_file()]
    if any(_RUNS.search(path.read_text(encoding="utf-8", errors="replace")) for path in found):
        return
    other = next((name for name in _OTHERS if (top / name).exists()), None)
    if other is not None and not (top / ".github").is_dir():
        proposal.by_hand.append(f"{other}: add a step that runs `{command}`.")
        return
    path = folder / "upnext.yml"
    if path.exists():
        proposal.by_hand.append(f".github/workflows/{path.name} exists: add a step that runs `{command}`.")
        return
    proposal.file(path).text = _WORKFLOW.format(version=__version__, command=command)


def with_hook(text: str, hook: str) -> str | None:
    """Return pre-commit's settings with a hook at the end of their repositories.

    Returns:
        The settings, themselves if a hook runs `upnext gen`; None if this cannot extend the form they are written in.
    """
    if _RUNS.search(text):
        return text
    if not text.strip():
        return f"repos:\n{_indented(hook, '  ')}"
    text = re.sub(r"^repos:[ \t]*\[[ \t]*\][ \t]*$", "repos:", text, flags=re.MULTILINE)
    heads = re.findall(r"^repos:.*$", text, re.MULTILINE)
    if len(heads) != 1 or not re.fullmatch(r"repos:[ \t]*(#.*)?", heads[0]) or "\t" in text:
        return None
    lines = text.splitlines()
    start = lines.index(heads[0]) + 1
    end = next((n for n in range(start, len(lines)) if re.match(r"[^\s#-]|---|\.\.\.", lines[n])), len(lines))
    items = [match[1] for line in lines[start:end] if (match := re.match(r"( *)-( |$)", line))]
    indent = items[0] if items else "  "
    # Lines of a block of text may begin with # as well, but are indented more than the items.
    while end > start and re.fullmatch(rf" {{0,{len(indent)}}}(#.*)?|\s*", lines[end - 1]):
        end -= 1
    added = _indented(hook, indent).splitlines()
    return "\n".join([*lines[:end], *added, *lines[end:]]) + "\n"


def _indented(block: str, indent: str) -> str:
    return "".join(f"{indent}{line}" for line in block.splitlines(keepends=True))


def _top(root: Path) -> Path:
    """Return the folder of the git repository that a project is in; its own without one."""
    return next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)


def _command(root: Path, top: Path) -> str:
    where = root.relative_to(top).as_posix()
    return "upnext gen --check" if where == "." else f"upnext gen --check {shlex.quote(where)}"
