"""A handler is found, or reported, whatever way it is attached: by what its file imports, never by words in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.codegen.reading import write
from upnext_codegen.findings import Finding
from upnext_codegen.project import load_project
from upnext_codegen.records import Scan
from upnext_codegen.scan import scan

BUS = 'import upnext\nworker = upnext.Worker("shop")\nplaced = worker.event("order.placed")\n'
HANDLER = "\ndef found(order_id: str, **kwargs: object): ...\n"
STYLES: dict[str, tuple[str, str]] = {
    "bound method": ("hook = placed.on\n", "from bus import hook\n@hook"),
    "with options": ("hook = placed.on(retries=3)\n", "from bus import hook\n@hook"),
    "dict": ('HOOKS = {"placed": placed.on}\n', 'from bus import HOOKS\n@HOOKS["placed"]'),
    "dict.get": ('HOOKS = {"placed": placed.on}\n', 'from bus import HOOKS\n@HOOKS.get("placed")'),
    "dict made by a call": ("HOOKS = dict(placed=placed.on)\n", 'from bus import HOOKS\n@HOOKS["placed"]'),
    "dict filled later": ('HOOKS = {}\nHOOKS["a"] = placed.on\n', 'from bus import HOOKS\n@HOOKS["a"]'),
    "list": ("HOOKS = [placed.on]\n", "from bus import HOOKS\n@HOOKS[0]"),
    "namespace": (
        "from types import SimpleNamespace\nns = SimpleNamespace(hook=placed.on)\n",
        "from bus import ns\n@ns.hook",
    ),
    "class attribute": ("class On:\n    hook = placed.on\n", "from bus import On\n@On.hook"),
    "function": ("def get():\n    return placed.on\n", "from bus import get\n@get()"),
    "function that returns the event": ("def get():\n    return placed\n", "from bus import get as g\n@g().on"),
    "lambda": ("get = lambda: placed.on\n", "from bus import get\n@get()"),
    "partial": (
        "from functools import partial\nhook = partial(placed.on, retries=2)\n",
        "from bus import hook\n@hook()",
    ),
    "decorator": ("def hook(f):\n    return placed.on(f)\n", "from bus import hook\n@hook"),
    "decorator with options": (
        "def hook():\n    def inner(f):\n        return placed.on(retries=2)(f)\n    return inner\n",
        "from bus import hook\n@hook()",
    ),
    "star import": ("hook = placed.on\n", "from bus import *\n@hook"),
    "module": ("hook = placed.on\n", "import bus as b\n@b.hook"),
    "continued line": ("hook = placed.on\n", "from bus \\\n    import hook\n@hook"),
    "byte order mark": ("hook = placed.on\n", "\ufefffrom bus import hook\n@hook"),
    "tuple": ("first, hook = 1, placed.on\n", "from bus import hook\n@hook"),
    "getattr": ("", 'import bus\n@getattr(bus.placed, "on")'),
    "getattr of a module": ("", 'import bus\n@getattr(bus, "placed").on'),
    "a name that is worked out": ("", 'import bus as b\n@getattr(b, "pla" + "ced").on'),
    "a module and a name that are worked out": (
        "hook = placed.on\n",
        'import importlib as i\nmodule = i.import_module("b" + "us")\n@getattr(module, "hook")',
    ),
    "dynamic import under another name": (
        "hook = placed.on\n",
        'from importlib import import_module as load\n@load("bus").hook',
    ),
    "dynamic import that is handed on": (
        "hook = placed.on\n",
        'import importlib\nload = importlib.import_module\n@load("bus").hook',
    ),
    "attributes of a module": ("hook = placed.on\n", 'import bus\n@bus.__dict__["hook"]'),
    "member of an enum": (
        "import enum\nclass On(enum.Enum):\n    PLACED = enum.member(placed)\n",
        "from bus import On\n@On.PLACED.value.on",
    ),
    "default of a dataclass": (
        (
            "from dataclasses import dataclass, field\n@dataclass\nclass On:\n"
            "    hook: object = field(default=placed.on)\non = On()\n"
        ),
        "from bus import on\n@on.hook",
    ),
    "rest of an unpacking": ("first, *hooks = [1, 2, placed.on]\n", "from bus import hooks\n@hooks[1]"),
    "object that is called": (
        "class Hook:\n    def __call__(self, f):\n        return placed.on(retries=2)(f)\nhook = Hook()\n",
        "from bus import hook\n@hook",
    ),
    "class that is called": (
        "class Hook:\n    def __init__(self, f):\n        self.handler = placed.on(f)\n",
        "from bus import Hook\n@Hook",
    ),
    "dynamic import": ("hook = placed.on\n", 'import importlib\nm = importlib.import_module("bus")\n@m.hook'),
}


def said(root: Path, *, prefilter: bool = True) -> tuple[Scan, tuple[Finding, ...]]:
    return scan(load_project(root), use_cache=False, prefilter=prefilter)


@pytest.mark.parametrize("style", STYLES)
def test_a_handler_is_found_in_every_style_of_registration(style: str, tmp_path: Path) -> None:
    """The file says nothing of upnext, `on` or `event`; without the prefilter the same is found."""
    bus, use = STYLES[style]
    root = write(tmp_path, {"bus.py": BUS + bus, "use.py": use + HANDLER})
    scanned, findings = said(root)
    assert [(each.event, each.name) for each in scanned.handlers] == [("order.placed", "found")]
    assert [each.code for each in findings] == []
    unfiltered, others = said(root, prefilter=False)
    assert (unfiltered.handlers, unfiltered.sends, others) == (scanned.handlers, scanned.sends, findings)


LOST: dict[str, tuple[str, str]] = {
    "field of a dataclass": (
        (
            "from dataclasses import dataclass\nfrom typing import Any\n@dataclass\nclass On:\n    hook: Any\n"
            "on = On(placed)\n"
        ),
        "from bus import on\n@on.hook.on",
    ),
    "item of a named tuple": (
        "from typing import Any, NamedTuple\nclass On(NamedTuple):\n    hook: Any\non = On(placed)\n",
        "from bus import on\n@on[0].on",
    ),
    "attribute that is made of a parameter": (
        (
            "class On:\n    def __init__(self, worker):\n        self.placed = worker.event('order.placed')\n"
            "on = On(worker)\n"
        ),
        "from bus import on\n@on.placed.on",
    ),
    "object of another package": (
        "from contextvars import ContextVar\non = ContextVar('on', default=placed)\n",
        "from bus import on\n@on.get().on",
    ),
    "attribute of a class from outside": ("class On: ...\nOn.hook = placed.on\n", "from bus import On\n@On.hook"),
    "setattr": ('class On: ...\nsetattr(On, "hook", placed)\n', "from bus import On\n@On.hook.on"),
    "attribute of an object from outside": (
        "class On: ...\non = On()\non.hook = placed\n",
        "from bus import on\n@on.hook.on",
    ),
    "attribute of a function": ("def on(): ...\non.hook = placed\n", "from bus import on\n@on.hook.on"),
    "with": ("", "import contextlib, bus\nwith contextlib.nullcontext(bus.placed) as p:\n  pass\n@p.on"),
    "default of a parameter": ("", "from bus import placed\ndef attach(event=placed):\n  event.on(found)\n"),
}


@pytest.mark.parametrize("way", LOST)
def test_an_event_that_cannot_be_followed_is_reported_where_something_is_attached(way: str, tmp_path: Path) -> None:
    """The file that attaches says nothing of upnext; its handler is not lost in silence."""
    bus, use = LOST[way]
    scanned, findings = said(write(tmp_path, {"bus.py": BUS + bus, "use.py": use + HANDLER}))
    assert scanned.handlers == ()
    assert [(each.code, each.place.file) for each in findings] == [("UPN002", "use.py")]


def test_a_worker_that_names_its_events_itself_is_asked_for_the_name(tmp_path: Path) -> None:
    """What `event` is given is not what the event is called then."""
    own = (
        "class Own(upnext.Worker):\n    def event(self, name):\n        return super().event('own.' + name)\n"
        "own = Own('own')\nshipped = own.event('shipped')\n"
    )
    scanned, _ = said(
        write(tmp_path, {"bus.py": BUS + own, "use.py": f"from bus import shipped\n@shipped.on{HANDLER}"})
    )
    assert [(each.event, each.worker) for each in scanned.handlers] == [("own.shipped", "own")]


REPORTED = {
    "a partial getattr": (
        {"api.py": "import bus\nfrom functools import partial\nev = partial(getattr, bus)\n"},
        "from api import ev\n@ev('placed').on",
    ),
    "a lazy package that gives what stands outside its function": (
        {
            "p/__init__.py": "import bus, sys\nfound = getattr(bus, sys.argv[1])\nother = getattr(bus, NAME)\n"
            "def __getattr__(name):\n    if name == 'x':\n        return other\n    return found\n"
        },
        "from p import x\n@x.on",
    ),
    "a lazy package that keeps what it gives": (
        {
            "p/__init__.py": "import importlib\ndef __getattr__(name):\n    m = importlib.import_module('bus')\n"
            "    globals()[name] = m\n    return globals()[name]\n"
        },
        "from p import anything\n@anything.placed.on",
    ),
}


@pytest.mark.parametrize("way", REPORTED)
def test_a_handler_behind_a_module_that_cannot_be_followed_is_reported(way: str, tmp_path: Path) -> None:
    others, use = REPORTED[way]
    _, findings = said(write(tmp_path, {"bus.py": BUS, **others, "use.py": use + HANDLER}))
    assert [(each.code, each.place.file) for each in findings] == [("UPN002", "use.py")]


LAZY = (
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from shop.events import placed\nclass Model: ...\n"
    "def __getattr__(name):\n    from importlib import import_module\n"
    "    return getattr(import_module('shop.events'), name)\n"
)
LAZY_MODULE = (
    "import importlib\ndef __getattr__(name):\n    if name == 'signals':\n        from shop import events\n"
    "        return events\n    if name == 'events':\n        return importlib.import_module(f'shop.{name}')\n"
    "    return globals()[name]\n"
)
PASSED_ON = {
    "a name of a lazy package": (
        {"shop/__init__.py": LAZY, "shop/events.py": BUS},
        "from shop import placed\n@placed.on",
    ),
    "a name that a lazy package makes up": (
        {"shop/__init__.py": LAZY, "shop/events.py": BUS + "shipped = placed\n"},
        "from shop import shipped\n@shipped.on",
    ),
    "a module by its name from two others": (
        {"a.py": "import bus\n", "b.py": "from a import bus\n", "c.py": "from b import bus as events\n"},
        "from c import events\n@events.placed.on",
    ),
    "a module": ({"api.py": "import bus\n"}, "from api import bus\n@bus.placed.on"),
    "a renamed module": ({"api.py": "import bus as events\n"}, "from api import events\n@events.placed.on"),
    "a module's module": ({"api.py": "import bus\n"}, "import api\n@api.bus.placed.on"),
    "a module of a package": (
        {"shop/__init__.py": "", "shop/events.py": BUS, "api.py": "from shop import events\n"},
        "import api as a\n@a.events.placed.on",
    ),
    "through two": (
        {"api.py": "import bus\n", "top.py": "from api import bus\n"},
        "from top import bus\n@bus.placed.on",
    ),
    "a module that is assigned": (
        {"api.py": "import bus\nevents = bus\n"},
        "from api import events\n@events.placed.on",
    ),
    "a function that gives one": (
        {"api.py": "import bus\ndef events():\n    return bus\n"},
        "from api import events\n@events().placed.on",
    ),
    "a class that gives one, by way of another file": (
        {
            "api.py": "import bus\nclass Api:\n    def events(self):\n        return bus\n",
            "top.py": "import api\nA = api.Api\n",
        },
        "from top import A\n@A().events().placed.on",
    ),
    "a module that a lazy package gives": (
        {"shop/__init__.py": LAZY_MODULE, "shop/events.py": BUS},
        "import shop\n@shop.events.placed.on",
    ),
    "a module that a lazy package gives under another name": (
        {"shop/__init__.py": LAZY_MODULE, "shop/events.py": BUS},
        "from shop import signals as s\n@s.placed.on",
    ),
    "a name of a module that another stands for": (
        {"old.py": "def __getattr__(name):\n    import bus\n    found = getattr(bus, name, None)\n    return found\n"},
        "from old import placed\n@placed.on",
    ),
    "renamed twice": ({"api.py": "import bus\na = bus\nevents = a\n"}, "from api import events\n@events.placed.on"),
    "by three files": (
        {"a.py": "import bus\nx = bus\n", "b.py": "from a import x as y\n", "c.py": "import b\nz = b.y\n"},
        "from c import z\n@z.placed.on",
    ),
    "as a star of what is assigned": (
        {"a.py": "import bus\nx = bus\n", "b.py": "from a import *\n"},
        "from b import x\n@x.placed.on",
    ),
    "one of several that are assigned": (
        {"api.py": "import bus\nx, events = 1, bus\n"},
        "from api import events\n@events.placed.on",
    ),
    "under a condition": (
        {"api.py": "import bus\nif True:\n    events = bus\nelse:\n    events = None\n"},
        "from api import events\n@events.placed.on",
    ),
    "in an expression": ({"api.py": "import bus\n(events := bus)\n"}, "from api import events\n@events.placed.on"),
    "in a dict": ({"api.py": "import bus\nM = {'x': bus}\n"}, "from api import M\n@M['x'].placed.on"),
    "in a namespace": (
        {"api.py": "import bus\nfrom types import SimpleNamespace\nns = SimpleNamespace(events=bus)\n"},
        "from api import ns\n@ns.events.placed.on",
    ),
    "as an attribute of a class": (
        {"api.py": "import bus\nclass A:\n    events = bus\n"},
        "from api import A\n@A.events.placed.on",
    ),
    "as an attribute of an object": (
        {"api.py": "import bus\nclass A:\n    def __init__(self):\n        self.events = bus\na = A()\n"},
        "from api import a\n@a.events.placed.on",
    ),
    "as a property": (
        {"api.py": "import bus\nclass A:\n    @property\n    def events(self):\n        return bus\na = A()\n"},
        "from api import a\n@a.events.placed.on",
    ),
    "as an attribute of a base": (
        {"api.py": "import bus\nclass A:\n    events = bus\n", "b.py": "import api\nclass B(api.A): ...\n"},
        "import b\n@b.B.events.placed.on",
    ),
    "by a lambda": ({"api.py": "import bus\nf = lambda: bus\n"}, "from api import f\n@f().placed.on"),
    "by a function in a function": (
        {"api.py": "import bus\ndef f():\n    def g():\n        return bus\n    return g\n"},
        "from api import f\n@f()().placed.on",
    ),
    "by a function that imports it": (
        {"api.py": "def f():\n    import bus\n    return bus\n"},
        "from api import f\n@f().placed.on",
    ),
    "its names by a function": (
        {"api.py": "import bus\ndef ev(name):\n    return getattr(bus, name)\n"},
        "from api import ev\n@ev('placed').on",
    ),
    "a package's own name for one of its modules'": (
        {"p/__init__.py": "from p import sub\nevents = sub.m\n", "p/sub.py": "import bus as m\n"},
        "import p\n@p.events.placed.on",
    ),
    "by a lazy package's table": (
        {
            "p/__init__.py": "import importlib\n_T = {'events': 'bus'}\n"
            "def __getattr__(name):\n    return importlib.import_module(_T[name])\n"
        },
        "from p import events as e\n@e.placed.on",
    ),
    "as a star": ({"api.py": "import bus\n"}, "from api import *\n@bus.placed.on"),
}


@pytest.mark.parametrize("way", PASSED_ON)
def test_a_module_is_followed_through_files_that_only_pass_it_on(way: str, tmp_path: Path) -> None:
    """They name nothing that it exports themselves."""
    others, use = PASSED_ON[way]
    root = write(tmp_path, {"bus.py": "" if "shop/events.py" in others else BUS, **others, "use.py": use + HANDLER})
    scanned, findings = said(root)
    assert ([(each.event, each.name) for each in scanned.handlers], findings) == ([("order.placed", "found")], ())
    unfiltered, others = said(root, prefilter=False)
    assert (unfiltered.handlers, unfiltered.sends, others) == (scanned.handlers, scanned.sends, findings)


def test_a_lazy_package_is_no_reason_to_read_who_imports_what_it_has_itself(tmp_path: Path) -> None:
    files = {"shop/__init__.py": LAZY, "shop/events.py": BUS, "shop/tables.py": "", "other.py": "class Model: ...\n"}
    uses = {"use.py": "from shop import Model, tables\n", "far.py": "from other import Model as placed\n"}
    scanned, findings = said(write(tmp_path, {**files, **uses}))
    assert (scanned.read & uses.keys(), findings) == (set(), ())


LINKED = {
    "a module": ({"link.py": "bus.py"}, {}, "import link\n@link.placed.on"),
    "a renamed module": ({"link.py": "bus.py"}, {}, "import link as events\n@events.placed.on"),
    "a name": ({"link.py": "bus.py"}, {}, "from link import placed\n@placed.on"),
    "a module in a package": ({"pack/link.py": "../bus.py"}, {}, "from pack import link\n@link.placed.on"),
    "a package": ({"link": "shop"}, {"shop/events.py": BUS}, "import link.events\n@link.events.placed.on"),
    "a module that is passed on": (
        {"link.py": "bus.py"},
        {"api.py": "import link\n"},
        "from api import link\n@link.placed.on",
    ),
    "a package that is passed on": (
        {"link": "shop"},
        {"shop/events.py": BUS, "api.py": "import link.events\n"},
        "from api import link\n@link.events.placed.on",
    ),
    "a module that passes one on": (
        {"link.py": "api.py"},
        {"api.py": "import bus\n"},
        "import link\n@link.bus.placed.on",
    ),
}


@pytest.mark.parametrize("way", LINKED)
def test_a_handler_is_found_behind_a_link(way: str, tmp_path: Path) -> None:
    """Whose name is another one than that of what it leads to."""
    links, others, use = LINKED[way]
    bus = {} if "shop/events.py" in others else {"bus.py": BUS}
    root = write(tmp_path, {"pack/__init__.py": "", "shop/__init__.py": "", "use.py": use + HANDLER, **bus, **others})
    for link, target in links.items():
        (root / link).symlink_to(target)
    scanned, findings = said(root)
    assert ([(each.event, each.name) for each in scanned.handlers], findings) == ([("order.placed", "found")], ())
    unfiltered, others = said(root, prefilter=False)
    assert (unfiltered.handlers, unfiltered.sends, others) == (scanned.handlers, scanned.sends, findings)


EDITS = {
    "an attribute": "import bus\n@bus.placed.on",
    "a name that is worked out": 'import bus\n@getattr(bus, "pla" + "ced").on',
    "another name": "import bus as b\n@b.placed.on",
    "a line of its own": "import bus\nevent = bus.\\\n  placed\n@event.on",
    "an import": "import bus\nfrom bus import placed\n@placed.on",
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_file_that_comes_to_use_what_it_imports_is_noticed(edit: str, tmp_path: Path) -> None:
    """Whether or not its imports, as far as they are told apart, stay what they were."""
    root = write(tmp_path, {"bus.py": BUS, "use.py": "import bus\n"})
    assert scan(load_project(root))[0].handlers == ()
    (root / "use.py").write_text(EDITS[edit] + HANDLER)
    assert [each.name for each in scan(load_project(root))[0].handlers] == ["found"]


@pytest.mark.parametrize("comment", ["", "# x.on( upnext event\n"])
def test_a_helper_that_takes_the_event_is_reported_whatever_comments_say(comment: str, tmp_path: Path) -> None:
    helper = "def subscribe(event):\n    return event.on(retries=1)\n"
    use = f"{comment}from bus import placed\nfrom helper import subscribe\n@subscribe(placed){HANDLER}"
    _, findings = said(write(tmp_path, {"bus.py": BUS, "helper.py": helper, "use.py": use}))
    assert "UPN002" in [each.code for each in findings]


def test_sends_are_seen_with_their_function_and_fields(tmp_path: Path) -> None:
    use = (
        "from bus import placed\nsend = placed.send_sync\n"
        "def ship(rest):\n    send(order_id='1')\n    placed.options(delay=1).send_sync(order_id='1', **rest)\n"
    )
    scanned, _ = said(write(tmp_path, {"bus.py": BUS, "use.py": use}))
    assert [(each.names, each.function, each.fields, each.unknown_fields) for each in scanned.sends] == [
        (("order.placed",), "ship", ("order_id",), False),
        (("order.placed",), "ship", ("order_id",), True),
    ]
