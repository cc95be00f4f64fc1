"""`upnext doctor types`: which catalog each installed checker reads, and the setting that mends it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.cli.projects import SHOP, Shell
from tests.installed import TOOLS, Installed

# Five checkers, several times.
pytestmark = pytest.mark.timeout(600)

NAMES = ["mypy", "pyright", "basedpyright", "ty", "pyrefly"]


def project(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(textwrap.dedent(text), encoding="utf-8")


PATH = f"{TOOLS}:{os.environ['PATH']}"


def run(installed: Installed, root: Path, *arguments: str, path: str = PATH) -> tuple[int, str]:
    """Run upnext where it is installed; the checkers are those of the shell, and it is not mypy's first run there."""
    if not (root / ".mypy_cache").exists():
        shutil.copytree(installed.mypy_cache(), root / ".mypy_cache")
    answer = installed.run("upnext", *arguments, cwd=root, PATH=path)
    return answer.returncode, answer.stdout


def only(names: list[str], folder: Path) -> str:
    """Return a path on which these checkers are, and no others."""
    folder.mkdir()
    for name in names:
        (folder / name).symlink_to(TOOLS / name)
    return f"{folder}:/usr/bin:/bin"


def checkers(installed: Installed, root: Path, path: str, code: int) -> dict[str, dict[str, str]]:
    exit_code, output = run(installed, root, "doctor", "types", "--format", "json", path=path)
    assert exit_code == code, output
    listed = json.loads(output)["checkers"]
    assert all(re.match(r"\d+\.\d+", each["version"]) for each in listed)
    return {each["name"]: each for each in listed}


