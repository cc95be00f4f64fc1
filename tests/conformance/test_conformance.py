"""Every type checker reports the bad sends of a project, and nothing else: the lines that end in `# E`.

They have no settings but the interpreter, in whose environment the wheel is installed.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.checkers import CHECKERS, QUICKLY, SELDOM_PYRIGHT, STRICT, marked
from tests.conformance import routes
from tests.conformance.projects import PROJECT, SHOP, generate
from tests.conformance.table import PAGE, column, features, written
from tests.installed import Installed
from upnext_codegen.catalog.render import MOST_EVENTS

made_once = pytest.mark.xdist_group("conformance")  # in one process, each project is made once

FEW = 30
"""Events enough for a catalog of many, where they are told to count as such: pyright takes long over hundreds."""


@pytest.fixture(scope="module")
def project(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a project with sends of every form."""
    target = tmp_path_factory.mktemp("conformance") / "project"
    report = generate(PROJECT, target, installed)
    # `upnext gen` refuses the misspelt event and the bad declarations as well, and writes the catalog all the same.
    assert set(re.findall(r"error\[(\w+)\]", report)) == {"UPN003", "UPN004", "UPN109", "UPN201"}
    return target


@pytest.fixture(scope="module", params=[FEW, pytest.param(MOST_EVENTS, marks=pytest.mark.modes)])
def large(request: pytest.FixtureRequest, installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the same project with so many more events that the catalog has two levels."""
    source, target = tmp_path_factory.mktemp("large") / "source", tmp_path_factory.mktemp("large") / "project"
    shutil.copytree(PROJECT, source)
    _crowd(source, "from shop.events import worker", request.param)
    generate(source, target, installed, most_events=request.param)
    assert "class Event0(" in (target / "src" / "upnext_catalog.pyi").read_text(encoding="utf-8")
    return target


@pytest.fixture(scope="module", params=[FEW, pytest.param(MOST_EVENTS, marks=pytest.mark.modes)])
def divided(request: pytest.FixtureRequest, installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give it with as many, but nothing that is done with a worker beside making it: each worker then has a class."""
    source, target = tmp_path_factory.mktemp("divided") / "source", tmp_path_factory.mktemp("divided") / "project"
    shutil.copytree(PROJECT, source)
    for name in ("services", "send_elsewhere", "send_from_anywhere"):
        (source / "src" / "shop" / f"{name}.py").unlink()
    _crowd(source, 'import upnext\nworker = upnext.Worker("crowd", concurrency=10)', request.param)
    generate(source, target, installed, most_events=request.param)
    stub = (target / "src" / "upnext_catalog.pyi").read_text(encoding="utf-8")
    assert "class OrdersWorker(" in stub
    assert "class CrowdWorker(" in stub
    return target


def _crowd(source: Path, head: str, events: int = MOST_EVENTS) -> None:
    lines = [head]
    for number in range(events):
        lines += [f'many{number} = worker.event("many.{number}")', f"@many{number}.on", f"def on{number}(a: int): ..."]
    # What the services that are left out for one of them ask for.
    lines += [
        "from shop.events import order_placed",
        "@order_placed.on",
        'def bill(order_id: str, currency: str = "EUR", **_: object): ...',
    ]
    lines += ["async def sends() -> None:", "    await many7.send(a=1)", "    await many8.send(b=1)  # E"]
    (source / "src" / "shop" / "many.py").write_text("\n".join(lines), encoding="utf-8")


def _with_a_module(source: Path) -> None:
    """Have a project import its workers' class from the catalog of its own."""
    settings = source / "pyproject.toml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(f'{text}\n[tool.upnext]\ncatalog = "shop.catalog"\n', encoding="utf-8")
    for path in (source / "src" / "shop").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        if "upnext.Worker" in text:
            text = text.replace("upnext.Worker", "Worker")
            path.write_text(text.replace("import upnext\n", "import upnext\nfrom shop.catalog import Worker\n", 1))


@pytest.fixture(
    scope="module",
    params=[
        "one class an event",
        pytest.param("two levels", marks=pytest.mark.modes),
        pytest.param("a class a worker", marks=pytest.mark.modes),
    ],
)
def module(request: pytest.FixtureRequest, installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the same project with a module of its own for a catalog, in each of its forms."""
    source, target = tmp_path_factory.mktemp("module") / "source", tmp_path_factory.mktemp("module") / "project"
    shutil.copytree(PROJECT, source)
    head = "from shop.events import worker"
    if request.param == "a class a worker":
        for name in ("services", "send_elsewhere", "send_from_anywhere"):
            (source / "src" / "shop" / f"{name}.py").unlink()
        head = 'import upnext\nworker = upnext.Worker("crowd", concurrency=10)'
    if request.param != "one class an event":
        _crowd(source, head)
    _with_a_module(source)
    generate(source, target, installed)
    stub = (target / "src" / "shop" / "catalog.pyi").read_text(encoding="utf-8")
    form = {"one class an event": "class OrderPlacedSend(_up", "two levels": "class Event0("}
    assert form.get(request.param, "class OrdersWorker(Worker)") in stub
    assert not (target / "src" / "upnext_catalog.pyi").exists()
    return target


@made_once
@pytest.mark.parametrize("checker", SELDOM_PYRIGHT)
def test_with_a_module_of_its_own_for_a_catalog_a_checker_reports_the_same(
    checker: str, module: Path, installed: Installed
) -> None:
    verdict = CHECKERS[checker](module, installed)
    refused = set[str]()
    if "pyright" in checker and "class Event0(" in (module / "src/shop/catalog.pyi").read_text(encoding="utf-8"):
        refused = _refused_protocols(module)
    if checker == "ty" and "class OrdersWorker(" in (module / "src/shop/catalog.pyi").read_text(encoding="utf-8"):
        refused = _refused_attributes(module)
    assert sorted(verdict.errors) == sorted(marked(module) | refused), verdict.output


@made_once
@pytest.mark.parametrize("checker", QUICKLY)  # it is what stands in `upnext_catalog.pyi`, but for its head
def test_at_its_strictest_a_checker_finds_no_fault_in_a_catalog_that_is_a_module(
    checker: str, module: Path, installed: Installed
) -> None:
    verdict = STRICT[checker](module, installed)
    assert not [line for line in verdict.errors if "catalog" in line], verdict.output


@pytest.mark.xdist_group("editable")
@pytest.mark.parametrize(
    ("checker", "kind"),
    [
        # Six runs of a checker each; the slower ones have their own target.
        pytest.param(checker, kind, marks=() if checker in {"ty", "pyrefly"} else pytest.mark.modes)
        for checker in CHECKERS
        for kind in routes.KINDS
        if kind[0] == "c" or "pyright" not in checker
    ],
)
def test_by_every_route_a_checker_reads_the_catalog_that_the_page_says(
    checker: str, kind: str, own_installed: Installed, tmp_path: Path
) -> None:
    """Two projects of one repository, installed editable, each with a catalog of its own."""
    folder = tmp_path.resolve()
    routes.build(folder, kind, own_installed)
    with routes.editable(folder, own_installed):
        found = routes.cells(checker, folder, own_installed)
    said = written(PAGE.read_text(encoding="utf-8"), "routes")[checker]
    assert {routes.row(kind, route): cell for route, cell in found.items()} == {
        line: cell for line, cell in said.items() if cell and line.startswith(f"`{kind}`")
    }


@pytest.fixture(scope="module")
def shop(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the example application with a file of good and bad sends."""
    target = tmp_path_factory.mktemp("example") / "shop"
    shutil.copytree(Path(__file__).parent / "shop_sends", target)
    generate(SHOP, target, installed)
    # What is tested are the checkers' defaults.
    (target / "pyproject.toml").write_text('[project]\nname = "shop"\nversion = "1.0"\n', encoding="utf-8")
    return target


@made_once
@pytest.mark.parametrize("checker", CHECKERS)
def test_a_checker_without_settings_reports_exactly_the_bad_sends(
    checker: str, project: Path, installed: Installed
) -> None:
    verdict = CHECKERS[checker](project, installed)
    assert sorted(verdict.errors) == sorted(marked(project)), verdict.output
    # `python -m tests.conformance` writes the page.
    assert written(PAGE.read_text(encoding="utf-8"), "sends")[checker] == column(
        checker, features(project), verdict.errors
    )


@made_once
@pytest.mark.parametrize("checker", SELDOM_PYRIGHT)
def test_above_300_events_a_checker_reports_the_same(checker: str, large: Path, installed: Installed) -> None:
    verdict = CHECKERS[checker](large, installed)
    # docs/conformance.md says so: an event is not a `Protocol` with a method `send` there, for these two.
    known = _refused_protocols(large) if "pyright" in checker else set[str]()
    assert sorted(verdict.errors) == sorted(marked(large) | known), verdict.output


def _refused_protocols(project: Path) -> set[str]:
    path = project / "src" / "shop" / "send_structurally.py"
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    refused = {f"src/shop/{path.name}:{number}" for number, line in lines if line.startswith("    await place(")}
    return refused - marked(project)


@made_once
@pytest.mark.parametrize("checker", SELDOM_PYRIGHT)
def test_above_300_events_of_several_workers_a_checker_reports_the_same(
    checker: str, divided: Path, installed: Installed
) -> None:
    verdict = CHECKERS[checker](divided, installed)
    known = _refused_attributes(divided) if checker == "ty" else set[str]()
    assert sorted(verdict.errors) == sorted(marked(divided) | known), verdict.output


def _refused_attributes(project: Path) -> set[str]:
    """Sends kept in attributes that ty wants further arguments for; docs/conformance.md says so."""
    path = project / "src" / "shop" / "send_bound.py"
    kept = re.compile(r"        (await )?self\.(announce_now|announce_later|confirm|confirm_later)\(")
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    return {f"src/shop/{path.name}:{number}" for number, line in lines if kept.match(line)} - marked(project)


@made_once
@pytest.mark.parametrize("checker", QUICKLY)
def test_above_300_events_a_checker_at_its_strictest_finds_no_fault_in_the_catalog(
    checker: str, large: Path, divided: Path, installed: Installed
) -> None:
    for project in (large, divided):
        verdict = STRICT[checker](project, installed)
        assert not [line for line in verdict.errors if "upnext_catalog" in line], verdict.output


@made_once
def test_mypy_would_find_no_fault_in_the_catalog_if_it_were_not_spared_the_work(
    project: Path, installed: Installed, tmp_path: Path
) -> None:
    _is_clean_without_being_spared(project, installed, tmp_path)


@made_once
def test_nor_would_it_above_300_events(large: Path, divided: Path, installed: Installed, tmp_path: Path) -> None:
    for name, project in (("large", large), ("divided", divided)):
        _is_clean_without_being_spared(project, installed, tmp_path / name)


def _is_clean_without_being_spared(project: Path, installed: Installed, tmp_path: Path) -> None:
    shutil.copytree(project, tmp_path, dirs_exist_ok=True)
    stub = tmp_path / "src" / "upnext_catalog.pyi"
    spared = "# mypy: ignore-errors\n"
    codes = "overload-overlap, type-arg, explicit-any, import-untyped, no-any-unimported, deprecated"
    honest = f'# mypy: disable-error-code="{codes}"\n'
    text = stub.read_text(encoding="utf-8")
    assert text.count(spared) == 1
    stub.write_text(text.replace(spared, honest), encoding="utf-8")
    verdict = STRICT["mypy"](tmp_path, installed)
    assert not [line for line in verdict.errors if "upnext_catalog" in line], verdict.output


@made_once
@pytest.mark.parametrize("checker", QUICKLY)  # tests/catalog/test_checkers.py has every checker read more forms
def test_at_its_strictest_a_checker_finds_no_fault_in_the_catalog(
    checker: str, project: Path, installed: Installed
) -> None:
    verdict = STRICT[checker](project, installed)
    assert not [line for line in verdict.errors if "upnext_catalog" in line], verdict.output
    # The good sends stay good: what such settings ask of the project's own annotations is another matter.
    assert marked(project) <= verdict.errors, verdict.output


@made_once
@pytest.mark.parametrize("checker", QUICKLY)  # the project above has every form of send that the example has
def test_a_checker_without_settings_reports_exactly_the_bad_sends_of_the_example(
    checker: str, shop: Path, installed: Installed
) -> None:
    verdict = CHECKERS[checker](shop, installed)
    assert sorted(verdict.errors) == sorted(marked(shop)), verdict.output
