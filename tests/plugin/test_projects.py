"""The catalog that the plugin writes is the one that mypy reads: however it is configured, and in any layout."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.installed import Installed

# Several runs of mypy each.
pytestmark = pytest.mark.timeout(600)

EVENTS = """\
import upnext

worker = upnext.Worker("shop")
order_placed = worker.event("order.placed")


@order_placed.on
async def audit(order_id: str, **kwargs: object) -> None: ...
"""
SENDS = """\
from shop.events import order_placed


async def place() -> None:
    await order_placed.send(order_id=1)
"""
WRONG = 'error: Event "order.placed" takes "order_id" as str, not int  [upnext-type]'
LIBRARIES = ("fastapi", "pydantic", "pydantic_core", "redis", "starlette", "uvicorn")
INI = "[mypy]\nplugins = upnext_mypy\n" + "".join(f"[mypy-{each}.*]\nfollow_imports = skip\n" for each in LIBRARIES)
TOML = f"""\
[tool.mypy]
plugins = ["upnext_mypy"]
[[tool.mypy.overrides]]
module = {[f"{each}.*" for each in LIBRARIES]}
follow_imports = "skip"
"""


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def generated(root: Path) -> list[str]:
    found = [*root.rglob("*.pyi"), *root.rglob("*.lock")]
    return sorted(path.relative_to(root).as_posix() for path in found)


@contextmanager
def editable(installed: Installed, *roots: Path) -> Iterator[None]:
    """Have packages installed as editable ones are."""
    (site,) = installed.folder.glob("lib/python*/site-packages")
    (site / "_tested.pth").write_text("".join(f"{root}\n" for root in roots), encoding="utf-8")
    try:
        yield
    finally:
        (site / "_tested.pth").unlink()


@pytest.mark.parametrize(
    ("settings", "start", "arguments"),
    [
        ("mypy.ini", "", "."),
        (".mypy.ini", "", "shop"),
        ("setup.cfg", "", "."),
        ("pyproject.toml", "", "."),
        ("mypy.ini", "shop", "api.py"),
        ("config/settings.ini", "", "--config-file config/settings.ini ."),
    ],
)
def test_it_is_the_same_wherever_the_plugin_is_listed(
    settings: str, start: str, arguments: str, installed: Installed, tmp_path: Path
) -> None:
    """In a project without a pyproject.toml as well; the catalog goes to the root, wherever mypy is started."""
    write(tmp_path, {settings: TOML if settings.endswith("toml") else INI, "shop/__init__.py": "", ".git/HEAD": ""})
    write(tmp_path, {"shop/events.py": EVENTS, "shop/api.py": SENDS})
    answer = installed.run("mypy", *arguments.split(), cwd=tmp_path / start)
    assert WRONG in answer.stdout, answer.stdout + answer.stderr
    assert answer.stderr == ""
    assert generated(tmp_path) == ["upnext.lock", "upnext_catalog.pyi"]


@pytest.mark.xdist_group("editable")
@pytest.mark.parametrize("flags", [(), pytest.param(("-n", "2"), marks=pytest.mark.modes)])
@pytest.mark.parametrize("target", ["src", ".", "-p shop", "-m shop.api", "tests", "src/shop/api.py"])
def test_it_is_the_same_by_whatever_way_files_of_an_editable_install_are_named(
    target: str, flags: tuple[str, ...], own_installed: Installed, tmp_path: Path
) -> None:
    """mypy looks into site-packages first, where the default catalog is."""
    write(tmp_path, {"pyproject.toml": TOML, "src/shop/__init__.py": "", "src/shop/py.typed": ""})
    write(tmp_path, {"src/shop/events.py": EVENTS, "src/shop/api.py": SENDS, "tests/of_shop.py": SENDS})
    with editable(own_installed, tmp_path / "src"):
        for _ in range(2 if target.startswith("-") else 1):
            answer = own_installed.run("mypy", *flags, *target.split(), cwd=tmp_path)
            assert answer.stdout.count(WRONG) == (2 if target == "." else 1), answer.stdout + answer.stderr


def test_where_nothing_says_that_a_project_uses_upnext_that_is_told(installed: Installed, tmp_path: Path) -> None:
    """A configuration that is shared by all projects speaks for none of them."""
    write(tmp_path, {"shared/mypy.ini": INI, "code/shop/__init__.py": "", "code/shop/events.py": EVENTS})
    write(tmp_path, {"code/shop/api.py": SENDS, "code/other.py": "x: int = 1\n"})
    answer = installed.run("mypy", "--config-file", "../shared/mypy.ini", "shop", cwd=tmp_path / "code")
    assert answer.stderr == (
        "upnext: the catalog was not brought up to date: nothing says that "
        f"{tmp_path.resolve()}/code/shop/events.py is in a project that uses upnext; name upnext in its "
        "pyproject.toml, or run `upnext gen` there once\n"
    )
    assert installed.run("mypy", "--config-file", "../shared/mypy.ini", "other.py", cwd=tmp_path / "code").stderr == ""


WORKSPACE = TOML + '[project]\nname = "root"\n[tool.uv.workspace]\nmembers = ["packages/*"]\n'


@pytest.mark.xdist_group("editable")
def test_at_the_root_of_a_workspace_the_catalog_of_the_member_is_the_one_that_is_refreshed(
    own_installed: Installed, tmp_path: Path
) -> None:
    """And none is written beside it, which would stop mypy altogether."""
    write(tmp_path, {"pyproject.toml": WORKSPACE, "packages/shop/pyproject.toml": '[project]\nname = "shop"\n'})
    write(tmp_path, {"packages/shop/src/shop/__init__.py": "", "packages/shop/src/shop/py.typed": ""})
    write(tmp_path, {"packages/shop/src/shop/events.py": EVENTS, "packages/shop/src/shop/api.py": SENDS})
    with editable(own_installed, tmp_path / "packages/shop/src"):
        assert WRONG in own_installed.run("mypy", "packages/shop/src", cwd=tmp_path).stdout
        write(tmp_path, {"packages/shop/src/shop/events.py": EVENTS.replace("order_id: str", "order_id: int")})
        for target in (".", "packages/shop", "packages/shop/src/shop/api.py"):
            answer = own_installed.run("mypy", target, cwd=tmp_path)
            assert answer.stdout.startswith("Success"), answer.stdout + answer.stderr
    assert generated(tmp_path) == ["packages/shop/src/upnext_catalog.pyi", "upnext.lock"]


def two_projects(root: Path, setting: str) -> None:
    """Write a repository with two projects, each with a catalog of its own, and the plugin at its root."""
    write(root, {"pyproject.toml": TOML.replace("[tool.mypy]", '[tool.mypy]\nexclude = ["upnext_catalog.pyi"]')})
    for name, kind in (("shop", "str"), ("mail", "bytes")):
        own = setting.format(name)
        head = f"from {name}.catalog import Worker" if setting else "from upnext import Worker"
        events = EVENTS.replace("import upnext", head).replace("upnext.Worker", "Worker").replace("str", kind)
        write(
            root / "packages" / name,
            {
                "pyproject.toml": f"[tool.upnext]\n{own}\n",
                f"src/{name}/__init__.py": "",
                f"src/{name}/py.typed": "",
                f"src/{name}/events.py": events,
                f"src/{name}/api.py": SENDS.replace("shop", name),
            },
        )


@pytest.mark.xdist_group("editable")
def test_the_modules_of_several_projects_are_all_refreshed_and_read(own_installed: Installed, tmp_path: Path) -> None:
    """Each send is held against the handlers of its own project, and explained by them."""
    two_projects(tmp_path, 'catalog = "{}.catalog"')
    roots = (tmp_path / "packages/shop/src", tmp_path / "packages/mail/src")
    with editable(own_installed, *roots):
        for targets in (["."], ["-p", "shop", "-p", "mail"], [str(roots[1]), str(roots[0])]):
            answer = own_installed.run("mypy", *targets, cwd=tmp_path)
            assert 'takes "order_id" as str, not int  [upnext-type]' in answer.stdout, answer.stdout + answer.stderr
            assert 'takes "order_id" as bytes, not int  [upnext-type]' in answer.stdout
            assert answer.stdout.count(" error: ") == 2
        write(roots[1] / "mail", {"events.py": (roots[1] / "mail/events.py").read_text().replace("bytes", "int")})
        assert "bytes" not in own_installed.run("mypy", ".", cwd=tmp_path).stdout


@pytest.mark.xdist_group("editable")
@pytest.mark.parametrize("flags", [(), pytest.param(("-n", "2"), marks=pytest.mark.modes)])
def test_a_catalog_of_another_project_is_not_taken_for_the_project_s_own(
    flags: tuple[str, ...], own_installed: Installed, tmp_path: Path
) -> None:
    """One run can read only one module of a name: what it cannot check, it says."""
    two_projects(tmp_path, "")
    roots = (tmp_path / "packages/shop/src", tmp_path / "packages/mail/src")
    with editable(own_installed, *roots):
        answer = own_installed.run("mypy", *flags, str(roots[0]), str(roots[1]), cwd=tmp_path)
    lines = [line for line in answer.stdout.splitlines() if "error" in line]
    is_mail = "packages/mail/src/mail/api.py:5: error: Event" in answer.stdout
    read, unread = ("mail", "shop") if is_mail else ("shop", "mail")
    catalogs = [f"packages/{each}/src/upnext_catalog.pyi" for each in (read, unread)]
    message = f"mypy reads {catalogs[0]} in place of {catalogs[1]}, so sends are not checked here  [upnext-stale]"
    assert f"packages/{unread}/src/{unread}/api.py:5: error: {message}" in lines, answer.stdout + answer.stderr
    assert f'set mypy_path = "packages/{unread}/src" in the mypy configuration' in answer.stdout


@pytest.mark.xdist_group("editable")
def test_the_default_catalog_is_not_taken_for_that_of_one_of_several_projects(
    own_installed: Installed, tmp_path: Path
) -> None:
    """Where mypy would find none of them by itself, all sends are told that are not checked."""
    two_projects(tmp_path, "")
    with editable(own_installed, tmp_path / "packages/shop/src", tmp_path / "packages/mail/src"):
        answer = own_installed.run("mypy", "-p", "shop", "-p", "mail", cwd=tmp_path)
    for name in ("shop", "mail"):
        assert f"packages/{name}/src/{name}/api.py:5: error: mypy reads " in answer.stdout, (
            answer.stdout + answer.stderr
        )


def test_a_worker_that_does_not_come_from_the_module_is_an_error(installed: Installed, tmp_path: Path) -> None:
    """Its events have no types, and nothing else would say so."""
    settings = TOML + '[tool.upnext]\ncatalog = "shop.catalog"\n'
    write(tmp_path, {"pyproject.toml": settings, "shop/__init__.py": "", "shop/events.py": EVENTS})
    answer = installed.run("mypy", ".", cwd=tmp_path)
    error = "error: The events of this worker are not typed: the catalog is shop.catalog  [upnext-stale]"
    expected = f"shop/events.py:3: {error}\nshop/events.py:3: note: from shop.catalog import Worker\n"
    assert expected in answer.stdout, answer.stdout + answer.stderr


@pytest.mark.modes  # the daemon of test_edits.py starts so too
@pytest.mark.parametrize("module", [False, True])
def test_a_running_daemon_sees_the_first_catalog(module: bool, installed: Installed, tmp_path: Path) -> None:
    """It has read the default one when the first event is declared."""
    setting = '[tool.upnext]\ncatalog = "shop.catalog"\n' if module else ""
    write(tmp_path, {"pyproject.toml": TOML + setting, "src/shop/__init__.py": "", "src/shop/api.py": ""})
    write(tmp_path, {"src/shop/events.py": "import upnext\n"})
    events = EVENTS.replace("import upnext", "from shop.catalog import Worker") if module else EVENTS
    try:
        assert "Success" in installed.run("dmypy", "run", "src", cwd=tmp_path).stdout
        write(tmp_path, {"src/shop/events.py": events.replace("upnext.Worker", "Worker") if module else events})
        write(tmp_path, {"src/shop/api.py": SENDS})
        answer = installed.run("dmypy", "run", "src", cwd=tmp_path)
        assert WRONG in answer.stdout, answer.stdout + answer.stderr
        write(tmp_path, {"src/shop/api.py": SENDS.replace("=1", '="1"')})
        assert "Success" in installed.run("dmypy", "run", "src", cwd=tmp_path).stdout
    finally:
        installed.run("dmypy", "stop", cwd=tmp_path)


def test_the_daemon_leaves_a_project_alone_that_it_is_given_nothing_of(
    installed: Installed, bare: Installed, tmp_path: Path
) -> None:
    """After its first run it keeps all modules that it read as it keeps those that it was given."""
    near, far = tmp_path / "near", tmp_path / "far"
    # Without the overrides: the daemon of mypy 2.4 crashes over modules that are skipped.
    settings = f'plugins = ["upnext_mypy"]\nmypy_path = "../far"\npython_executable = "{bare.python}"\n'
    write(near, {"pyproject.toml": f"[tool.mypy]\n{settings}", "shop/__init__.py": ""})
    write(near, {"shop/events.py": EVENTS})
    write(far, {"pyproject.toml": '[project]\nname = "far"\ndependencies = ["upnext"]\n', "mail/__init__.py": ""})
    write(far, {"mail/events.py": EVENTS.replace("order.placed", "mail.read")})
    try:
        for sends in (SENDS, SENDS, f"\n{SENDS}"):
            write(near, {"shop/api.py": "import mail.events\n" + sends})
            answer = installed.run("dmypy", "run", "shop", cwd=near)
            assert WRONG in answer.stdout, answer.stdout + answer.stderr
            assert "1 error in 1 file" in answer.stdout
            assert "Restarting" not in answer.stdout
        assert generated(far) == []
    finally:
        installed.run("dmypy", "stop", cwd=near)


def test_what_keeps_a_catalog_from_being_written_is_said_for_each_project(installed: Installed, tmp_path: Path) -> None:
    """In a line on stderr, and mypy goes on."""
    two_projects(tmp_path, "")
    write(tmp_path, {"packages/mail/pyproject.toml": "[tool.upnext]\ncolour = 1\n"})
    write(tmp_path, {"packages/shop/src/upnext_catalog.pyi": "mine = 1\n"})
    answer = installed.run("mypy", "packages/shop/src/shop", "packages/mail/src/mail", cwd=tmp_path)
    assert "upnext: the catalog was not brought up to date: Unknown key 'colour' in [tool.upnext]" in answer.stderr
    assert "upnext_catalog.pyi exists and was not written by upnext, so nothing is written" in answer.stderr
