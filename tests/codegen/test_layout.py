"""Where imports start from, and which folders are one project: what a repository's own settings say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.codegen.reading import HEAD, read, spelt, write
from upnext_codegen.errors import ConfigurationError
from upnext_codegen.project import find_project, load_project
from upnext_codegen.scan import scan

HANDLER = "from core.events import placed\n@placed.on\ndef confirm(order_id: str, **kwargs: object): ...\n"
CORE, API = '[project]\nname = "core"\n', '[project]\nname = "api"\n'


@pytest.mark.parametrize(
    "settings",
    [
        '[tool.maturin]\npython-source = "lib"\n',
        '[tool.setuptools]\npackage-dir = { "" = "lib" }\n',
        '[tool.setuptools.packages.find]\nwhere = ["lib"]\n',
        '[tool.poetry]\npackages = [{ include = "core", from = "lib" }]\n',
        '[tool.hatch.build.targets.wheel]\npackages = ["lib/core"]\n',
        '[tool.hatch.build]\nsources = ["lib"]\n',
        '[tool.hatch.build.targets.wheel.sources]\n"lib" = ""\n',
        '[tool.pdm.build]\npackage-dir = "lib"\n',
        '[tool.uv.build-backend]\nmodule-root = "lib"\n',
        '[tool.scikit-build]\nwheel.packages = ["./lib/core"]\n',
        '[tool.upnext]\nsrc = ["l*"]\n',
    ],
)
def test_the_root_that_a_build_back_end_is_told_is_the_import_root(settings: str, tmp_path: Path) -> None:
    """Absolute imports are followed from wherever the distribution's modules lie."""
    sources = {"pyproject.toml": settings, "lib/core/events.py": HEAD, "lib/core/mail.py": HANDLER, "tools/a.txt": ""}
    scanned, findings = read(tmp_path, sources)
    assert [each.name for each in scanned.handlers] == ["confirm"]
    assert findings == ()
    assert load_project(tmp_path).roots == ("lib",)


def test_setup_cfg_tells_the_root_as_well(tmp_path: Path) -> None:
    """Older distributions have no table in pyproject.toml."""
    for text in ("[options]\npackage_dir =\n    = lib\n", "[options.packages.find]\nwhere = lib\n"):
        assert load_project(write(tmp_path, {"setup.cfg": text, "lib/core/a.py": ""})).roots == ("lib",)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", '[tool.setuptools.package-dir]\ncore = "python"\n'),
        ("setup.cfg", "[options]\npackage_dir =\n    core = python\n"),
        ("pyproject.toml", '[tool.hatch.build.targets.wheel.sources]\n"python" = "core"\n'),
        ("pyproject.toml", '[tool.hatch.build.targets.wheel.force-include]\n"python" = "core"\n'),
    ],
)
def test_a_folder_that_is_installed_under_another_name_is_imported_by_that(
    name: str, text: str, tmp_path: Path
) -> None:
    """Its own imports say that name, and so does what the catalog imports from it."""
    handler = HANDLER.replace("order_id: str", "order: Order")
    sources = {
        name: text,
        "python/__init__.py": "",
        "python/events.py": HEAD,
        "python/models.py": "import dataclasses\n@dataclasses.dataclass\nclass Order: ...\n",
        "python/mail.py": f"from core.models import Order\n{handler}",
    }
    scanned, findings = read(tmp_path, sources)
    assert [(each.module, spelt(each.parameters[0].type)) for each in scanned.handlers] == [
        ("core.mail", "core.models.Order")
    ]
    assert findings == ()


