"""Nothing that matters is left out in silence: UPN005 and UPN006."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.codegen.reading import HEAD, read, write
from upnext_codegen.findings import Finding
from upnext_codegen.project import find_project, load_project
from upnext_codegen.scan import scan

ON = "@placed.on\ndef confirm(order_id: str, **kwargs: object): ...\n"
HANDLER = f"from shop.events import placed\n{ON}"
QUIET = {"shop/__init__.py": "", "shop/events.py": HEAD, "shop/mail.py": HANDLER}


def said(findings: tuple[Finding, ...]) -> str:
    return "\n".join(
        f"{each.place.file}:{each.place.line} {each.code} {each.message}; {each.help}" for each in findings
    )


@pytest.mark.parametrize(
    ("sources", "reason", "help_"),
    [
        ({".gitignore": "made/\n"}, "ignored by .gitignore", 'add "shop/made/events.py" to include in [tool.upnext]'),
        (
            {"shop/.gitignore": "/made/*.py\n"},
            "ignored by shop/.gitignore",
            'add "shop/made/events.py" to include in [tool.upnext]',
        ),
        (
            {"pyproject.toml": '[tool.upnext]\nexclude = ["made"]\n'},
            "named by exclude in [tool.upnext]",
            "remove the pattern from exclude in [tool.upnext], or the import",
        ),
        (
            {"shop/made/pyvenv.cfg": ""},
            "a virtual environment",
            'add "shop/made/events.py" to include in [tool.upnext]',
        ),
        (
            {"shop/made/pyproject.toml": "[tool.upnext]\n"},
            "a project of its own",
            'add "shop/made/events.py" to include in [tool.upnext]',
        ),
    ],
)
@pytest.mark.parametrize("written", ["from shop.made.events import placed", "from .made.events import placed"])
def test_an_event_that_comes_from_a_module_that_is_left_out_is_reported(
    written: str, sources: dict[str, str], reason: str, help_: str, tmp_path: Path
) -> None:
    """Whatever leaves it out, and however the import is spelt."""
    files = sources | {"shop/__init__.py": "", "shop/made/events.py": HEAD, "shop/mail.py": f"{written}\n{ON}"}
    _, findings = read(tmp_path, files)
    module = written.split()[1]
    assert said(findings) == (
        f'shop/mail.py:1 UPN005 event "order.placed" is reached through "{module}", which is not read: '
        f"shop/made/events.py is {reason}; {help_}"
    )


@pytest.mark.parametrize("name", ["build", "dist", "venv", "tests"])
def test_a_folder_at_the_top_that_is_left_out_by_default_is_reported_where_events_come_from_it(
    name: str, tmp_path: Path
) -> None:
    """There it is what tools and tests leave behind, unless the sources import it."""
    files = {f"{name}/__init__.py": "", f"{name}/events.py": HEAD, "mail.py": f"from {name}.events import placed\n{ON}"}
    _, findings = read(tmp_path, files)
    assert [each.code for each in findings] == ["UPN005"]
    assert findings[0].help == f'add "{name}/events.py" to include in [tool.upnext]'


@pytest.mark.parametrize(
    ("importer", "others"),
    [
        ("import shop.made.handlers\n", {}),
        ("import shop.made\n", {"shop/made/__init__.py": "from shop.made import handlers\n"}),
        ("from shop import made\n", {"shop/made/__init__.py": "from . import handlers as h\n"}),
        ("def main():\n    import shop.made.more\n", {"shop/made/more.py": "import shop.made.handlers\n"}),
    ],
)
def test_handlers_that_are_imported_for_their_effect_are_reported(
    importer: str, others: dict[str, str], tmp_path: Path
) -> None:
    """A file that says nothing of events loses handlers when what it imports is left out."""
    files = QUIET | {".gitignore": "made/\n", "shop/made/handlers.py": HANDLER, "main.py": importer} | others
    scanned, findings = read(tmp_path, files)
    assert len(scanned.handlers) == 1
    assert [(each.code, each.place.file) for each in findings] == [("UPN005", "main.py")]


LOADED = {
    "with the package beside it": "import importlib\nimportlib.import_module('.{name}', package='shop')\n",
    "with the package as an argument": "from importlib import import_module\nimport_module('.{name}', 'shop')\n",
    "by a keyword": "import importlib\nimportlib.import_module(name='shop.{name}')\n",
    "under another name": "from importlib import import_module as load\nload('shop.{name}')\n",
    "from a constant": "import importlib\nNAME = 'shop.{name}'\nimportlib.import_module(NAME)\n",
    "from a list": "import importlib\nfor each in ('shop.events', 'shop.{name}'):\n    importlib.import_module(each)\n",
    "by a star": "from shop.{name} import *\n",
    "late": "def main():\n    __import__(name='shop.{name}')\n",
}


@pytest.mark.parametrize("name", ["conftest", "test_mail"])
@pytest.mark.parametrize("way", LOADED)
def test_a_file_of_tests_that_is_imported_for_its_handlers_is_reported(way: str, name: str, tmp_path: Path) -> None:
    files = {"shop/__init__.py": "", "shop/events.py": HEAD, f"shop/{name}.py": HANDLER}
    _, findings = read(tmp_path, files | {"main.py": LOADED[way].format(name=name)})
    assert [(each.code, each.place.file, each.help) for each in findings] == [
        ("UPN005", "main.py", f'add "shop/{name}.py" to include in [tool.upnext]')
    ]


@pytest.mark.parametrize(
    "source",
    [
        "import importlib, sys\nif sys.argv[1] != 'shop.conftest':\n    importlib.import_module(sys.argv[1])\n",
        "HANDLERS = ['shop.conftest']\n",
        "import importlib\nimportlib.import_module('shop.conftests')\nimportlib.import_module('conftest')\n",
    ],
)
def test_a_text_that_imports_nothing_is_not_reported(source: str, tmp_path: Path) -> None:
    files = {"shop/__init__.py": "", "shop/events.py": HEAD, "shop/conftest.py": HANDLER, "main.py": source}
    assert read(tmp_path, files)[1] == ()


def test_a_left_out_module_that_only_passes_an_event_on_is_reported(tmp_path: Path) -> None:
    """It says nothing of upnext itself."""
    files = {"shop/__init__.py": "", "shop/events.py": HEAD, "shop/made/api.py": "from shop.events import placed\n"}
    _, findings = read(
        tmp_path, files | {".gitignore": "made/\n", "shop/mail.py": f"from shop.made.api import placed\n{ON}"}
    )
    assert [(each.code, each.place.file) for each in findings] == [("UPN005", "shop/mail.py")]


LINKED = {
    "a name": f"from shared.events import placed\n{ON}",
    "a module": "from shared import events\n@events.placed.on\ndef confirm(order_id: str): ...\n",
    "its effect": "import shared.events\n",
    "another file": "from passing import placed\n@placed.on\ndef confirm(order_id: str): ...\n",
}


@pytest.mark.parametrize("way", LINKED)
def test_a_link_out_of_the_project_is_reported_where_events_are_behind_it(way: str, tmp_path: Path) -> None:
    """A folder that is shared by a link is not part of the project."""
    write(tmp_path / "libs", {"shared/__init__.py": "", "shared/events.py": HEAD})
    passing = {"passing.py": "from shared.events import placed\n"} if way == "another file" else {}
    root = write(tmp_path / "service", passing | {"mail.py": LINKED[way]})
    (root / "shared").symlink_to(tmp_path / "libs" / "shared")
    file = next(iter(passing), "mail.py")
    for _ in range(2):
        assert said(scan(load_project(root))[1]) == (
            f'{file}:1 UPN005 event "order.placed" is reached through "shared.events", which is not read: '
            "shared/events.py is a link that leads out of the project; move the module into the project, or run upnext "
            "in a folder that holds both"
        )
    (tmp_path / "libs" / "shared" / "events.py").write_bytes(b"placed = 1\n")
    assert "UPN005" not in said(scan(load_project(root), use_cache=False)[1])


def test_the_column_of_an_import_is_counted_in_characters(tmp_path: Path) -> None:
    """As those of all other findings are."""
    files = {".gitignore": "made/\n", "made/events.py": HEAD}
    _, findings = read(tmp_path, files | {"mail.py": f"größe = 'ä€😀'; from made.events import placed\n{ON}"})
    assert [(each.code, each.place.line, each.place.column) for each in findings] == [("UPN005", 1, 16)]


OUTSIDE = {
    "uv": '[tool.uv.sources]\ncore = {path = "../core", editable = true}\n',
    "Poetry": '[tool.poetry.dependencies]\ncore = {path = "../core", develop = true}\n',
}


@pytest.mark.parametrize("tool", OUTSIDE)
def test_a_dependency_outside_of_the_project_is_reported_where_events_come_from_it(tool: str, tmp_path: Path) -> None:
    """With a workspace around both nothing is left to report."""
    core = '[project]\nname = "core"\n'
    write(tmp_path / "core", {"pyproject.toml": core, "src/core/events.py": HEAD, "src/core/texts.py": "on = 1\n"})
    mail = f"from core import texts\nfrom core.events import placed\n{ON}"
    root = write(tmp_path / "api", {"pyproject.toml": OUTSIDE[tool], "src/api/mail.py": mail})
    for _ in range(2):
        scanned, findings = scan(load_project(root))
        assert scanned.handlers == ()
        assert said(findings) == (
            'src/api/mail.py:2 UPN005 event "order.placed" is reached through "core.events", which is not read: '
            "../core/src/core/events.py is part of a dependency outside of the project; put a pyproject.toml above "
            "both that names them as members of a workspace, and run upnext there"
        )
    write(tmp_path, {"pyproject.toml": '[tool.uv.workspace]\nmembers = ["core", "api"]\n'})
    scanned, findings = scan(find_project(root))
    assert ([each.event for each in scanned.handlers], findings) == (["order.placed"], ())


@pytest.mark.parametrize(
    "files",
    [
        {
            ".gitignore": "_version.py\n",
            "shop/_version.py": "v = 1\n",
            "shop/a.py": "from shop._version import v\nv.on\n",
        },
        {".gitignore": "made/\n", "shop/made/a.py": HEAD, "shop/b.py": "x.on(1)\n"},
        {".gitignore": "made/\n", "shop/made/a.py": HEAD, "tests/test_a.py": "import shop.made.a\n"},
        {"tests/test_a.py": HANDLER, "tests/__init__.py": "", "shop/b.py": "import tests\ntests.on(1)\n"},
        {"lib/utils.py": "x = 1\n", "shop/b.py": "from utils import x\n@x.on\ndef f(): ...\n"},
        {"old/shop/mail2.py": HANDLER, "shop/c.py": "from shop import mail\nmail.on(1)\n"},
    ],
)
def test_what_reaches_no_event_is_not_reported(files: dict[str, str], tmp_path: Path) -> None:
    """Most of what is left out, or not found, has nothing to do with events."""
    _, findings = read(tmp_path, QUIET | files)
    assert [each for each in findings if each.code in {"UPN005", "UPN006"}] == []


@pytest.mark.parametrize(
    ("written", "module"),
    [
        ("from shop.events import placed", "shop.events"),
        ("from shop import events\nplaced = events.placed", "shop.events"),
        ("import shop.events as e\nplaced = e.placed", "shop.events"),
        ("import shop.events\nplaced = shop.events.placed", "shop.events"),
        ("from shop.api import placed", "shop.api"),
        ("from shop import *", "shop"),
        ("import shop\nplaced = shop.events.placed", "shop"),
        ("import shop.api, shop.events\nplaced = getattr(shop.events, 'placed')", "shop.events"),
    ],
)
@pytest.mark.parametrize("folder", ["backend", "a/b/c"])
def test_an_import_that_is_not_found_and_ends_like_a_file_is_reported(
    folder: str, written: str, module: str, tmp_path: Path
) -> None:
    """The help names the setting under which it is found, and with it nothing is left to report."""
    files = {"__init__.py": "from .api import placed\n", "events.py": HEAD, "api.py": "from .events import placed\n"}
    sources = {f"{folder}/shop/{name}": text for name, text in files.items()}
    sources[f"{folder}/shop/mail.py"] = f"{written}\n{ON}"
    scanned, findings = read(tmp_path, sources)
    assert scanned.handlers == ()
    (finding,) = findings
    file = {"shop": "shop/__init__.py"}.get(module, f"{module.replace('.', '/')}.py")
    assert said(findings) == (
        f'{folder}/shop/mail.py:1 UPN006 event "order.placed" is reached through "{module}", which is not found, '
        f'although {folder}/{file} ends like it; set src = ["{folder}"] in [tool.upnext]'
    )
    setting = finding.help.removeprefix("set ").removesuffix(" in [tool.upnext]")
    scanned, findings = read(tmp_path, {"pyproject.toml": f"[tool.upnext]\n{setting}\n"})
    assert len(scanned.handlers) == 1
    assert findings == ()


@pytest.mark.parametrize(
    ("written", "use"),
    [
        ("import bus", "from kit import bus\nplaced = bus.placed"),
        ("import bus", "import kit\nplaced = kit.bus.placed"),
        ("import bus", "from kit import *\nplaced = bus.placed"),
        ("import bus as b", "from kit import b\nplaced = b.placed"),
        ("import bus as b", "import kit as k\nplaced = k.b.placed"),
        ("from lib import bus", "from kit import bus\nplaced = bus.placed"),
        ("from lib import bus as b", "from kit import b\nplaced = b.placed"),
        ("import lib.bus as b", "import kit\nplaced = kit.b.placed"),
        ("import lib.bus", "import kit\nplaced = kit.lib.bus.placed"),
        ("import bus", "from kit import bus\nplaced = getattr(bus, 'placed')"),
        ("import bus", "from kit import bus as b\nown = [b]\nplaced = own[0].placed"),
    ],
)
@pytest.mark.parametrize("kit", ["kit/__init__.py", "kit.py"])
def test_a_module_that_is_not_found_and_passed_on_by_another_is_reported(
    written: str, use: str, kit: str, tmp_path: Path
) -> None:
    """The module itself makes no use of it."""
    bus = "app/lib/bus.py" if "lib" in written else "app/bus.py"
    sources = {bus: HEAD, kit: f"{written}\n", "mail.py": f"{use}\n{ON}"}
    _, findings = read(tmp_path, sources)
    assert [(each.code, each.place.file, each.place.line) for each in findings] == [("UPN006", kit, 1)]


@pytest.mark.parametrize(
    "taken",
    [
        "@sys.modules['bus'].placed.on",
        "@sys.modules.get('bus').placed.on",
        "@globals()['bus'].placed.on",
        "own = [bus]\n@own[0].placed.on",
        "@vars(bus)['placed'].on",
        "own = bus or None\n@own.placed.on",
    ],
)
def test_a_module_that_is_not_found_and_is_looked_up_under_its_name_is_reported(taken: str, tmp_path: Path) -> None:
    """No name in the source says what is taken from it."""
    sources = {"app/bus.py": HEAD, "mail.py": f"import sys\nimport bus\n{taken}\ndef h(order_id: str): ...\n"}
    _, findings = read(tmp_path, sources)
    assert ("UPN006", "mail.py", 2) in [(each.code, each.place.file, each.place.line) for each in findings]


@pytest.mark.parametrize(
    ("package", "mail"),
    [
        ("import bus\nclient = bus.Client()", "from kit import client"),
        ("import bus", "import kit\nclient = kit.other"),
        ("import bus", "from other import kit\nclient = kit.bus.placed"),
        ("import bus", "from other.kit import bus\nclient = bus.placed"),
        ("import bus", "import kit\nclient = kit.bus.Client(placed=1)"),
        ("import bus", "from kit import bus\nclient = bus.Client(placed=1)"),
        ("", "import bus\nclient = bus.Client(placed=1)"),
        ("", "import bus\nif bus and not bus is None: client = bus.Client() if bus else None"),
    ],
)
@pytest.mark.parametrize("kit", ["kit/__init__.py", "kit.py"])
def test_a_package_from_elsewhere_that_has_the_name_of_a_file_is_not_reported(
    package: str, mail: str, kit: str, tmp_path: Path
) -> None:
    """Nothing is taken from it that the file has."""
    bus = "from events import placed\n"
    sources = {"app/bus.py": bus, "events.py": HEAD, kit: f"{package}\n", "mail.py": f"{mail}\n"}
    _, findings = read(tmp_path, sources)
    assert findings == ()


def test_services_with_packages_of_one_name_each_mean_their_own(tmp_path: Path) -> None:
    """The help names the roots of all of them: with one alone, the others' imports would lead into it."""
    mail = f"from app.events import placed\n{ON}"
    files = {
        f"services/{name}/app/{file}": text
        for name in ("a", "b")
        for file, text in {"events.py": HEAD.replace("order", name), "mail.py": mail}.items()
    }
    _, findings = read(tmp_path, files)
    setting = 'src = ["services/a", "services/b"]'
    assert [(each.code, each.place.file, each.help) for each in findings] == [
        ("UPN006", f"services/{name}/app/mail.py", f"set {setting} in [tool.upnext]") for name in ("a", "b")
    ]
    assert ['"a.placed"' in findings[0].message, '"b.placed"' in findings[1].message] == [True, True]
    scanned, findings = read(tmp_path, {"pyproject.toml": f"[tool.upnext]\n{setting}\n"})
    assert ([each.event for each in scanned.handlers], findings) == (["a.placed", "b.placed"], ())


def test_both_are_found_again_with_a_cache_and_gone_when_they_are_mended(tmp_path: Path) -> None:
    """A warm run says what a cold one says."""
    root = write(tmp_path, {"backend/shop/events.py": HEAD, "backend/shop/mail.py": HANDLER, "pyproject.toml": ""})
    for _ in range(3):
        assert [each.code for each in scan(load_project(root))[1]] == ["UPN006"]
    write(root, {"pyproject.toml": '[tool.upnext]\nsrc = ["backend"]\n'})
    assert scan(load_project(root))[1] == ()
    write(root, {"pyproject.toml": '[tool.upnext]\nsrc = ["backend"]\nexclude = ["events.py"]\n'})
    for _ in range(3):
        assert [each.code for each in scan(load_project(root))[1]] == ["UPN005"]
    write(root, {"pyproject.toml": '[tool.upnext]\nsrc = ["backend"]\n'})
    assert scan(load_project(root))[1] == ()
