"""What a user gets: the wheel and the sdist, built from the checkout, and an environment with nothing but the wheel."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pydantic
import pytest

ROOT = Path(__file__).parent.parent.parent
PACKAGES = {
    "upnext": ROOT / "upnext",
    "upnext_codegen": ROOT / "codegen" / "upnext_codegen",
    "upnext_catalog": ROOT / "stubs" / "upnext_catalog",
    "upnext_celery": ROOT / "stubs" / "upnext_celery",
    "upnext_mypy": ROOT / "plugins" / "upnext_mypy",
    "upnext_pytest": ROOT / "plugins" / "upnext_pytest",
}
DEPENDENCIES = str(Path(pydantic.__file__).parent.parent)
"""What the tests run with. The checkout is there by a .pth file only, which does not count on PYTHONPATH."""

SHIPPED = {".py", ".pyi", ".typed", ".lua", ".j2", ".html", ".css", ".js", ".svg"}

# Building and installing is done once, so these tests stay in one process.
pytestmark = pytest.mark.xdist_group("packaging")


@dataclass(frozen=True)
class Built:
    wheel: Path
    sdist: Path
    environment: Path

    @property
    def site_packages(self) -> Path:
        (folder,) = self.environment.glob("lib/python*/site-packages")
        return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Build the sdist and from it the wheel, as a release does, and install the wheel without its dependencies."""
    dist = tmp_path_factory.mktemp("dist")
    # Without isolation, with what the dev group installed: the tests need no network.
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(dist), str(ROOT))
    (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    environment = tmp_path_factory.mktemp("empty") / "env"
    run(sys.executable, "-m", "venv", "--without-pip", str(environment))
    uv = Path(sys.executable).with_name("uv")
    python = environment / "bin" / "python"
    run(str(uv), "pip", "install", "--quiet", "--offline", "--no-deps", "--python", str(python), str(wheel))
    return Built(wheel, sdist, environment)


def run(*command: str, path: str = "") -> str:
    env = {**os.environ, "PYTHONPATH": path}
    answer = subprocess.run(command, cwd="/", env=env, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, f"{command}\n{answer.stdout}\n{answer.stderr}"
    return answer.stdout


def files_of(folder: Path) -> Iterator[str]:
    return (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.suffix in SHIPPED)


def test_the_wheel_installs_our_packages_and_nothing_else_at_the_top_level(built: Built) -> None:
    names = {path.name for path in built.site_packages.iterdir()}
    assert names == {*PACKAGES, "upnext-0.1.0.dist-info"}


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_is_installed_whole_with_its_scripts_templates_and_type_marker(built: Built, package: str) -> None:
    installed = set(files_of(built.site_packages / package))
    assert installed == set(files_of(PACKAGES[package]))
    assert "py.typed" in installed


def test_the_lua_scripts_and_the_templates_are_installed(built: Built) -> None:
    assert list((built.site_packages / "upnext").rglob("*.lua"))
    assert list((built.site_packages / "upnext_codegen").rglob("*.j2"))
    dashboard = built.site_packages / "upnext" / "dashboard"
    assert (dashboard / "templates" / "base.html").is_file()
    assert {path.name for path in (dashboard / "static").iterdir()} == {"dashboard.css", "dashboard.js", "icon.svg"}


def test_the_command_line_is_installed_under_our_name_only(built: Built) -> None:
    scripts = {
        path.name for path in (built.environment / "bin").iterdir() if not path.name.lower().startswith("python")
    }
    assert {name for name in scripts if not name.startswith(("activate", "Activate"))} == {"upnext"}


def test_the_license_is_installed(built: Built) -> None:
    license_file = built.site_packages / "upnext-0.1.0.dist-info" / "licenses" / "LICENSE"
    assert license_file.read_text(encoding="utf-8") == (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_the_installed_library_is_the_one_that_is_imported(built: Built) -> None:
    script = f"import {', '.join(PACKAGES)}; print({', '.join(f'{name}.__file__' for name in PACKAGES)}, sep=chr(10))"
    origins = run(str(built.environment / "bin" / "python"), "-c", script, path=DEPENDENCIES).splitlines()
    assert origins == [str(built.site_packages / name / "__init__.py") for name in PACKAGES]


def test_the_installed_command_line_runs(built: Built) -> None:
    assert "usage: upnext" in run(str(built.environment / "bin" / "upnext"), "--help", path=DEPENDENCIES)


def test_the_sdist_holds_the_tests_and_the_wheel_does_not(built: Built) -> None:
    with tarfile.open(built.sdist) as sdist, zipfile.ZipFile(built.wheel) as wheel:
        assert "upnext-0.1.0/tests/packaging/test_wheel.py" in sdist.getnames()
        assert not [name for name in wheel.namelist() if name.startswith(("tests/", "codegen/", "stubs/", "plugins/"))]