@pytest.mark.parametrize(
    "settings",
    [
        '[tool.maturin]\npython-source = "../x"\n',
        '[tool.setuptools.package-dir]\na = 3\nb = "../x"\nc = "nowhere"\n"" = ""\n',
        "[tool.hatch.build.targets.wheel.force-include]\na = 3\n",
        "[tool.maturin]\npython-source = 3\n",
        '[tool.setuptools]\npackage-dir = "x"\npackages = []\n',
        "[tool.poetry]\npackages = [3, {}]\n",
        '[tool.hatch]\nbuild = "x"\n',
        "[tool.hatch.envs.default]\nworkspace.members = [3, {}]\n",
        '[tool.uv.workspace]\nmembers = ["../*", "/x", "", "**"]\n[tool.uv.sources]\ncore = 3\n',
        '[tool.pdm.build]\npackage-dir = "nowhere"\n',
        "[tool.poetry.dependencies]\ncore = [3]\n",
    ],
)
def test_odd_settings_of_other_tools_do_no_harm(settings: str, tmp_path: Path) -> None:
    """It does not refuse what is none of its business."""
    assert load_project(write(tmp_path, {"pyproject.toml": settings, "core.py": HEAD})).roots == ("",)


WORKSPACES = {
    "uv": '[project]\nname = "root"\n[tool.uv.workspace]\nmembers = ["packages/*"]\n',
    "pdm": '[tool.pdm.workspace]\nmembers = ["packages/core", "packages/a*"]\n',
    "rye": '[tool.rye.workspace]\nmembers = ["packages/*"]\n',
    "hatch": '[tool.hatch.envs.default]\nworkspace.members = ["packages/core", {path = "packages/api"}]\n',
    "poetry": '[tool.poetry.dependencies]\ncore = { path = "packages/core", develop = true }\n'
    '[tool.poetry.group.dev.dependencies]\napi = { path = "packages/api" }\n',
    "uv paths": '[tool.uv.sources]\ncore = { path = "packages/core" }\napi = [{ path = "packages/api" }]\n',
    "nothing but members": "[tool.ruff]\nline-length = 100\n",
}


@pytest.mark.parametrize("start", ["", "packages/api", "packages/api/src/api"])
@pytest.mark.parametrize("workspace", WORKSPACES)
def test_a_workspace_is_one_project_wherever_it_is_looked_at_from(workspace: str, start: str, tmp_path: Path) -> None:
    """A handler in one member is attached to an event of another."""
    if workspace == "nothing but members" and start:
        pytest.skip("nothing says there that the folder above is about this one")
    sources = {
        "pyproject.toml": WORKSPACES[workspace],
        "packages/core/pyproject.toml": CORE,
        "packages/core/src/core/events.py": HEAD,
        "packages/api/pyproject.toml": API,
        "packages/api/src/api/handlers.py": HANDLER,
    }
    scanned, findings = read(tmp_path, sources)
    assert [each.name for each in scanned.handlers] == ["confirm"]
    assert findings == ()
    found = find_project(tmp_path / start)
    assert found.root == tmp_path.resolve()
    assert sorted(found.roots) == ["packages/api/src", "packages/core/src"]


def test_the_root_of_a_workspace_is_an_import_root_where_it_holds_modules(tmp_path: Path) -> None:
    """A root that is a distribution itself keeps its place among the members'."""
    sources = {"pyproject.toml": WORKSPACES["uv"], "packages/core/pyproject.toml": CORE, "packages/core/core/a.py": ""}
    assert load_project(write(tmp_path, sources | {"setup.py": ""})).roots == ("packages/core",)
    assert load_project(write(tmp_path, sources | {"app/__init__.py": ""})).roots == ("", "packages/core")


def test_excluded_members_and_folders_without_a_pyproject_are_no_members(tmp_path: Path) -> None:
    """As the tools have it that install them."""
    settings = '[tool.uv.workspace]\nmembers = ["packages/*"]\nexclude = ["packages/old*"]\n'
    sources = {"pyproject.toml": settings, "packages/older/pyproject.toml": "", "packages/notes/a.py": ""}
    assert load_project(write(tmp_path, sources | {"packages/core/pyproject.toml": CORE})).members == ("packages/core",)
    assert find_project(tmp_path / "packages" / "older").root == tmp_path.resolve() / "packages" / "older"


