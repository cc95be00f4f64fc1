"""Which files are scanned."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.codegen.reading import HEAD, read, write
from upnext_codegen.errors import ConfigurationError
from upnext_codegen.files.discover import discover
from upnext_codegen.layout.settings import Settings
from upnext_codegen.project import find_project, load_project


def found(root: Path, sources: dict[str, str]) -> list[str]:
    return [file.path for file in discover(load_project(write(root, sources))).files]


def test_tests_environments_and_build_folders_are_left_out(tmp_path: Path) -> None:
    left_out = ["tests/a.py", "a/tests/b.py", "test_a.py", "conftest.py", ".hidden/a.py", "env/pyvenv.cfg", "env/a.py"]
    left_out += ["node_modules/a.py", "build/a.py", "dist/a.py", "clone/.git/HEAD", "clone/a.py", "a/notes.txt"]
    assert found(tmp_path, dict.fromkeys([*left_out, "a/kept.py", "testing.py"], "")) == ["a/kept.py", "testing.py"]


def test_another_work_tree_inside_the_project_is_left_out_and_a_submodule_is_not(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        settings = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "protocol.file.allow=always")
        subprocess.run(["git", *settings, *arguments], cwd=tmp_path, check=True, capture_output=True)

    write(tmp_path, {"a.py": "", "other/b.py": ""})
    git("init", "-q", "other")
    git("-C", "other", "add", ".")
    git("-C", "other", "commit", "-qm", "b")
    git("init", "-q", ".")
    git("submodule", "add", "-q", "./other", "module")
    git("add", "a.py")
    git("commit", "-qm", "a")
    git("worktree", "add", "-q", "tree")
    assert found(tmp_path, {}) == ["a.py", "module/b.py"]


def test_gitignore_files_hold_for_their_own_folders_and_can_take_back(tmp_path: Path) -> None:
    sources = {
        ".gitignore": "# generated\nignored/\n*.gen.py\n!keep.gen.py\n/only_here.py\na/**/deep.py\n",
        "sub/.gitignore": "local.py\n",
    }
    names = ["ignored/a.py", "x.gen.py", "keep.gen.py", "only_here.py", "sub/only_here.py", "sub/local.py", "local.py"]
    names += ["a/b/c/deep.py", "a/deep.py", "deep.py", "sub/ignored/b.py"]
    expected = ["deep.py", "keep.gen.py", "local.py", "sub/only_here.py"]
    assert found(tmp_path, sources | dict.fromkeys(names, "")) == expected


def test_a_gitignore_above_the_project_root_holds_too(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("service/made/\n")
    assert found(tmp_path / "service", {"made/a.py": "", "kept.py": ""}) == ["kept.py"]


def test_exclude_takes_gitignore_patterns(tmp_path: Path) -> None:
    sources = {"pyproject.toml": '[tool.upnext]\nexclude = ["migrations/", "*_pb2.py"]\n'}
    names = ["a/migrations/b.py", "x_pb2.py", "kept.py"]
    assert found(tmp_path, sources | dict.fromkeys(names, "")) == ["kept.py"]


def test_each_real_file_counts_once_and_only_inside_the_root(tmp_path: Path) -> None:
    outside = tmp_path / "outside.py"
    outside.write_text(HEAD)
    root = write(tmp_path / "project", {"a.py": HEAD, "pkg/b.py": ""})
    (root / "link.py").symlink_to(root / "a.py")
    (root / "broken.py").symlink_to(root / "nowhere.py")
    (root / "loop.py").symlink_to(root / "loop.py")
    (root / "out.py").symlink_to(outside)
    (root / "again").symlink_to(root / "pkg")
    (root / "pkg" / "up").symlink_to(root)
    os.link(root / "a.py", root / "hard.py")
    os.mkfifo(root / "fifo.py")
    assert [file.path for file in discover(load_project(root)).files] == ["a.py", "pkg/b.py"]


def test_a_link_that_is_there_and_leads_nowhere_is_passed_over(tmp_path: Path) -> None:
    """As one does that vanishes while it is looked at, and that of a process which has ended and is still listed."""
    with subprocess.Popen(["true"]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        program = Path(f"/proc/{ended.pid}/exe")
        if not program.is_symlink():
            pytest.skip("there is no /proc here")
        root = write(tmp_path, {"a.py": HEAD})
        (root / "link.py").symlink_to(program)
        assert [file.path for file in discover(load_project(root)).files] == ["a.py"]


def test_a_module_can_be_imported_through_a_link(tmp_path: Path) -> None:
    handler = "from lib.events import placed\n@placed.on\ndef a(x: int): ...\n"
    root = write(tmp_path, {"shared/lib/events.py": HEAD, "src/app.py": handler})
    (root / "src" / "lib").symlink_to(root / "shared" / "lib")
    scanned, findings = read(root, {})
    assert [each.event for each in scanned.handlers] == ["order.placed"]
    assert findings == ()


@pytest.mark.parametrize("name", ["build", "dist", "venv", "tests"])
def test_a_package_inside_of_a_package_is_read_whatever_it_is_called(name: str, tmp_path: Path) -> None:
    """At the top such a folder is what tools and tests leave behind, in a package it is a package."""
    sources = {f"{name}/a.py": "", "shop/__init__.py": "", f"shop/{name}/__init__.py": "", f"shop/{name}/b.py": ""}
    sources |= {f"{name}/__init__.py": "", f"shop/sub/{name}/without_init.py": "", f"src2/{name}/__init__.txt": ""}
    assert found(tmp_path, sources) == ["shop/__init__.py", f"shop/{name}/__init__.py", f"shop/{name}/b.py"]


def test_what_a_build_leaves_beside_a_member_is_left_out(tmp_path: Path) -> None:
    """The top of each distribution of a workspace is a top."""
    sources = {"pyproject.toml": "[tool.uv.workspace]\nmembers = ['p']\n", "p/pyproject.toml": "", "p/shop/a.py": ""}
    sources |= {"p/build/__init__.py": "", "p/tests/__init__.py": "", "p/shop/dist/__init__.py": "", "p/dist/b.py": ""}
    assert found(tmp_path, sources) == ["p/shop/a.py", "p/shop/dist/__init__.py"]


def test_include_wins_over_what_is_left_out_by_default_and_exclude_over_include(tmp_path: Path) -> None:
    """Patterns as in .gitignore; one that names a way leads into folders that are left out."""
    settings = """[tool.upnext]
