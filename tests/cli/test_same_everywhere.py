from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.projects import Shell

MANY = {
    f"shop/part{number}.py": f"""
        from shop.events import worker

        event{number} = worker.event("part.{number % 7}")


        @event{number}.on
        async def handle{number}(
            a: int | str | None, b{number % 5}: list[str] | dict[str, int] = [], **kwargs: object
        ) -> None: ...
    """
    for number in range(40)
}


def run(root: Path, *arguments: str, folder: Path | None = None, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "upnext", "gen", *arguments],
        cwd=folder or root,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout


def test_the_same_sources_give_the_same_bytes_whatever_is_around_them(shop: Shell, tmp_path: Path) -> None:
    shop.write(MANY)
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(shop.root, elsewhere)
    first = run(shop.root, PYTHONHASHSEED="0", LC_ALL="C", TZ="Asia/Tokyo")
    second = run(
        elsewhere, str(elsewhere), folder=tmp_path, PYTHONHASHSEED="4711", LC_ALL="C.UTF-8", PYTHONIOENCODING="latin-1"
    )
    assert first == second
    assert first.endswith(
        "\nwrote upnext_catalog.pyi, upnext.lock\n8 events, 42 handlers in 44 files: nothing to report\n"
    )
    for name in ("upnext_catalog.pyi", "upnext.lock"):
        assert (shop.root / name).read_bytes() == (elsewhere / name).read_bytes()


def test_a_project_in_a_folder_that_cannot_be_written_to_can_be_checked(shop: Shell) -> None:
    shop.run("gen")
    shutil.rmtree(shop.root / ".upnext", ignore_errors=True)
    shop.root.chmod(0o555)
    try:
        assert "nothing to report" in run(shop.root, "--check")
    finally:
        shop.root.chmod(0o755)


def test_nothing_of_a_project_is_ever_imported(shop: Shell) -> None:
    canary = "import pathlib\n\npathlib.Path('canary').touch()\nraise SystemExit(7)\n"
    for name in ("shop/__init__.py", "sitecustomize.py", "jinja2.py", "upnext_codegen.py"):
        shop.write({name: canary})
    run(shop.root, PYTHONSAFEPATH="1")
    assert not (shop.root / "canary").exists()


def test_python_m_runs_no_file_that_is_named_like_a_module_of_python(shop: Shell) -> None:
    trap = "from pathlib import Path\nPath('canary').touch()\n"
    shop.write({f"{name}.py": trap for name in ("json", "tomllib", "libcst", "jinja2", "ast")})
    command = [sys.executable, "-m", "upnext", "gen"]
    done = subprocess.run(command, cwd=shop.root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert not (shop.root / "canary").exists()


def test_without_the_extra_the_command_says_what_to_install(shop: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("upnext_codegen")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    done = shop.run("gen")
    assert (done.code, done.out) == (2, "")
    assert done.err == "upnext: jinja2 is not installed; install what this needs: pip install 'upnext[gen]'\n"