def test_a_folder_below_a_lock_belongs_to_the_project_of_that_lock(tmp_path: Path) -> None:
    """A catalog of its own would lack the handlers of the others."""
    root = write(tmp_path, {"upnext.lock": "", "services/mail/pyproject.toml": "", "services/mail/a/b.py": ""})
    assert find_project(root / "services" / "mail" / "a").root == root.resolve()


def test_a_lock_without_a_pyproject_beside_it_takes_over_no_project_below(tmp_path: Path) -> None:
    """Whoever ran `upnext gen` in a folder that holds several has left it there; what is in none of them is its own."""
    sources = {"upnext.lock": "", "mail/pyproject.toml": CORE, "mail/src/core/events.py": HEAD, "notes/a.py": HEAD}
    root = write(tmp_path, sources)
    (root / "pyproject.toml").unlink()
    assert find_project(root / "mail" / "src").root == root.resolve() / "mail"
    above = find_project(root / "notes")
    assert (above.root, above.roots, above.members) == (root.resolve(), ("",), ())
    assert [each.place.file for each in scan(above, use_cache=False)[0].declarations] == ["notes/a.py"]


@pytest.mark.parametrize("own", ["[tool.upnext]\n", '[tool.upnext]\nextra = "forbid"\n'])
def test_a_folder_with_settings_of_its_own_is_a_project_of_its_own(own: str, tmp_path: Path) -> None:
    """One repository can hold several catalogs."""
    root = write(tmp_path, {"pyproject.toml": WORKSPACES["uv"], "upnext.lock": "", "packages/core/pyproject.toml": own})
    write(root, {"pyproject.toml": WORKSPACES["uv"], "packages/core/core.py": HEAD})
    assert find_project(root / "packages" / "core").root == root.resolve() / "packages" / "core"
    assert load_project(root).members == ()
    assert read(root, {"pyproject.toml": WORKSPACES["uv"]})[0].declarations == ()


def test_a_lock_of_its_own_makes_a_project_only_of_what_no_workspace_names(tmp_path: Path) -> None:
    """A lock that was once written in a member by mistake does not keep it apart."""
    sources = {"pyproject.toml": WORKSPACES["uv"], "upnext.lock": "", "packages/core/upnext.lock": ""}
    sources |= {"packages/core/pyproject.toml": CORE, "other/upnext.lock": "", "other/pyproject.toml": CORE}
    root = write(tmp_path, sources)
    assert find_project(root / "packages" / "core").root == root.resolve()
    assert find_project(root / "other").root == root.resolve() / "other"


def test_projects_among_the_tests_and_above_the_repository_are_none_of_it(tmp_path: Path) -> None:
    """Test data is not part of the project, and what lies above a clone is not about it."""
    root = write(tmp_path / "clone", {"upnext.lock": "", "tests/data/pyproject.toml": ""})
    write(tmp_path, {"upnext.lock": ""})
    (root / ".git").mkdir()
    assert find_project(root / "tests" / "data").root == root.resolve() / "tests" / "data"
    (root / "upnext.lock").unlink()
    assert find_project(root).root == root.resolve()


def test_src_takes_globs_and_members(tmp_path: Path) -> None:
    """Of a folder with a pyproject.toml its own import roots count."""
    settings = '[tool.upnext]\nsrc = ["packages/*", "tools/lib", "services/*/src"]\n'
    sources = {"packages/core/pyproject.toml": CORE, "packages/core/src/core/a.py": "", "packages/plain/a.py": ""}
    sources |= {"tools/lib/b.py": "", "services/mail/src/c.py": "", "node_modules/src/d.py": ""}
    expected = ("packages/core/src", "packages/plain", "tools/lib", "services/mail/src")
    assert load_project(write(tmp_path, sources | {"pyproject.toml": settings})).roots == expected