include = ["test_results.py", "/build/lib/*.py", "made/", "!made/old/", ".hidden/**/in.py", "node_modules/x/y.py"]
exclude = ["no.py"]
"""
    kept = ["shop/test_results.py", "build/lib/a.py", "made/b.py", "made/sub/test_c.py", ".hidden/d/e/in.py"]
    left = ["tests/test_results.py", "build/other.py", "build/lib/deep/a.py", "made/no.py", "made/old/d.py"]
    left += [".hidden/out.py", "node_modules/x/z.py", "x/build/lib/a.py"]
    sources = {"pyproject.toml": settings, ".gitignore": "made/\n", "x/pyproject.toml": ""}
    expected = sorted([*kept, "node_modules/x/y.py"])
    assert found(tmp_path, sources | dict.fromkeys([*kept, *left, "node_modules/x/y.py"], "")) == expected


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True)


def test_what_git_tracks_is_not_ignored(tmp_path: Path) -> None:
    """A package called `lib` gets into git in spite of the usual .gitignore, and is then part of the project."""
    sources = {".gitignore": "lib/\n/made.py\nother/\nnode_modules\n", "shop/lib/a.py": "", "shop/lib/new.py": ""}
    sources |= {"made.py": "", "other/b.py": "", "shop/lib/tests/c.py": "", "node_modules/d.py": "", "kept.py": ""}
    write(tmp_path / "project", sources)
    root = tmp_path / "project"
    git(tmp_path, "init", "-q", ".")
    git(root, "add", "-f", "shop/lib/a.py", "made.py", "shop/lib/tests/c.py", "node_modules/d.py")
    assert found(root, {}) == ["kept.py", "made.py", "shop/lib/a.py"]
    (root / "made.py").unlink()
    assert found(root, {}) == ["kept.py", "shop/lib/a.py"]


def test_asking_git_runs_nothing_that_the_repository_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clone may come from anybody."""
    root = write(tmp_path, {".gitignore": "lib/\n", "lib/a.py": "", "run.sh": "#!/bin/sh\ntouch ran\n"})
    (root / "run.sh").chmod(0o755)
    git(root, "init", "-q", ".")
    git(root, "add", "-f", ".")
    git(root, "config", "core.fsmonitor", str(root / "run.sh"))
    for name in ("core.sshCommand", "core.pager", "filter.x.clean", "filter.x.process", "alias.ls-files"):
        git(root, "config", name, f"!{root / 'run.sh'}" if name.startswith("alias") else str(root / "run.sh"))
    (root / ".gitattributes").write_text("* filter=x\n")
    assert found(root, {}) == ["lib/a.py"]
    # In a container it often belongs to another user, and would be read otherwise than on the machine around it.
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    assert found(root, {}) == ["lib/a.py"]
    assert not (root / "ran").exists()


