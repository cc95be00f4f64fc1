"""`upnext init`: what it adds to a project that exists, and what it leaves alone."""

from __future__ import annotations

import configparser
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.cli.projects import Shell
from upnext.cli import main
from upnext.project_settings import automation, ini_text, toml_text

WORKFLOW = ".github/workflows/upnext.yml"
HOOKS = ".pre-commit-config.yaml"
ON_TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"


def everything(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def init(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(["init", *words])
    return code, *capsys.readouterr()


def test_it_shows_a_diff_and_writes_nothing_unless_it_is_told_to(
    shop: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where nobody can be asked; what it writes then is what it showed, and a second time there is nothing to add."""
    before = everything(shop.root)
    code, shown, said = init(capsys)
    assert (code, said) == (0, "Nothing was written; --write does it.\n")
    assert everything(shop.root) == before
    assert [line for line in shown.splitlines() if line.startswith("+++")] == [
        f"+++ b/{name}" for name in (WORKFLOW, HOOKS, "pyproject.toml")
    ]
    assert init(capsys, "--write") == (
        0,
        f"{shown}Wrote {WORKFLOW}, {HOOKS}, pyproject.toml. Next: `upnext gen`.\n",
        "",
    )
    written = everything(shop.root)
    assert init(capsys, "--write") == (0, "Nothing to add.\n", "")
    assert everything(shop.root) == written


def test_what_it_writes_is_what_the_tools_read(shop: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    """And what `upnext gen` is run with can be read by it."""
    assert init(capsys, "--write")[0] == 0
    tools = tomllib.loads((shop.root / "pyproject.toml").read_text())["tool"]
    assert tools == {"mypy": {"plugins": ["upnext_mypy"]}, "pyright": {"extraPaths": ["."]}}
    (repository,) = yaml.safe_load((shop.root / HOOKS).read_text())["repos"]
    assert repository["hooks"][0]["entry"] == "upnext gen --check"
    steps = yaml.safe_load((shop.root / WORKFLOW).read_text())["jobs"]["catalog"]["steps"]
    assert steps[-1] == {"run": "upnext gen --check --format github"}
    assert main(["gen"]) == 0
    assert main(steps[-1]["run"].split()[1:]) == 0


def test_a_project_inside_a_repository_has_its_hook_and_workflow_at_the_top(
    shop: Shell, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They name the project's folder."""
    (shop.root.parent / ".git").mkdir()
    assert init(capsys, "--write")[0] == 0
    assert "entry: upnext gen --check project\n" in (shop.root.parent / HOOKS).read_text()
    assert "upnext gen --check project --format github" in (shop.root.parent / WORKFLOW).read_text()
    assert main(["gen"]) == 0
    monkeypatch.chdir(shop.root.parent)
    assert main(["gen", "--check", "project"]) == 0


@pytest.mark.parametrize(("answer", "wrote"), [("y", True), ("n", False), ("", False)])
def test_on_a_terminal_it_asks(empty: Shell, answer: str, *, wrote: bool) -> None:
    """No answer is no."""
    command = [sys.executable, "-c", ON_TERMINAL, sys.executable, "-m", "upnext", "init"]
    done = subprocess.run(command, input=f"{answer}\n", capture_output=True, text=True, check=False, cwd=empty.root)
    assert "Write 3 file(s)? [y/N]" in done.stdout
    assert done.returncode == 0
    assert (empty.root / HOOKS).exists() is wrote


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment\n",
        "[tool.mypy]\nstrict = true # strictly\n\n[tool.other]\na = 1\n",
        "[tool.mypy]",
        "[ tool . mypy ]  # spaced\n",
        '[tool.mypy]\nplugins = []\n[[tool.mypy.overrides]]\nmodule = "a"\n',
        '[tool.mypy]\nplugins = ["pydantic.mypy"]\n',
        '[tool.mypy]\nplugins = ["pydantic.mypy",]\nstrict = true\n',
        '[tool.mypy]\nplugins = [\n  "a",  # one ]\n  "b"  # two\n]\n',
        "[tool.mypy]\nplugins = [\n  # none yet\n]\n",
        '[[tool.mypy.overrides]]\nmodule = "a"\n',
        '[tool]\nother = 1\n[tool.mypy.sub]\nplugins = ["x"]\n',
        '[tool.x]\ntext = """\n[tool.mypy]\n"""\n[tool.mypy]\nwarn = true\n',
    ],
)
def test_a_list_in_toml_is_extended_and_nothing_else_changes(text: str) -> None:
    """Comments and other tables stay; twice is once. What cannot be told apart is left alone."""
    changed = toml_text.with_item(text, ("tool", "mypy"), "plugins", "upnext_mypy")
    if text.startswith("[tool.x]"):
        assert changed is None  # the header inside the text comes first
        return
    assert changed is not None
    before, after = tomllib.loads(text), tomllib.loads(changed)
    plugins = after["tool"]["mypy"].pop("plugins")
    earlier = before.setdefault("tool", {}).setdefault("mypy", {}).pop("plugins", [])
    assert (plugins, after) == ([*earlier, "upnext_mypy"], before)
    assert [line for line in text.splitlines() if "#" in line and line.partition("#")[2] not in changed] == []
    assert toml_text.with_item(changed, ("tool", "mypy"), "plugins", "upnext_mypy") == changed


@pytest.mark.parametrize(
    "text",
    [
        'tool = {mypy = {plugins = ["a"]}}\n',
        "[tool]\nmypy = {strict = true}\n",
        "tool.mypy.strict = true\n",
        '[tool.mypy]\nplugins = "a, b"\n',
        '["tool"."mypy"]\nstrict = true\n',
        "tool = 1\n",
    ],
)
def test_toml_in_another_form_is_left_alone(text: str, empty: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said what to add by hand, with exit code 1; the rest is written."""
    (empty.root / "pyproject.toml").write_text(text)
    code, _, said = init(capsys, "--write")
    if code == 2:
        assert "pyproject.toml" in said
        return
    assert code == 1
    assert 'upnext: By hand: pyproject.toml, [tool.mypy]: add "upnext_mypy" to plugins.\n' in said
    after = tomllib.loads((empty.root / "pyproject.toml").read_text())
    if isinstance(after["tool"], dict):
        after["tool"].pop("pyright", None)
    assert after == tomllib.loads(text)
    assert (empty.root / HOOKS).exists()


@pytest.mark.parametrize(
    "text",
    [
        "[mypy]\nstrict = True\n",
        "[metadata]\nname = x\n\n[mypy]\nplugins = a\n\n[mypy-x.*]\nignore_errors = True\n",
        "[mypy]\nplugins =\n    a,\n    b\nstrict = True\n",
        "[mypy]\nplugins = a, b,\n",
        "# nothing yet\n",
    ],
)
def test_a_list_in_ini_is_extended_and_nothing_else_changes(text: str) -> None:
    """As mypy reads it."""
    changed = ini_text.with_item(text, "mypy", "plugins", "upnext_mypy")
    assert changed is not None
    before, after = configparser.RawConfigParser(), configparser.RawConfigParser()
    before.read_string(text)
    after.read_string(changed)
    items = [each.strip() for each in after["mypy"].pop("plugins").split(",")]
    earlier = before["mypy"].pop("plugins", "") if before.has_section("mypy") else ""
    assert items == [*(each.strip() for each in earlier.split(",") if each.strip()), "upnext_mypy"]
    assert {name: dict(after[name]) for name in after.sections() if name != "mypy" or after[name]} == {
        name: dict(before[name]) for name in before.sections() if name != "mypy" or before[name]
    }
    assert ini_text.with_item(changed, "mypy", "plugins", "upnext_mypy") == changed


@pytest.mark.parametrize("name", ["mypy.ini", ".mypy.ini", "setup.cfg"])
def test_the_plugin_goes_where_mypy_reads_its_settings(
    name: str, empty: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    """pyproject.toml is left alone then."""
    (empty.root / name).write_text("[mypy]\nstrict = True\n")
    assert init(capsys, "--write")[0] == 0
    assert (empty.root / name).read_text() == "[mypy]\nplugins = upnext_mypy\nstrict = True\n"
    assert "mypy" not in (empty.root / "pyproject.toml").read_text()


HOOK = "- repo: local\n  hooks: [x]\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "repos: []\n",
        "repos:\n- repo: a\n  rev: 1\n",
        "stages: [a]\nrepos:  # all of them\n  - repo: a\n    hooks:\n      - id: b\n\n  # the end\nci:\n  skip: [b]\n",
        "---\nrepos:\n    - repo: a\n",
        "repos:\n-\n  repo: a\n  hooks:\n  - id: b\n",
        "repos:\n- repo: local\n  hooks:\n  - id: b\n    entry: |\n      a\n      # b\n\n# the end\n",
    ],
)
def test_a_hook_is_added_to_the_repositories(text: str) -> None:
    """At their end, indented as they are."""
    changed = automation.with_hook(text, HOOK)
    assert changed is not None
    before, after = yaml.safe_load(text) or {}, yaml.safe_load(changed)
    assert after == {**before, "repos": [*(before.get("repos") or []), {"repo": "local", "hooks": ["x"]}]}


@pytest.mark.parametrize(
    "text", ["repos: [{repo: a}]\n", "other: 1\n", "repos:\n\t- repo: a\n", "repos: &x\n  - repo: a\n"]
)
def test_hooks_in_another_form_are_left_alone(text: str) -> None:
    """It is done by hand."""
    assert automation.with_hook(text, HOOK) is None


def test_a_hook_and_a_workflow_that_run_upnext_gen_are_enough(empty: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever they are called."""
    empty.write({HOOKS: "repos:\n  - repo: local\n    hooks: [{id: x, entry: upnext gen --check}]\n"})
    empty.write({".github/workflows/ci.yaml": "on: push\njobs: {a: {steps: [{run: upnext gen --check}]}}\n"})
    assert init(capsys, "--write")[1].splitlines()[-1] == "Wrote pyproject.toml. Next: `upnext gen`."


def test_another_service_and_a_pyrightconfig_are_said(empty: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    """They are not edited."""
    empty.write({".gitlab-ci.yml": "a: 1\n", "pyrightconfig.json": "{}\n", "setup.cfg": "[mypy]\nplugins = a\n"})
    code, _, said = init(capsys, "--write")
    assert code == 1
    assert said.splitlines() == [
        'upnext: By hand: pyrightconfig.json: add ["."] to "extraPaths".',
        "upnext: By hand: .gitlab-ci.yml: add a step that runs `upnext gen --check`.",
    ]


def test_line_ends_and_permissions_stay(empty: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    """Also those of a file that a link leads to."""
    file = empty.root / "pyproject.toml"
    real = empty.root / "real.toml"
    file.unlink()
    real.write_bytes(b'[project]\r\nname = "x"\r\n')
    real.chmod(0o640)
    file.symlink_to(real)
    assert init(capsys, "--write")[0] == 0
    assert b"\r\n[tool.mypy]\r\n" in real.read_bytes()
    assert b"\n" not in real.read_bytes().replace(b"\r\n", b"")
    assert file.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("content", [b"[tool", b"\xff\xfe"], ids=["toml", "utf-8"])
def test_a_file_that_cannot_be_read_is_a_fault(
    content: bytes, empty: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is written then."""
    (empty.root / "pyproject.toml").write_bytes(content)
    code, out, said = init(capsys, "--write")
    assert (code, out) == (2, "")
    assert "pyproject.toml" in said
    assert set(everything(empty.root)) == {"pyproject.toml"}
