"""Handlers that are attached out of sight are found, or reported, and never lost in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

import upnext
from tests.codegen.reading import HEAD, read

HANDLER = "def found(order_id: str, **kwargs: object): ...\n"
DIRECT = f"from bus import placed\n@placed.on\n{HANDLER}"

FOUND = {
    "the modules of the interpreter": 'import sys, bus\n@sys.modules["bus"].placed.on\n',
    "the modules of the interpreter, by themselves": 'from sys import modules\n@modules["bus"].placed.on\n',
    "an import in a text": 'exec("from bus import placed")\n@placed.on\n',
    "an attribute whose name is worked out": ('import operator, bus\n@operator.attrgetter("pla" + "ced")(bus).on\n'),
    "the names of another module": 'import bus as b\n@b.__dict__["pla" + "ced"].on\n',
    "a getter of items": 'import operator\nfrom bus import worker, placed\nd = {"a": placed}\n'
    '@operator.itemgetter("a")(d).on\n',
    "the names of the module": 'from bus import placed\n@globals()["placed"].on\n',
    "the names of the module, by another function": 'from bus import placed\n@vars()["placed"].on\n',
    "a name that is put into the module": 'from bus import placed\nglobals()["event"] = placed\n@event.on\n',
    "names that are put into the module": "from bus import placed\nglobals().update(event=placed)\n@event.on\n",
    "a method that is called by name": "from bus import placed\n@placed.on.__call__\n",
    "a text that names it": 'from bus import placed\n@eval("placed").on\n',
    "a path in a text": 'import pkgutil\n@pkgutil.resolve_name("bus:placed").on\n',
    "all of what a pattern takes": "from bus import placed\nmatch placed:\n    case event: ...\n@event.on\n",
    "a name of the function around": (
        "from bus import placed\ndef outer():\n    event = None\n    def inner():\n        nonlocal event\n"
        "        event = placed\n    inner()\n    return event\n@outer().on\n"
    ),
    "a partial of a helper": (
        "from functools import partial\nfrom bus import placed\n"
        "def attach(f, more=1):\n    return placed.on(f)\n@partial(attach, more=2)\n"
    ),
}


@pytest.mark.parametrize("way", FOUND)
def test_a_handler_is_found_behind(way: str, tmp_path: Path) -> None:
    for prefilter in (True, False):
        sources = {"bus.py": HEAD, "use.py": FOUND[way] + HANDLER}
        scanned, findings = read(tmp_path, sources, prefilter=prefilter)
        assert ([(each.event, each.name) for each in scanned.handlers], findings) == ([("order.placed", "found")], ())


ATTACHING = "def setup(event, function):\n    {}\n"
GIVEN = f"from bus import placed\nimport lib\n{HANDLER}lib.setup(placed, found)\n"
CLASS = "\n    event = placed\n    @staticmethod\n    def handle(order_id: str): ...\n"
REPORTED: dict[str, tuple[str, str]] = {
    "an alias of a parameter": (ATTACHING.format("other = event\n    other.on(function)"), GIVEN),
    "a method of a parameter": (ATTACHING.format("on = event.on\n    on(function)"), GIVEN),
    "getattr of a parameter": (ATTACHING.format("getattr(event, 'on')(function)"), GIVEN),
    "a function in a function": (ATTACHING.format("def inner():\n        event.on(function)\n    inner()"), GIVEN),
    "a loop over a parameter": (
        "def setup(*events, function):\n    for each in events:\n        each.on(function)\n",
        GIVEN.replace("placed, found", "placed, function=found"),
    ),
    "a list that is given": (
        "def setup(events, function):\n    events[0].on(function)\n",
        GIVEN.replace("setup(placed", "setup([placed]"),
    ),
    "keywords": (
        "def setup(function, **rest):\n    rest['event'].on(function)\n",
        GIVEN.replace("placed, found", "found, event=placed"),
    ),
    "a function that gives the event": (
        "def setup(get, function):\n    get().on(function)\n",
        GIVEN.replace("setup(placed", "setup(lambda: placed"),
    ),
    "a worker that is given": (
        "def setup(worker, function):\n    worker.event('order.placed').on(function)\n",
        GIVEN.replace("placed", "worker"),
    ),
    "an object that is given": (
        "def setup(app, function):\n    app.event.on(function)\n",
        f"from bus import placed\nimport lib\n{HANDLER}class App:\n    event = placed\nlib.setup(App(), found)\n",
    ),
    "a class": (
        "class setup:\n    def __init__(self, event, function):\n        event.on(function)\n",
        GIVEN,
    ),
    "an object that keeps the event": (
        (
            "class Register:\n    def __init__(self, event):\n        self.event = event\n"
            "    def add(self, function):\n        return self.event.on(function)\n"
        ),
        f"from bus import placed\nimport lib\nregister = lib.Register(placed)\n@register.add\n{HANDLER}",
    ),
    "an object that keeps events in a list": (
        (
            "class Register:\n    def __init__(self):\n        self.events = []\n"
            "    def add(self, event):\n        self.events.append(event)\n"
            "    def attach(self, function):\n        for each in self.events:\n            each.on(function)\n"
        ),
        (
            f"from bus import placed\nimport lib\n{HANDLER}register = lib.Register()\nregister.add(placed)\n"
            "register.attach(found)\n"
        ),
    ),
    "a router that is given the worker": (
        (
            "class Router:\n    def __init__(self):\n        self.found = []\n"
            "    def add(self, function):\n        self.found.append(function)\n        return function\n"
            "    def attach(self, worker):\n        for each in self.found:\n"
            "            worker.event('order.placed').on(each)\n"
        ),
        f"from bus import worker\nimport lib\nrouter = lib.Router()\n@router.add\n{HANDLER}router.attach(worker)\n",
    ),
    "a class decorator": (
        "def setup(event):\n    def inner(cls):\n        event.on(cls.handle)\n        return cls\n    return inner\n",
        f"from bus import placed\nimport lib\n@lib.setup(placed)\nclass Found:{CLASS}",
    ),
    "__init_subclass__": (
        "class Base:\n    def __init_subclass__(cls):\n        cls.event.on(cls.handle)\n",
        f"from bus import placed\nimport lib\nclass Found(lib.Base):{CLASS}",
    ),
    "an argument of __init_subclass__": (
        "class Base:\n    def __init_subclass__(cls, to):\n        to.on(cls.handle)\n",
        (
            "from bus import placed\nimport lib\nclass Found(lib.Base, to=placed):\n"
            "    @staticmethod\n    def handle(order_id: str): ...\n"
        ),
    ),
    "a metaclass": (
        "class Meta(type):\n    def __init__(cls, name, bases, body):\n        body['event'].on(cls.handle)\n",
        f"from bus import placed\nimport lib\nclass Found(metaclass=lib.Meta):{CLASS}",
    ),
    "__set_name__": (
        (
            "class Attach:\n    def __init__(self, event, function):\n        self.event, self.f = event, function\n"
            "    def __set_name__(self, owner, name):\n        self.event.on(self.f)\n"
        ),
        f"from bus import placed\nimport lib\n{HANDLER}class Found:\n    x = lib.Attach(placed, found)\n",
    ),
    "a descriptor": (
        (
            "import bus\nclass Event:\n    def __get__(self, owner, cls=None):\n        return bus.placed\n"
            "class Events:\n    placed = Event()\n"
        ),
        f"from lib import Events\n@Events.placed.on\n{HANDLER}",
    ),
    "__getattr__ of a class": (
        "import bus\nclass Events:\n    def __getattr__(self, name):\n        return bus.placed\n",
        f"from lib import Events\n@Events().anything.on\n{HANDLER}",
    ),
    "__class_getitem__": (
        "import bus\nclass Events:\n    def __class_getitem__(cls, name):\n        return bus.placed\n",
        f"from lib import Events\n@Events['anything'].on\n{HANDLER}",
    ),
    "__getattr__ of a metaclass": (
        (
            "import bus\nclass Meta(type):\n    def __getattr__(cls, name):\n        return getattr(bus, name)\n"
            "class Events(metaclass=Meta): ...\n"
        ),
        f"from lib import Events\n@Events.placed.on\n{HANDLER}",
    ),
    "__getitem__ of a metaclass": (
        (
            "import bus\nclass Meta(type):\n    def __getitem__(cls, name):\n        return getattr(bus, name)\n"
            "class Events(metaclass=Meta): ...\n"
        ),
        f"from lib import Events\n@Events['placed'].on\n{HANDLER}",
    ),
    "a dict with attributes": (
        (
            "from bus import placed\nclass Events(dict):\n    __getattr__ = dict.__getitem__\n"
            "events = Events(placed=placed)\n"
        ),
        f"from lib import events\n@events.placed.on\n{HANDLER}",
    ),
    "keywords that are unpacked": (
        ATTACHING.format("event.on(function)"),
        f"from bus import placed\nimport lib\n{HANDLER}lib.setup(**dict(event=placed, function=found))\n",
    ),
    "what is taken out of a list": (
        "",
        f"from bus import placed\n{HANDLER}L = [placed]\nwhile L and (event := L.pop()):\n    event.on(found)\n",
    ),
    "a list that more is put into": (
        "import bus\nEVENTS = []\nEVENTS.append(bus.placed)\n",
        f"from lib import EVENTS\n{HANDLER}for each in EVENTS:\n    each.on(found)\n",
    ),
    "a list that is made longer": ("", f"from bus import placed\n{HANDLER}L = []\nL += [placed]\nL[0].on(found)\n"),
    "a queue": ("", f"import queue\nfrom bus import placed\nq = queue.Queue()\nq.put(placed)\n@q.get().on\n{HANDLER}"),
    "what a pattern takes out": (
        "",
        f"from bus import placed\n{HANDLER}match [placed]:\n    case [event]:\n        event.on(found)\n",
    ),
    "what a comprehension leaves": (
        "",
        f"from bus import placed\n{HANDLER}[y for x in [placed] if (y := x)]\ny.on(found)\n",
    ),
    "a lambda": ("", f"from bus import placed\n{HANDLER}(lambda event: event.on(found))(placed)\n"),
    "a function that is handed on": (
        "",
        (
            f"import functools\nfrom bus import placed\n{HANDLER}"
            "functools.reduce(lambda function, event: (event.on(function), function)[1], [placed], found)\n"
        ),
    ),
    "a module that is given": (
        "",
        f"import bus\n{HANDLER}def setup(m):\n    m.placed.on(found)\nsetup(bus)\nbus.placed\n",
    ),
    "a text that is run": ("", f'from bus import placed\n{HANDLER}exec("placed.on(found)")\n'),
    "a text that is put together": ("", f'from bus import placed\n{HANDLER}exec("pla" + "ced.o" + "n(found)")\n'),
    "a text that is worked out": ("", f'from bus import placed\n{HANDLER}eval("placed.on(found)")\n'),
    "a caller of methods": (
        "",
        f'import operator\nfrom bus import placed\n{HANDLER}operator.methodcaller("on", found)(placed)\n',
    ),
    "a module that is looked through": (
        "",
        f"import inspect, bus\n{HANDLER}for name, each in inspect.getmembers(bus):\n    each.on(found)\n",
    ),
    "a getter whose name is worked out": (
        "",
        (
            f"from operator import attrgetter\nimport bus as b\n{HANDLER}"
            'get = attrgetter("".join(["pla", "ced"]))\nget(b).on(found)\n'
        ),
    ),
    "a getter that goes through modules": (
        "",
        f'from operator import attrgetter\nimport bus\n{HANDLER}[*map(attrgetter("placed"), [bus])][0].on(found)\n',
    ),
    "the attributes of the object behind a module": (
        "",
        f'import bus\n{HANDLER}object.__getattribute__(bus, "placed").on(found)\n',
    ),
    "an attribute that a module is asked for": ("", f'import bus\n{HANDLER}bus.__getattribute__("placed").on(found)\n'),
    "attributes one after another": (
        "",
        f'import functools, bus\n{HANDLER}functools.reduce(getattr, ["placed"], bus).on(found)\n',
    ),
    "a module that is run": ("", f'import runpy\n{HANDLER}runpy.run_module("bus")["placed"].on(found)\n'),
    "a module that is loaded from a file": (
        "",
        (
            f'import importlib.util as u\n{HANDLER}spec = u.spec_from_file_location("bus", "bus.py")\n'
            "m = u.module_from_spec(spec)\nspec.loader.exec_module(m)\nm.placed.on(found)\n"
        ),
    ),
    "a path that somebody else follows": (
        "",
        (
            f"from importlib.metadata import EntryPoint\n{HANDLER}"
            'EntryPoint("x", "b" + "us:placed", "g").load().on(found)\n'
        ),
    ),
    "a path in a text, by a function of the project": (
        (
            "from importlib import import_module\ndef import_string(path):\n"
            '    module, _, name = path.rpartition(".")\n    return getattr(import_module(module), name)\n'
        ),
        f'from lib import import_string\n{HANDLER}import_string("bus.placed").on(found)\n',
    ),
    "a text that is compiled": (
        "",
        f'{HANDLER}code = compile("from bus import placed; placed.on(found)", "x", "exec")\nexec(code)\n',
    ),
    "the method of the object's class": ("", f"from bus import placed\n{HANDLER}type(placed).on(placed, found)\n"),
    "the method of __class__": ("", f"from bus import placed\n{HANDLER}placed.__class__.on(placed, found)\n"),
    "a method that the object is asked for": (
        "",
        f"from bus import placed\n{HANDLER}placed.__getattribute__('on')(found)\n",
    ),
    "a method whose name is worked out": (
        "",
        f"import os\nfrom bus import placed\nname = os.environ.get('HOW', 'on')\n@getattr(placed, name)\n{HANDLER}",
    ),
    "the method of the class": (
        "",
        f"import upnext\nfrom bus import placed\n{HANDLER}upnext.Event.on(placed, found)\n",
    ),
    "the method of the class under another name": (
        "",
        f"import upnext\nfrom bus import placed\n{HANDLER}on = upnext.Event.on\non(placed, found)\n",
    ),
    "the method of the class of the object under another name": (
        "",
        f"from bus import placed\n{HANDLER}kind = type(placed)\nkind.on(placed, found)\n",
    ),
    "an object that is called": (
        "class Setup:\n    def __call__(self, event, function):\n        event.on(function)\n",
        f"from bus import placed\nimport lib\n{HANDLER}lib.Setup()(placed, found)\n",
    ),
    "an object of this file that is called": (
        "",
        (
            f"import bus\n{HANDLER}class Setup:\n    def __call__(self, e):\n        e.on(found)\n"
            "setup = Setup()\nsetup(bus.placed)\n"
        ),
    ),
    "an object that a function calls": (
        (
            "class Setup:\n    def __call__(self, event, function):\n        event.on(function)\n"
            "SETUP = Setup()\ndef go(event, function):\n    SETUP(event, function)\n"
        ),
        f"from bus import placed\nimport lib\n{HANDLER}lib.go(placed, found)\n",
    ),
}


@pytest.mark.parametrize("way", REPORTED)
def test_a_handler_is_reported_behind(way: str, tmp_path: Path) -> None:
    lib, use = REPORTED[way]
    sources = {"bus.py": HEAD, "lib.py": lib, "use.py": use}
    scanned, findings = read(tmp_path, sources)
    assert (scanned.handlers, [(each.code, each.place.file) for each in findings]) == ((), [("UPN002", "use.py")])
    # Without the prefilter, `.on` of whatever is reported as well.
    scanned, more = read(tmp_path, sources, prefilter=False)
    assert (scanned.handlers, {*findings} <= {*more}) == ((), True)


HARMLESS: dict[str, tuple[str, str]] = {
    "a function that sends": ("def go(event):\n    return event.name\n", "from lib import go\ngo(placed)\n"),
    "a function that attaches to something else": (
        "def go(event, sock, function):\n    sock.on(function)\n",
        "from lib import go\ngo(placed, object(), print)\n",
    ),
    "a function with listeners of its own": (
        "def go(event):\n    event.on('connect', print)\n",
        "from lib import go\ngo(placed)\n",
    ),
    "an object that attaches to something else": (
        (
            "class Go:\n    def __init__(self, event, sock):\n        self.event, self.sock = event, sock\n"
            "        self.name = event.name\n    def go(self, function):\n        self.sock.on(function)\n"
        ),
        "from lib import Go\nGo(placed, object()).go(print)\n",
    ),
    "a register of classes": (
        "ALL = {}\nclass Base:\n    def __init_subclass__(cls, event=None):\n        ALL[cls.__name__] = event\n",
        "from lib import Base\nclass Own(Base, event=placed):\n    other = placed\n",
    ),
    "a module that is looked at": ("def go(m):\n    return m.__doc__\n", "import bus\nfrom lib import go\ngo(bus)\n"),
    "a class of a metaclass": (
        "class Meta(type):\n    def __getitem__(cls, name):\n        return cls\n    def on(cls, function): ...\n",
        "from lib import Meta\nclass Own(metaclass=Meta):\n    event = placed\nOwn['x'].on(print)\nOwn.on(print)\n",
    ),
    "a list that things are taken from": (
        "class Bus:\n    def on(self, function): ...\n",
        "from lib import Bus\nL = [Bus()]\nL.pop().on(print)\nnames = [placed.name]\nprint(names.pop())\n",
    ),
    "a bus of its own": (
        "class Bus:\n    def __init__(self, event): ...\n    def on(self, function):\n        return function\n",
        "from lib import Bus\nown = Bus(placed)\n@own.on\ndef startup(): ...\n",
    ),
    "a pattern": (
        "class Bus:\n    def on(self, function): ...\n",
        "from lib import Bus\nmatch Bus():\n    case own:\n        own.on(print)\n",
    ),
    "methods whose names are worked out": (
        "def which(name):\n    return name\n",
        "from lib import which\ngetattr(placed, which('send_sync'))(order_id='1')\ntype(placed).__name__\n",
    ),
    "modules that are looked through": (
        "import inspect, sys\ndef names(m):\n    return [name for name, _ in inspect.getmembers(m)]\n",
        (
            "import operator, pkgutil, sys, bus\nfrom lib import names\nprint(names(bus), sys.modules['bus'].__doc__)\n"
            "print(sorted([placed], key=operator.attrgetter('name')), pkgutil.resolve_name('bus:worker').name)\n"
        ),
    ),
    "texts that attach nothing": ("", 'exec("on = 1")\neval("placed")\nprint(globals(), locals(), vars())\n'),
}


@pytest.mark.parametrize("way", HARMLESS)
def test_what_attaches_nothing_is_no_reason_to_report(way: str, tmp_path: Path) -> None:
    lib, use = HARMLESS[way]
    scanned, findings = read(tmp_path, {"bus.py": HEAD, "lib.py": lib, "use.py": DIRECT + use})
    assert ([each.name for each in scanned.handlers], findings) == (["found"], ())


WRAPS = "import functools\ndef other(order_id: str): ...\n"
INNER = "def deco(f):\n{}    def inner(order_id: str): ...\n{}    return inner\n@placed.on\n@deco\n"
NAMES: dict[str, tuple[str, bool]] = {
    "wraps of the function": (INNER.format("    @functools.wraps(f)\n", ""), True),
    "wraps of another function": (INNER.format("    @functools.wraps(other)\n", ""), True),
    "wraps as the decorator": ("@placed.on\n@functools.wraps(other)\n", True),
    "no wraps": (INNER.format("", ""), True),
    "a wrapper that is updated": (INNER.format("", "    functools.update_wrapper(inner, f)\n"), True),
    "what makes a decorator": (
        (
            "def make(n):\n    def deco(f):\n        @functools.wraps(f)\n        def inner(*a, **k): ...\n"
            "        return inner\n    return deco\n@placed.on\n@make(1)\n"
        ),
        True,
    ),
    "the function itself": ("def deco(f):\n    f.seen = True\n    return f\n@placed.on\n@deco\n", True),
    "a name that is worked out": (INNER.format("", "    inner.__name__ = 'x' + f.__name__\n"), False),
    "a name that a decorator gives": ("def deco(f):\n    f.__name__ = 'x'\n    return f\n@placed.on\n@deco\n", False),
    "a name that is given later": ("found.__name__ = 'x'\nplaced.on(found)\n", False),
    "a name by setattr": ("setattr(found, '__name__', 'x')\nplaced.on(found)\n", False),
}


@pytest.mark.parametrize("way", NAMES)
def test_a_handler_is_called_what_the_runtime_calls_it_or_reported(way: str, tmp_path: Path) -> None:
    text, is_known = NAMES[way]
    source = HEAD + WRAPS + (HANDLER + text if "(found)" in text else text + HANDLER)
    namespace: dict[str, upnext.Worker] = {}
    exec(source, namespace)
    scanned, findings = read(tmp_path, source)
    if is_known:
        assert [f"{each.worker}|{each.event}|{each.name}" for each in scanned.handlers] == [
            *namespace["worker"].registry.handlers
        ]
    assert [each.message for each in findings] == (
        [] if is_known else ["the handler's name cannot be known without running the code"]
    )


def test_a_decorator_that_returns_a_partial_makes_no_handler(tmp_path: Path) -> None:
    source = HEAD + "from functools import partial\ndef deco(f):\n    return partial(f, a=1)\n@placed.on\n@deco\n"
    with pytest.raises(upnext.ConfigError, match="cannot be a handler"):
        exec(source + HANDLER, {})
    _, findings = read(tmp_path, source + HANDLER)
    assert [each.code for each in findings] == ["UPN110"]