def test_without_git_what_gitignore_says_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No git, or an index that it cannot read, is not a fault."""
    root = write(tmp_path, {".gitignore": "lib/\n", "lib/a.py": "", "b.py": ""})
    git(root, "init", "-q", ".")
    git(root, "add", "-f", ".")
    (root / ".git" / "index").write_bytes(b"nothing")
    assert found(root, {}) == ["b.py"]
    monkeypatch.setenv("PATH", "")
    assert found(root, {}) == ["b.py"]


def test_what_is_left_out_is_listed_with_the_reason(tmp_path: Path) -> None:
    """Nothing is left out in silence."""
    sources = {".gitignore": "made/\n", "pyproject.toml": "[tool.upnext]\nexclude = ['old.py']\n", "old.py": ""}
    sources |= {"env/pyvenv.cfg": "", "clone/.git/HEAD": "", "own/pyproject.toml": "[tool.upnext]", "test_a.py": ""}
    sources |= {"made/a.py": "", "tests/a.py": "", ".x/a.py": "", "a/__pycache__/b.py": "", "a/sub/.gitignore": "c.py"}
    root = write(tmp_path / "project", sources | {"a/sub/c.py": ""})
    (root / "out").symlink_to(tmp_path)
    assert dict(discover(load_project(root)).left_out) == {
        ".x/": "left out by default",
        "a/sub/c.py": "ignored by a/sub/.gitignore",
        "clone/": "another checkout",
        "env/": "a virtual environment",
        "made/": "ignored by .gitignore",
        "old.py": "named by exclude in [tool.upnext]",
        "out/": "a link that leads out of the project",
        "own/": "a project of its own",
        "test_a.py": "left out by default",
        "tests/": "left out by default",
    }


def test_the_project_root_is_the_nearest_folder_with_a_pyproject(tmp_path: Path) -> None:
    root = write(tmp_path, {"src/a/b.py": ""})
    assert find_project(root / "src" / "a").root == root.resolve()
    assert find_project(root).roots == ("src",)


def test_settings_that_are_no_table_are_refused(tmp_path: Path) -> None:
    for text in ("tool = 3\n", "tool.upnext = 3\n", "[[tool.upnext]]\n"):
        write(tmp_path, {"pyproject.toml": text})
        with pytest.raises(ConfigurationError, match=r"\[tool.upnext\] in pyproject.toml is not a table\."):
            load_project(tmp_path)


def test_src_with_an_init_is_a_package_not_a_root(tmp_path: Path) -> None:
    assert load_project(write(tmp_path, {"src/__init__.py": "", "src/a.py": ""})).roots == ("",)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("excludes = []", r"Unknown key 'excludes' in \[tool.upnext\]; the keys are src, exclude, include, out"),
        ("excludes = []\nfoo = 1", r"Unknown keys 'excludes', 'foo' in \[tool.upnext\]; the keys are src, exclude"),
        ("ignore = ['UPN104', 'UPN14']", r"ignore in .* names 'UPN14'; the codes are UPN001, UPN002, .*, UPN402, .*\."),
        ("ignore = ['upn104']", "ignore in .* names 'upn104'"),
        ('extra = "no"', r"extra in \[tool.upnext\] is 'no'; it is \"allow\" or \"forbid\"\."),
        ('src = "src"', r"src in \[tool.upnext\] is 'src'; it is a list of strings\."),
        ('src = ["nope"]', "src in .* names 'nope', which is not a folder of the project"),
        ('src = [".."]', r"src in .* names '\.\.', which is outside the project"),
        ("refresh = 1", "refresh in .* is 1; it is true or false"),
        ("closed = 1", "closed in .* is 1; it is true or false"),
        ('run = ["nope.py"]', "run in .* names 'nope.py', which is not a Python file of the project"),
        ('run = ["\\u001b[31m"]', r"run in .* names '\\x1b\[31m', which holds a control character"),
        ("out = 3", "out in .* is 3; it is the path of a folder"),
        ("= 3", "pyproject.toml cannot be read"),
        ("out = " + "[" * 5_000 + "]" * 5_000, "pyproject.toml cannot be read"),
        ('out = "a\\u0000"', r"out in .* names 'a\\x00', which holds a control character"),
        ('src = ["\\u001b[31m"]', r"src in .* names '\\x1b\[31m', which holds a control character"),
    ],
)
def test_a_bad_setting_is_refused_by_name(settings: str, message: str, tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": f"[tool.upnext]\n{settings}\n"})
    with pytest.raises(ConfigurationError, match=message):
        load_project(tmp_path)


@pytest.mark.parametrize("value", ['"\\u0000"', "[]", "[1]", '["a"]', "[[]]", "{}", "{a = 1}", "1.5", "2026-01-01"])
def test_a_setting_of_any_type_is_taken_or_refused_by_name(value: str, tmp_path: Path) -> None:
    """Whatever TOML can hold."""
    for key in Settings.__dataclass_fields__:
        write(tmp_path, {"pyproject.toml": f"[tool.upnext]\n{key} = {value}\n"})
        assert f"{key} in [tool.upnext]" in _refusal(tmp_path, f"{key} in [tool.upnext]")


def _refusal(root: Path, otherwise: str) -> str:
    try:
        load_project(root)
    except ConfigurationError as error:
        return str(error)
    return otherwise


def test_a_byte_order_mark_before_settings_and_patterns_is_skipped(tmp_path: Path) -> None:
    sources = {
        "pyproject.toml": "\ufeff[tool.upnext]\nextra = 'forbid'\n",
        ".gitignore": "\ufeffapp.py\n",
        "app.py": "",
    }
    assert found(tmp_path, sources) == []
    assert load_project(tmp_path).settings.extra == "forbid"


def test_pipes_in_the_place_of_settings_and_patterns_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".gitignore")
    assert found(tmp_path, {"app.py": ""}) == ["app.py"]
    (tmp_path / "pyproject.toml").unlink()
    os.mkfifo(tmp_path / "pyproject.toml")
    with pytest.raises(ConfigurationError, match=r"pyproject\.toml is not a file\."):
        load_project(tmp_path)