@pytest.mark.parametrize("left_out", ["basedpyright", pytest.param("", marks=pytest.mark.modes)])
def test_the_setting_that_it_names_has_every_checker_read_the_catalog(
    left_out: str, installed: Installed, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """At the root of a workspace most of them find the default catalog first; basedpyright is asked as pyright is."""
    names = [name for name in NAMES if name != left_out]
    path = only(names, tmp_path_factory.mktemp("tools") / "bin")
    interpreter = f'[tool.pyrefly]\npython-interpreter-path = "{installed.python}"\n'
    workspace = '[tool.uv.workspace]\nmembers = ["core"]\n'
    files = {f"core/src/{name}": text for name, text in SHOP.items() if name != "pyproject.toml"}
    project(tmp_path, files | {"pyproject.toml": workspace + interpreter, "core/pyproject.toml": ""})
    run(installed, tmp_path, "gen")
    before = checkers(installed, tmp_path, path, 1)
    assert list(before) == names
    failing = [name for name in names if before[name]["status"] == "fail"]
    assert failing == names[1:]
    tables: dict[str, str] = {"[tool.pyrefly]": interpreter}
    for name in failing:
        assert before[name]["catalog"] == "the default catalog: no send is checked"
        found = re.match(r"set (.+ = .+) in (\[tool\..+?\]);", before[name]["help"])
        assert found
        tables[found[2]] = tables.get(found[2], f"{found[2]}\n") + f"{found[1]}\n"
    # basedpyright reads pyright's table as well, and takes offence at both.
    tables.pop("[tool.basedpyright]", None)
    project(tmp_path, {"pyproject.toml": workspace + "".join(tables.values())})
    after = checkers(installed, tmp_path, path, 0)
    assert list(after) == names
    assert {each["status"] for each in after.values()} == {"ok"}
    assert {each["catalog"] for each in after.values()} == {"core/src/upnext_catalog.pyi"}
    assert not list(tmp_path.rglob("upnext_probe*"))


def test_a_module_of_the_project_s_own_needs_no_setting(installed: Installed, tmp_path: Path) -> None:
    """A line each that is found, with the version; pyrefly has to be told that it is to check at all.

    That pyright reads such a catalog without a setting too is shown in tests/conformance.
    """
    names = ["mypy", "ty", "pyrefly"]
    events = SHOP["shop/events.py"].replace("import upnext", "from shop import catalog as upnext")
    settings = '[tool.upnext]\ncatalog = "shop.catalog"\n'
    project(tmp_path, SHOP | {"pyproject.toml": settings, "shop/events.py": events, "deep/notes.txt": ""})
    run(installed, tmp_path, "gen")
    code, output = run(installed, tmp_path / "deep", "doctor", "types", path=only(names, tmp_path / "bin"))
    assert code == 1
    lines = [line for line in output.splitlines() if not line.startswith(" ")]
    assert [line.split()[:2] for line in lines] == [*[["ok", each] for each in names[:-1]], ["fail", "pyrefly"]]
    assert all("../shop/catalog.pyi" in line for line in lines[:-1])
    assert "help: give it a setting of its own, such as python-interpreter-path in [tool.pyrefly]" in output


def test_what_a_killed_run_has_left_is_seen_by_nobody_and_removed_by_the_next(shop: Shell, tmp_path: Path) -> None:
    """Neither by git nor by `upnext gen`, though it has an event without a handler in it."""
    shop.run("gen")
    os.mkfifo(tmp_path / "asked")
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "ty").write_text(f'#!/bin/sh\ncase "$*" in *check*) echo "$$" > {tmp_path}/asked; exec sleep 600;; esac\n')
    (tools / "ty").chmod(0o755)
    python = tools / "python"
    python.symlink_to(sys.executable)  # beside which checkers are looked for first
    command = [str(python), "-m", "upnext", "doctor", "types"]
    environment = os.environ | {"PATH": f"{tools}:/usr/bin:/bin", "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, cwd=shop.root, env=environment, stdout=subprocess.DEVNULL) as killed:
        checker = int((tmp_path / "asked").read_text())
        (left,) = shop.root.rglob("upnext_probe_*")
        killed.kill()
    os.kill(checker, signal.SIGKILL)
    (left / "__init__.py").write_text((left / "__init__.py").read_text().replace("order.placed", "order.lost"))
    assert left.is_dir()
    subprocess.run(["git", "init", "--quiet"], cwd=shop.root, check=True)
    untracked = subprocess.run(
        ["git", "status", "--porcelain", "-uall"], cwd=shop.root, check=True, stdout=subprocess.PIPE
    )
    assert b"probe" not in untracked.stdout
    outcome = shop.run("gen", "--check")
    assert (outcome.code, "order.lost" in outcome.out) == (0, False)
    (tools / "ty").write_text("#!/bin/sh\n")
    subprocess.run(command, cwd=shop.root, env=environment, check=True, stdout=subprocess.DEVNULL)
    assert not left.exists()


def test_above_projects_that_have_events_they_are_named(shop: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether there is no catalog, or one without events."""
    shop.run("gen")
    monkeypatch.chdir(shop.root.parent)
    for said in ("has no catalog.", "has a handler, so there is nothing that a checker could read."):
        outcome = shop.run("doctor", "types")
        assert (outcome.code, outcome.out) == (2, "")
        assert outcome.err.endswith(f"{said} Below it are projects of their own: project. Run this there.\n")
        shop.write({"../upnext.lock": shop.text("upnext.lock")})
        empty = {"format": 2, "generator": "upnext", "events": {}, "classes": {}, "handlers": 0}
        shop.write({"../upnext.lock": json.dumps(empty)})
        shop.write({"../upnext_catalog.pyi": shop.text("upnext_catalog.pyi")})


def test_without_a_catalog_or_an_event_there_is_nothing_to_ask(shop: Shell) -> None:
    """Exit code 2, and what to do."""
    outcome = shop.run("doctor", "types")
    assert (outcome.code, outcome.out) == (2, "")
    assert "has no catalog: run `upnext gen` first." in outcome.err
    for name in ("shop/email.py", "shop/stock.py"):
        Path(shop.root / name).unlink()
    shop.run("gen")
    outcome = shop.run("doctor", "types")
    assert (outcome.code, outcome.out) == (2, "")
    assert "has a handler, so there is nothing that a checker could read." in outcome.err
