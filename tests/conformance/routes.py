"""By which routes a checker reads the catalog that was written: started anywhere, by paths and by names of modules."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.checkers import MYPY_ERROR, TY_ERROR
from tests.installed import TOOLS, Installed, answer_of

ROUTES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "in the project's folder": ("packages/shop", (".",)),
    "by name: `-p`": ("packages/shop", ("-p", "shop")),
    "by name: `-m`": ("packages/shop", ("-m", "shop.api")),
    "the tests alone": ("packages/shop", ("tests",)),
    "at the root of a monorepo with two catalogs": (".", (".",)),
    "one file, started elsewhere": ("elsewhere", ("../packages/shop/src/shop/api.py",)),
}
"""Each with the folder that it starts in, and what is checked."""

KINDS = {"upnext_catalog.pyi": "", "catalog = ...": 'catalog = "{package}.catalog"\n'}
"""What the settings of both projects say."""

_ROOT = """\
[tool.mypy]
explicit_package_bases = false
[[tool.mypy.overrides]]
module = ["fastapi.*", "pydantic.*", "pydantic_core.*", "starlette.*", "uvicorn.*"]
follow_imports = "skip"
[tool.pyrefly]
python-interpreter-path = "{python}"
"""
_EVENTS = """\
{head}

worker = {worker}("{package}")
happened = worker.event("{package}.happened")


@happened.on
async def note(number: int, **kwargs: object) -> None: ...
"""
_SENDS = """\
from {package}.events import happened


async def send() -> None:
    await happened.send(number=1)
    await happened.send(number="1")  # E
"""


def build(folder: Path, kind: str, installed: Installed) -> None:
    """Write a monorepo of two projects, each with a catalog of its own."""
    for package in ("shop", "mail"):
        own = kind != "upnext_catalog.pyi"
        head = f"from {package}.catalog import Worker" if own else "import upnext"
        files = {
            "pyproject.toml": f'[project]\nname = "{package}"\nversion = "1"\n[tool.upnext]\n'
            + KINDS[kind].format(package=package)
            + _ROOT.format(python=installed.python),
            f"src/{package}/__init__.py": "",
            f"src/{package}/py.typed": "",
            f"src/{package}/events.py": _EVENTS.format(
                head=head, worker="Worker" if own else "upnext.Worker", package=package
            ),
            f"src/{package}/api.py": _SENDS.format(package=package),
            f"tests/of_{package}.py": _SENDS.format(package=package),
        }
        for name, text in files.items():
            path = folder / "packages" / package / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        answer = installed.run("upnext", "gen", cwd=folder / "packages" / package)
        assert answer.returncode == 0, answer.stdout + answer.stderr
    (folder / "pyproject.toml").write_text(_ROOT.format(python=installed.python), encoding="utf-8")
    (folder / "elsewhere").mkdir()


@contextmanager
def editable(folder: Path, installed: Installed) -> Iterator[None]:
    """Have both projects installed as editable ones are: by a .pth file with their import roots."""
    (site,) = installed.folder.glob("lib/python*/site-packages")
    links = site / "_monorepo.pth"
    links.write_text("".join(f"{folder}/packages/{each}/src\n" for each in ("shop", "mail")), encoding="utf-8")
    try:
        yield
    finally:
        links.unlink()


def cells(checker: str, folder: Path, installed: Installed) -> dict[str, str]:
    """Say by which routes a checker reports the wrong sends, and nothing else."""
    return {
        route: _cell(folder, start, _reported(checker, folder, start, arguments, installed), arguments)
        for route, (start, arguments) in ROUTES.items()
        if checker == "mypy" or not arguments[0].startswith("-")
    }


def row(kind: str, route: str) -> str:
    """Name a row of the table."""
    return f"`{kind}`, {route}"


def table(columns: Mapping[str, Mapping[str, Mapping[str, str]]]) -> list[tuple[str, ...]]:
    """Return the lines of the table, its head first: a row a kind and route, a column a checker."""
    rows = [
        (row(kind, route), *(found[kind].get(route, "") for found in columns.values()))
        for kind in KINDS
        for route in ROUTES
    ]
    return [("catalog, and how the checker is started", *columns), ("---", *("---" for _ in columns)), *rows]


def _cell(folder: Path, start: str, reported: set[Path], arguments: tuple[str, ...]) -> str:
    wanted = set((folder / start).glob("**/*.py")) if arguments[0] == "." else set[Path]()
    wanted |= set((folder / start / "tests").glob("*.py")) if arguments[0] == "tests" else set()
    wanted |= {folder / "packages" / "shop" / "src" / "shop" / "api.py"} if len(arguments[-1]) > 5 else set()
    wanted |= {folder / "packages" / "shop" / "src" / "shop" / "api.py"} if arguments[0] == "-p" else set()
    wrong = {path.resolve() for path in wanted if "# E" in path.read_text(encoding="utf-8")}
    if reported == wrong:
        return "✔"
    return "not checked" if not reported else f"{len(wrong & reported)} of {len(wrong)} files"


def _reported(checker: str, folder: Path, start: str, arguments: tuple[str, ...], installed: Installed) -> set[Path]:
    here = folder / start
    python = str(installed.python)
    match checker:
        case "mypy":
            flags = ("--cache-dir", "/dev/null", "--config-file", str(folder / "pyproject.toml"))
            output = answer_of(str(TOOLS / "mypy"), "--python-executable", python, *flags, *arguments, cwd=here).stdout
            found = {each["file"] for each in MYPY_ERROR.finditer(output)}
        case "ty":
            flags = ("--python", python, "--output-format", "concise")
            output = answer_of(str(TOOLS / "ty"), "check", *flags, *arguments, cwd=here).stdout
            found = {each["file"] for each in TY_ERROR.finditer(output)}
        case "pyrefly":
            output = answer_of(str(TOOLS / "pyrefly"), "check", "--output-format", "json", *arguments, cwd=here).stdout
            found = {each["path"] for each in json.loads(output)["errors"] if each["severity"] == "error"}
        case _:
            flags = ("--pythonpath", python, "--outputjson")
            output = answer_of(str(TOOLS / checker), *flags, *arguments, cwd=here).stdout
            report = json.loads(output)["generalDiagnostics"]
            found = {each["file"] for each in report if each["severity"] == "error"}
    return {(here / each).resolve() for each in found}
