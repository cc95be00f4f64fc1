"""Which project's catalog the plugin brings up to date, where it writes nothing, and what it says when it cannot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.forked import Forked
from tests.installed import TOOLS, without_own
from upnext_mypy.refresh import Outcome, refresh

EVENTS = """\
import upnext

worker = upnext.Worker("app")
order_placed = worker.event("order.placed")


@order_placed.on
async def confirm(order_id: str) -> None: ...
"""
NAMED = '[project]\nname = "app"\ndependencies = ["upnext"]\n'
UNNAMED = '[project]\nname = "app"\n'
CONFIGURATION = "[mypy]\nplugins = upnext_mypy\n"


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def generated(root: Path) -> set[str]:
    return {name for name in files(root) if name.endswith((".pyi", ".lock")) or ".upnext" in name}


def test_a_project_that_names_upnext_and_declares_an_event_gets_its_catalog(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": NAMED, "src/app/events.py": EVENTS})
    assert refresh(tmp_path / "pyproject.toml", tmp_path) == Outcome(changed=True)
    assert generated(tmp_path) == {"src/upnext_catalog.pyi", "upnext.lock"}


def test_a_catalog_that_is_up_to_date_is_left_alone(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": NAMED, "events.py": EVENTS})
    refresh(tmp_path / "pyproject.toml", tmp_path)
    before = (tmp_path / "upnext_catalog.pyi").stat()
    assert refresh(tmp_path / "pyproject.toml", tmp_path) == Outcome()
    after = (tmp_path / "upnext_catalog.pyi").stat()  # being read may change when it was last read
    assert (after.st_ino, after.st_mtime_ns, after.st_ctime_ns) == (
        before.st_ino,
        before.st_mtime_ns,
        before.st_ctime_ns,
    )


AGAIN = """\
import sys
from pathlib import Path
from upnext_mypy.refresh import refresh
outcome = refresh(Path("pyproject.toml").absolute(), Path.cwd())
print(outcome.changed, outcome.trouble, "jinja2" in sys.modules)
"""


def again(root: Path) -> str:
    """Bring a catalog up to date in a process of its own, which has imported what that always takes."""
    script = TOOLS / "python"
    process = Forked([], env=without_own(), cwd=root, stdin=subprocess.PIPE, program=AGAIN, script=script)
    out, err = process.communicate()
    assert process.wait() == 0, err
    return out.strip()


def test_where_nothing_has_changed_nothing_is_rendered(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": NAMED, "events.py": EVENTS})
    assert again(tmp_path) == "True None True"
    assert again(tmp_path) == "False None True"  # the first run had no cache, and so nothing to be sure of
    assert again(tmp_path) == "False None False"


def test_whatever_changes_or_goes_is_seen_after_a_run_that_rendered_nothing(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": NAMED, "events.py": EVENTS.replace(") -> None", ", **kwargs: object) -> None")})
    for name, old, new in (
        ("upnext_catalog.pyi", "order_id", "order_no"),
        ("upnext.lock", "order_id", "order_no"),
        ("events.py", "order_id: str", "order_no: str"),
        ("pyproject.toml", '"upnext"]', '"upnext"]\n[tool.upnext]\nextra = "forbid"'),
    ):
        while not again(tmp_path).endswith("False"):
            pass
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert old in text
        (tmp_path / name).write_text(text.replace(old, new), encoding="utf-8")
        assert again(tmp_path) == "True None True", name
    for name in ("upnext_catalog.pyi", "upnext.lock"):
        while not again(tmp_path).endswith("False"):
            pass
        (tmp_path / name).unlink()
        again(tmp_path)
        assert generated(tmp_path) >= {"upnext_catalog.pyi", "upnext.lock"}


def test_a_project_without_pyproject_toml_gets_its_catalog_by_the_configuration_that_stands_in_it(
    tmp_path: Path,
) -> None:
    write(tmp_path, {"mypy.ini": CONFIGURATION, "src/app/events.py": EVENTS})
    assert refresh(tmp_path / "mypy.ini", tmp_path / "src").changed
    assert generated(tmp_path) == {"src/upnext_catalog.pyi", "upnext.lock"}


def test_the_configuration_of_a_user_does_not_make_a_project_of_the_folder_that_it_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {".mypy.ini": CONFIGURATION, "code/events.py": EVENTS})
    monkeypatch.setattr("upnext_mypy.refresh.USER_CONFIG_FILES", [str(tmp_path / ".mypy.ini")])
    assert refresh(tmp_path / ".mypy.ini", tmp_path / "code") == Outcome()
    assert generated(tmp_path) == set()


def test_a_project_in_which_no_event_is_declared_gets_nothing(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": NAMED, "app.py": "import upnext\n\nworker = upnext.Worker('app')\n"})
    assert refresh(tmp_path / "pyproject.toml", tmp_path) == Outcome()
    assert files(tmp_path) == {"pyproject.toml", "app.py"}


def test_a_project_that_does_not_name_upnext_gets_nothing_from_a_configuration_of_the_user(tmp_path: Path) -> None:
    write(tmp_path, {"home/mypy.ini": CONFIGURATION, "code/pyproject.toml": UNNAMED, "code/events.py": EVENTS})
    assert refresh(tmp_path / "home" / "mypy.ini", tmp_path / "code") == Outcome()
    assert generated(tmp_path) == set()


def test_a_configuration_that_lists_the_plugin_speaks_for_the_project_around_it(tmp_path: Path) -> None:
    write(tmp_path, {"settings/mypy.ini": CONFIGURATION, "pyproject.toml": UNNAMED, "events.py": EVENTS})
    assert refresh(tmp_path / "settings" / "mypy.ini", tmp_path).changed
    assert generated(tmp_path) == {"upnext_catalog.pyi", "upnext.lock"}


def test_with_refresh_turned_off_nothing_is_written(tmp_path: Path) -> None:
    settings = NAMED + "[tool.upnext]\nrefresh = false\n"
    write(tmp_path, {"pyproject.toml": settings, "events.py": EVENTS, "upnext_catalog.pyi": ""})
    foreign = "upnext_catalog.pyi exists and was not written by upnext, so nothing is written"
    outcome = refresh(tmp_path / "pyproject.toml", tmp_path)
    assert outcome == Outcome(stale=(foreign, "move the file away, then run `upnext gen`"), root=tmp_path)
    assert (tmp_path / "upnext_catalog.pyi").read_text(encoding="utf-8") == ""


def test_started_in_a_subfolder_it_finds_the_project_around(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": NAMED, "src/app/events.py": EVENTS})
    assert refresh(tmp_path / "pyproject.toml", tmp_path / "src" / "app").changed
    assert generated(tmp_path) == {"src/upnext_catalog.pyi", "upnext.lock"}


@pytest.mark.parametrize("start", ["shop", "elsewhere"])
def test_a_shared_configuration_serves_the_project_that_mypy_is_started_in(start: str, tmp_path: Path) -> None:
    write(tmp_path, {"shared/mypy.ini": CONFIGURATION, "shop/pyproject.toml": NAMED, "shop/events.py": EVENTS})
    (tmp_path / "elsewhere").mkdir()
    assert refresh(tmp_path / "shared" / "mypy.ini", tmp_path / start).changed is (start == "shop")


def test_started_elsewhere_it_serves_the_project_of_its_configuration(tmp_path: Path) -> None:
    write(tmp_path, {"shop/pyproject.toml": NAMED, "shop/events.py": EVENTS, "tools/pyproject.toml": NAMED})
    assert refresh(tmp_path / "shop" / "pyproject.toml", tmp_path / "tools").changed
    assert generated(tmp_path) == {"shop/upnext_catalog.pyi", "shop/upnext.lock"}


def test_started_in_a_project_below_its_configuration_it_serves_that_project(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": NAMED, "shop/pyproject.toml": NAMED, "shop/events.py": EVENTS})
    assert refresh(tmp_path / "pyproject.toml", tmp_path / "shop").changed
    assert generated(tmp_path) == {"shop/upnext_catalog.pyi", "shop/upnext.lock"}


@pytest.mark.parametrize("project", [NAMED, UNNAMED])
def test_a_configuration_above_the_project_makes_no_project_of_the_folder_that_it_is_in(
    project: str, tmp_path: Path
) -> None:
    write(tmp_path, {"x.ini": CONFIGURATION, "shop/pyproject.toml": project, "shop/events.py": EVENTS})
    write(tmp_path, {"other/events.py": EVENTS})
    refresh(tmp_path / "x.ini", tmp_path / "shop")
    refresh(tmp_path / "x.ini", tmp_path, [tmp_path / "shop" / "events.py"])
    assert all(name.startswith("shop/") for name in generated(tmp_path))
    refresh(tmp_path / "x.ini", tmp_path, [tmp_path / "shop" / "events.py", tmp_path / "other" / "events.py"])
    assert {"upnext_catalog.pyi", "upnext.lock"} <= generated(tmp_path)


def test_a_catalog_stays_up_to_date_when_the_last_event_goes(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": NAMED, "events.py": EVENTS})
    refresh(tmp_path / "pyproject.toml", tmp_path)
    write(tmp_path, {"events.py": ""})
    assert refresh(tmp_path / "pyproject.toml", tmp_path).changed
    assert "order.placed" not in (tmp_path / "upnext_catalog.pyi").read_text(encoding="utf-8")


def test_a_project_without_pyproject_toml_keeps_the_catalog_that_was_generated_for_it(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": NAMED, "events.py": EVENTS, "mypy.ini": CONFIGURATION})
    refresh(tmp_path / "mypy.ini", tmp_path)
    (tmp_path / "pyproject.toml").unlink()
    write(tmp_path, {"events.py": EVENTS.replace("order_id", "order_number")})
    assert refresh(tmp_path / "mypy.ini", tmp_path).changed


def test_what_is_wrong_in_the_sources_is_left_to_upnext_gen(tmp_path: Path) -> None:
    bad = EVENTS.replace("order_id: str", "order_id: str, /")
    write(tmp_path, {"pyproject.toml": NAMED, "events.py": EVENTS, "bad.py": bad, "broken.py": "import upnext\ndef"})
    assert refresh(tmp_path / "pyproject.toml", tmp_path) == Outcome(changed=True)


@pytest.mark.parametrize(
    ("settings", "trouble"),
    [
        ("[tool.upnext]\ncolour = 1\n", "Unknown key 'colour' in [tool.upnext]"),
        ("[tool.upnext\n", "pyproject.toml cannot be read"),
        ('[tool.upnext]\nout = "../elsewhere"\n', "leads out of"),
    ],
)
def test_settings_that_cannot_be_used_are_told_in_one_line(settings: str, trouble: str, tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": NAMED + settings, "events.py": EVENTS})
    outcome = refresh(tmp_path / "pyproject.toml", tmp_path)
    assert outcome.trouble is not None
    assert trouble in outcome.trouble
    assert "\n" not in outcome.trouble
    assert generated(tmp_path) == set()


def test_a_file_that_upnext_did_not_write_is_left_alone_and_named(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": NAMED, "events.py": EVENTS, "upnext_catalog.pyi": "mine = 1\n"})
    outcome = refresh(tmp_path / "pyproject.toml", tmp_path)
    assert outcome == Outcome(trouble="upnext_catalog.pyi exists and was not written by upnext, so nothing is written")
    assert (tmp_path / "upnext_catalog.pyi").read_text(encoding="utf-8") == "mine = 1\n"


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"pyproject.toml": NAMED, "events.py": EVENTS})
    monkeypatch.setitem(sys.modules, "upnext_codegen.scan", None)
    trouble = refresh(tmp_path / "pyproject.toml", tmp_path).trouble
    assert trouble is not None
    assert trouble.endswith("install upnext[mypy]")


def test_a_fault_of_the_generator_does_not_come_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"pyproject.toml": NAMED, "events.py": EVENTS})

    def fail(*_: object, **__: object) -> None:
        raise RecursionError("too\ndeep")

    monkeypatch.setattr("upnext_codegen.scan.scan", fail)
    assert refresh(tmp_path / "pyproject.toml", tmp_path) == Outcome(trouble="too deep")