@pytest.mark.parametrize(("pattern", "roots"), [("*", ("pk",)), ("**", ("", "pk", "pk/in")), ("pk/*", ("pk/in",))])
def test_a_glob_in_src_names_no_folder_that_is_left_out(pattern: str, roots: tuple[str, ...], tmp_path: Path) -> None:
    """A catalog would be written there. Where it is named, such a folder is an import root."""
    left_out = {f"{name}/a.py": "" for name in (".git", ".venv/lib", "node_modules/x", "pk/build", "pk/.x", "dist")}
    root = write(tmp_path, {"pyproject.toml": f'[tool.upnext]\nsrc = ["{pattern}"]\n', "pk/in/a.py": "", **left_out})
    assert load_project(root).roots == roots
    write(tmp_path, {"pyproject.toml": '[tool.upnext]\nsrc = ["*/build"]\n'})
    assert load_project(root).roots == ("pk/build",)


@pytest.mark.parametrize("pattern", ["nothing/*/src", "[", "/*", "packages/**x/*", "packages/*"])
def test_a_glob_in_src_that_leads_nowhere_is_refused(pattern: str, tmp_path: Path) -> None:
    """As the name of a folder is that does not exist."""
    write(tmp_path, {"pyproject.toml": f'[tool.upnext]\nsrc = ["{pattern}"]\n', "packages/build/a.py": ""})
    with pytest.raises(ConfigurationError, match=r"src in \[tool.upnext\] names"):
        load_project(tmp_path)


@pytest.mark.parametrize("settings", ["", '[tool.uv.workspace]\nmembers = ["*", "*/*"]\n'])
def test_links_make_no_further_members(settings: str, tmp_path: Path) -> None:
    """One leads back to the root, one to a member, and one out of the project."""
    write(tmp_path / "outside", {"pyproject.toml": "", "out.py": ""})
    root = write(tmp_path / "root", {"pyproject.toml": settings, "core/pyproject.toml": "", "core/core.py": ""})
    for name, target in {"loop": ".", "same": "core", "out": "../outside"}.items():
        (root / name).symlink_to(target)
    found = load_project(root)
    assert (found.members, found.roots) == (("core",), ("core",))


@pytest.mark.skipif(os.geteuid() != 0, reason="the test gives up root's rights, and a user has none to give up")
@pytest.mark.parametrize("settings", ["", "[tool.upnext]\n", '[tool.upnext]\nsrc = ["a"]\n', "[project]\nname = 'x'\n"])
def test_a_folder_that_may_not_be_entered_is_named_and_the_others_are_read(settings: str, tmp_path: Path) -> None:
    """It lies beside the sources where a container keeps its data in a volume."""
    text = f"{HEAD}@placed.on\ndef confirm(order_id: str): ...\n"
    root = write(tmp_path, {"pyproject.toml": settings, "a/events.py": text, "data/a.py": ""})
    for link in (".upnext", "a/link.py", "a/link", "upnext.imports.lock"):
        (root / link).symlink_to(root / "data/inside.py")
    (root / "data").chmod(0)
    rights = "-dac_override,-dac_read_search"
    command = ["setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}", sys.executable, "-m", "upnext", "gen"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    (root / "data").chmod(0o700)
    assert "error[UPN001]: cannot read this file: Permission denied" in done.stdout, done
    assert (done.returncode, done.stderr) == (1, "")
    assert "1 event, 1 handler in 1 file: 1 error" in done.stdout


def test_the_folder_of_manage_py_is_an_import_root(tmp_path: Path) -> None:
    """Python starts there, and imports say nothing of the folder, whether or not it is a package as well."""
    sources = {"pyproject.toml": "", "apps/manage.py": "", "apps/__init__.py": "", "utils/a.sh": "", "setup.py": ""}
    sources |= {"apps/core/__init__.py": "", "apps/core/events.py": HEAD, "apps/shop/mail.py": HANDLER}
    scanned, findings = read(tmp_path, sources)
    assert [each.name for each in scanned.handlers] == ["confirm"]
    assert findings == ()
    assert load_project(tmp_path).roots == ("apps",)
    # A library with an example keeps its own.
    assert load_project(write(tmp_path, {"library/__init__.py": "", "tests/manage.py": ""})).roots == ("", "apps")
    assert load_project(write(tmp_path, {"manage.py": ""})).roots == ("",)
