"""Every type checker reports the bad sends of a project, and nothing else: the lines that end in `# E`.

They have no settings but the interpreter, in whose environment the wheel is installed.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.checkers import CHECKERS, STRICT, marked
from tests.conformance.projects import PROJECT, SHOP, generate
from tests.conformance.table import PAGE, column, features, written
from tests.installed import Installed
from upnext_codegen.catalog.render import MOST_EVENTS


@pytest.fixture(scope="module")
def project(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a project with sends of every form."""
    target = tmp_path_factory.mktemp("conformance") / "project"
    report = generate(PROJECT, target, installed)
    # `upnext gen` refuses the misspelt event and the bad declarations as well, and writes the catalog all the same.
    assert set(re.findall(r"error\[(\w+)\]", report)) == {"UPN003", "UPN004", "UPN109", "UPN201"}
    return target


@pytest.fixture(scope="module")
def large(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the same project with so many more events that the catalog has two levels."""
    source, target = tmp_path_factory.mktemp("large") / "source", tmp_path_factory.mktemp("large") / "project"
    shutil.copytree(PROJECT, source)
    _crowd(source, "from shop.events import worker")
    generate(source, target, installed)
    assert "class Event0(" in (target / "src" / "upnext_catalog.pyi").read_text(encoding="utf-8")
    return target


@pytest.fixture(scope="module")
def divided(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give it with as many, but nothing that is done with a worker beside making it: each worker then has a class."""
    source, target = tmp_path_factory.mktemp("divided") / "source", tmp_path_factory.mktemp("divided") / "project"
    shutil.copytree(PROJECT, source)
    for name in ("services", "send_elsewhere", "send_from_anywhere"):
        (source / "src" / "shop" / f"{name}.py").unlink()
    _crowd(source, 'import upnext\nworker = upnext.Worker("crowd", concurrency=10)')
    generate(source, target, installed)
    stub = (target / "src" / "upnext_catalog.pyi").read_text(encoding="utf-8")
    assert "class OrdersWorker(" in stub
    assert "class CrowdWorker(" in stub
    return target


def _crowd(source: Path, head: str) -> None:
    lines = [head]
    for number in range(MOST_EVENTS):
        lines += [f'many{number} = worker.event("many.{number}")', f"@many{number}.on", f"def on{number}(a: int): ..."]
    # What the services that are left out for one of them ask for.
    lines += [
        "from shop.events import order_placed",
        "@order_placed.on",
        'def bill(order_id: str, currency: str = "EUR", **_: object): ...',
    ]
    lines += ["async def sends() -> None:", "    await many7.send(a=1)", "    await many8.send(b=1)  # E"]
    (source / "src" / "shop" / "many.py").write_text("\n".join(lines), encoding="utf-8")


@pytest.fixture(scope="module")
def shop(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the example application with a file of good and bad sends."""
    target = tmp_path_factory.mktemp("example") / "shop"
    shutil.copytree(Path(__file__).parent / "shop_sends", target)
    generate(SHOP, target, installed)
    # What is tested are the checkers' defaults.
    (target / "pyproject.toml").write_text('[project]\nname = "shop"\nversion = "1.0"\n', encoding="utf-8")
    return target


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


@pytest.mark.parametrize("checker", CHECKERS)
def test_above_300_events_a_checker_reports_the_same(checker: str, large: Path, installed: Installed) -> None:
    verdict = CHECKERS[checker](large, installed)
    # docs/conformance.md says so: an event is no `Protocol` with a method `send` there, for these two.
    wrong = large / "src" / "shop" / "send_structurally.py"
    lines = enumerate(wrong.read_text(encoding="utf-8").splitlines(), 1)
    refused = {f"src/shop/{wrong.name}:{number}" for number, line in lines if line.startswith("    await place(")}
    known = (refused - marked(large)) if "pyright" in checker else set[str]()
    assert sorted(verdict.errors) == sorted(marked(large) | known), verdict.output


@pytest.mark.parametrize("checker", CHECKERS)
def test_above_300_events_of_several_workers_a_checker_reports_the_same(
    checker: str, divided: Path, installed: Installed
) -> None:
    verdict = CHECKERS[checker](divided, installed)
    assert sorted(verdict.errors) == sorted(marked(divided)), verdict.output


@pytest.mark.parametrize("size", ["large", "divided"])
@pytest.mark.parametrize("checker", STRICT)
def test_above_300_events_a_checker_at_its_strictest_finds_no_fault_in_the_catalog(
    checker: str, size: str, installed: Installed, request: pytest.FixtureRequest
) -> None:
    verdict = STRICT[checker](request.getfixturevalue(size), installed)
    assert not [line for line in verdict.errors if "upnext_catalog" in line], verdict.output


@pytest.mark.parametrize("size", ["large", "divided"])
def test_above_300_events_mypy_would_find_no_fault_if_it_were_not_spared_the_work(
    size: str, project: Path, installed: Installed, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    shutil.copytree(request.getfixturevalue(size), tmp_path, dirs_exist_ok=True)
    stub = tmp_path / "src" / "upnext_catalog.pyi"
    spared, small = "# mypy: ignore-errors\n", (project / "src" / "upnext_catalog.pyi").read_text(encoding="utf-8")
    (honest,) = re.findall(r"^# mypy: .*\n", small, re.MULTILINE)
    text = stub.read_text(encoding="utf-8")
    assert text.count(spared) == 1
    stub.write_text(text.replace(spared, honest), encoding="utf-8")
    verdict = STRICT["mypy"](tmp_path, installed)
    assert not [line for line in verdict.errors if "upnext_catalog" in line], verdict.output


@pytest.mark.parametrize("checker", STRICT)
def test_at_its_strictest_a_checker_finds_no_fault_in_the_catalog(
    checker: str, project: Path, installed: Installed
) -> None:
    verdict = STRICT[checker](project, installed)
    assert not [line for line in verdict.errors if "upnext_catalog" in line], verdict.output
    # The good sends stay good: what such settings ask of the project's own annotations is another matter.
    assert marked(project) <= verdict.errors, verdict.output


@pytest.mark.parametrize("checker", CHECKERS)
def test_a_checker_without_settings_reports_exactly_the_bad_sends_of_the_example(
    checker: str, shop: Path, installed: Installed
) -> None:
    verdict = CHECKERS[checker](shop, installed)
    assert sorted(verdict.errors) == sorted(marked(shop)), verdict.output
