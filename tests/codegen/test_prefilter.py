"""What is skipped because it cannot matter does not matter: with and without the prefilter the same is found."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import Phase, given, settings

from tests.corpus import casefile
from tests.corpus.random_projects import projects
from upnext_codegen.errors import ConfigurationError
from upnext_codegen.project import Project, load_project
from upnext_codegen.scan import scan


def found(project: Project, *, prefilter: bool) -> tuple[object, ...]:
    """Say what a scan of a project finds.

    Findings are left out: without the prefilter each `.on` of a project may be one of upnext, so that UPN002 is said
    also where nothing of upnext can be.
    """
    scanned, _ = scan(project, use_cache=False, prefilter=prefilter)
    return (scanned.declarations, scanned.handlers, scanned.sends, scanned.tasks, scanned.classes, scanned.refused)


def test_of_every_case_the_same_is_found_without_the_prefilter(tmp_path: Path) -> None:
    compared = 0
    for number, name in enumerate(casefile.names()):
        case = casefile.read(name)
        folder = tmp_path / str(number)
        folder.mkdir()
        casefile.build(case, folder)
        try:
            project = load_project(folder)
        except ConfigurationError:
            continue
        assert found(project, prefilter=True) == found(project, prefilter=False), name
        compared += 1
    assert compared > 300


def test_of_random_projects_the_same_is_found_without_the_prefilter(tmp_path: Path) -> None:
    folders: list[Path] = []

    @settings(max_examples=40, derandomize=True, database=None, phases=[Phase.generate])
    @given(projects())
    def compare(case: casefile.Case) -> None:
        folder = tmp_path / str(len(folders))
        folders.append(folder)
        folder.mkdir()
        casefile.build(case, folder)
        project = load_project(folder)
        assert found(project, prefilter=True) == found(project, prefilter=False)

    compare()
    assert len(folders) > 20


BUS = 'import upnext\nworker = upnext.Worker("shop")\nplaced = worker.event("order.placed")\n'
HANDLED = "def send_mail(order_id: int) -> None: ...\n"
HANDED_ON = {
    "a default that has the name of the parameter": "def get(placed=placed): return placed\n@get().on\n",
    "a name that another function has for itself": "def other(placed): return placed\n@placed.on\n",
    "a comprehension over itself": "found = [placed for placed in [placed]]\n@found[0].on\n",
    "a class inside a function": (
        "def make():\n    class Bus:\n        def __init__(self): self.kept = placed\n"
        "        def attach(self, f): self.kept.on(f)\n    return Bus\n"
        "def send_sms(order_id: int) -> None: ...\nplaced.on(send_sms)\n@placed.on\n"
    ),
    "a method that gives it": "class Bus:\n    def get(self): return placed\n@Bus().get().on\n",
    "a method of another method": (
        "class Bus:\n    def get(self): return self.given()\n    def given(self): return placed\n@Bus().get().on\n"
    ),
    "an attribute of the class": "class Bus:\n    kept = placed\n    def get(self): return self.kept\n@Bus.kept.on\n",
    "a decorator in a function": (
        "def hook(**options):\n    def inner(f):\n        attach = placed.on\n        return attach(f)\n"
        "    return inner\n"
        "@hook()\n"
    ),
    "a function that attaches what it is given": "def hook(f):\n    attach = placed.on\n    attach(f)\n@hook\n",
    "a function inside others": (
        "def one():\n    def two():\n        def three(): return placed\n        return three\n    return two\n"
        "@one()()().on\n"
    ),
    "a generator": "def each():\n    yield placed\nfor one in each():\n    one.on(print)\n@placed.on\n",
    "a global": "def start():\n    global kept\n    kept = placed\nkept = placed\n@kept.on\n",
    "an attribute of a function": "def keep(): ...\nkeep.event = placed\n@keep.event.on\n",
}
NAMED = {
    "a whole name": 'from importlib import import_module\nkept = import_module("bus").placed\n',
    "a parameter": (
        'import importlib\ndef load(name): return importlib.import_module(name)\nkept = load("bus").placed\n'
    ),
    "parts": 'import importlib\nkept = importlib.import_module("b" + "us").placed\n',
    "a text with values": 'import importlib\npart = "us"\nkept = importlib.import_module(f"b{part}").placed\n',
    "a constant": "import importlib\nfrom names import NAME\nkept = importlib.import_module(NAME).placed\n",
    "a constant that is handed on": (
        "import importlib\nfrom names import NAME\ndef load(name): return importlib.import_module(name)\n"
        "kept = load(NAME).placed\n"
    ),
    "parts under a name": ('import importlib\nNAME = "b" + "us"\nkept = importlib.import_module(NAME).placed\n'),
    "a text with values under a name": (
        'import importlib\npart = "us"\nNAME = f"b{part}"\nkept = importlib.import_module(NAME).placed\n'
    ),
    "texts side by side": 'import importlib\nkept = importlib.import_module("b" "us").placed\n',
    "an escape": 'import importlib\nkept = importlib.import_module("\\x62us").placed\n',
    "a constant of a module": "import importlib\nimport names\nkept = importlib.import_module(names.NAME).placed\n",
    "a constant in lower case": (
        "import importlib\nfrom names import NAME as name\nfrom names import other\n"
        "kept = importlib.import_module(other).placed\n"
    ),
    "its own package": 'import importlib\nkept = importlib.import_module(".bus", __package__).placed\n',
    "the table of modules": 'import sys\nimport bus\nkept = sys.modules["bus"].placed\n',
    "its own names": 'from bus import placed\nkept = globals()["placed"]\n',
    "a text that is worked out": 'from bus import placed\nkept = eval("placed")\n',
    "a keyword": 'from importlib import import_module\nkept = import_module(name="bus").placed\n',
    "a module that Python imports": 'm = __import__("bus")\nkept = m.placed\n',
    "a module that importlib imports": 'import importlib\nkept = importlib.__import__("bus").placed\n',
    "a path": 'import pkgutil\nkept = pkgutil.resolve_name("bu" + "s:pla" + "ced")\n',
    "a name that a function puts into the module": (
        'from bus import placed\ndef start():\n    globals()["kept"] = placed\nstart()\n'
    ),
    "names that a function puts into the module": (
        "from bus import placed\ndef start():\n    globals().update(kept=placed)\nstart()\n"
    ),
    "all names of another module": "import named\nglobals().update(vars(named))\n",
    "some names of another module": (
        "import named\nglobals().update({k: v for k, v in named.__dict__.items() if k[0] != '_'})\n"
    ),
    "the module itself": "import sys\nfrom bus import placed\nsetattr(sys.modules[__name__], 'kept', placed)\n",
    "an attribute of the module itself": "import sys\nfrom bus import placed\nsys.modules[__name__].kept = placed\n",
    "a text under a name": 'from bus import placed\nNAME = "placed"\nkept = eval(NAME)\n',
}


@pytest.mark.parametrize("way", HANDED_ON)
def test_what_functions_and_classes_hand_on_is_followed(way: str, tmp_path: Path) -> None:
    (tmp_path / "bus.py").write_text(BUS)
    (tmp_path / "use.py").write_text(f"from bus import placed\n{HANDED_ON[way]}{HANDLED}")
    project = load_project(tmp_path)
    assert found(project, prefilter=True) == found(project, prefilter=False)
    scanned, findings = scan(project, use_cache=False)
    assert "send_mail" in {handler.name for handler in scanned.handlers} or "UPN002" in {each.code for each in findings}


@pytest.mark.parametrize("way", NAMED)
def test_a_module_or_name_that_is_worked_out_is_followed(way: str, tmp_path: Path) -> None:
    """From a file that has no `.on`, so that nothing but the names in it says that it matters."""
    (tmp_path / "bus.py").write_text(BUS)
    (tmp_path / "names.py").write_text('NAME = other = "bus"\n')
    (tmp_path / "named.py").write_text("from bus import placed as kept\n")
    (tmp_path / "given.py").write_text(NAMED[way])
    (tmp_path / "use.py").write_text(f"from given import kept\n@kept.on\n{HANDLED}")
    project = load_project(tmp_path)
    assert found(project, prefilter=True) == found(project, prefilter=False)
    assert [handler.name for handler in scan(project, use_cache=False)[0].handlers] == ["send_mail"]


TAKEN = {
    "an attribute in quotes": "getattr(bus, 'placed')",
    "one over several lines": "getattr(\n    bus,\n    'placed',\n)",
    "one under a name": "getattr(bus, NAME)",
    "one with a default": "getattr(bus, 'placed', None)",
    "the names of the module": "vars(bus)['placed']",
    "its dictionary": "bus.__dict__['placed']",
    "a getter": "attrgetter('placed')(bus)",
    "a list that has the module": "[bus][0].__dict__['placed']",
    "letters that Python reads as plain ones": "bus.\uff50laced",
}


@pytest.mark.parametrize("way", TAKEN)
def test_what_is_taken_of_a_module_that_another_file_passes_on_is_followed(way: str, tmp_path: Path) -> None:
    """The file between them imports the module, and says nothing of what it has."""
    (tmp_path / "bus.py").write_text(BUS)
    (tmp_path / "given.py").write_text("import bus\nimport bus as kept\n")
    (tmp_path / "names.py").write_text('NAME = "placed"\n')
    head = "from operator import attrgetter\nfrom names import NAME\n"
    imports = {
        "bus": "from bus import worker\nimport bus",
        "one": "from given import bus",
        "many": "from given import *",
        "same": "from given import kept as bus",
    }
    for name, line in imports.items():
        (tmp_path / f"use_{name}.py").write_text(f"{head}{line}\nevent = {TAKEN[way]}\n@event.on\n{HANDLED}")
    (tmp_path / "use_whole.py").write_text(
        f"{head}import given\nevent = {TAKEN[way].replace('bus', 'given.bus')}\n@event.on\n{HANDLED}"
    )
    project = load_project(tmp_path)
    assert found(project, prefilter=True) == found(project, prefilter=False)
    handlers = scan(project, use_cache=False)[0].handlers
    assert {handler.place.file for handler in handlers} == {f"use_{name}.py" for name in (*imports, "whole")}
