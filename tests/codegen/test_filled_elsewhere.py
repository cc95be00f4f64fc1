"""Events that one file puts into what another one makes, and a third one takes out: every attachment is reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.codegen.reading import HEAD, read, write
from upnext_codegen.project import load_project
from upnext_codegen.scan import scan

HANDLER = "def found(order_id: str, **kwargs: object): ...\n"
ITEM = f"from made import events\n@events['placed'].on()\n{HANDLER}"
LOOP = f"from made import EVENTS\n{HANDLER}for event in EVENTS:\n    event.on()(found)\n"
OWN = f"from made import Own\n@Own.placed.on()\n{HANDLER}"
MODULE = f"import made\n@made.placed.on()\n{HANDLER}"
REGISTER = "class Register:\n    def __init__(self):\n        self.all = {}\n"
GLOBAL = "event = None\ndef setup(given):\n    global event\n    event = {}\n"
FILLED: dict[str, tuple[str, str, str]] = {
    "an item of a dict": ("events = {}\n", "from made import events\nevents['placed'] = placed\n", ITEM),
    "an item, by the module": ("events = {}\n", "import made\nmade.events['placed'] = placed\n", ITEM),
    "an item, in a function": (
        "events = {}\n",
        "from made import events\ndef setup():\n    events['placed'] = placed\n",
        ITEM,
    ),
    "an item, by another name": (
        "events = {}\n",
        "from made import events as e\nown = e\nown['placed'] = placed\n",
        ITEM,
    ),
    "keywords of update": ("events = {}\n", "from made import events\nevents.update(placed=placed)\n", ITEM),
    "a dict that is put in": ("events = {}\n", "from made import events\nevents |= {'placed': placed}\n", ITEM),
    "a default": ("events = {}\n", "from made import events\nevents.setdefault('placed', placed)\n", ITEM),
    "a list": ("EVENTS = []\n", "from made import EVENTS\nEVENTS.append(placed)\n", LOOP),
    "a list that is not empty": ("EVENTS = [None]\n", "from made import EVENTS\nEVENTS.append(placed)\n", LOOP),
    "a list that is made longer": ("EVENTS = []\n", "import made\nmade.EVENTS += [placed]\n", LOOP),
    "a queue": (
        "import collections\nEVENTS = collections.deque()\n",
        "from made import EVENTS\nEVENTS.append(placed)\n",
        LOOP,
    ),
    "a list in a dict": (
        "from collections import defaultdict\nevents = defaultdict(list)\n",
        "from made import events\nevents['all'].append(placed)\n",
        LOOP.replace("import EVENTS", "import events").replace("in EVENTS", "in events['all']"),
    ),
    "keys of a dict": (
        "HANDLERS = {}\n",
        f"from made import HANDLERS\n{HANDLER}HANDLERS[placed] = found\n",
        "from made import HANDLERS\nfor event, handler in HANDLERS.items():\n    event.on(handler)\n",
    ),
    "an attribute of a class": ("class Own: ...\n", "from made import Own\nOwn.placed = placed\n", OWN),
    "an attribute of a class, by its name": (
        "class Own: ...\n",
        "from made import Own\nsetattr(Own, 'placed', placed)\n",
        OWN.replace("Own.placed", "getattr(Own, 'placed')"),
    ),
    "an attribute of an object": (
        "class Class: ...\nOwn = Class()\n",
        "from made import Own\nOwn.placed = placed\n",
        OWN,
    ),
    "an attribute of a class, of its object": (
        "class Own: ...\n",
        "from made import Own\nOwn.placed = placed\n",
        OWN.replace("Own.", "Own()."),
    ),
    "a property": (
        (
            "class Class:\n    @property\n    def placed(self):\n        return self.kept\n"
            "    @placed.setter\n    def placed(self, event):\n        self.kept = event\nOwn = Class()\n"
        ),
        "from made import Own\nOwn.placed = placed\n",
        OWN,
    ),
    "an attribute of a function": ("def Own(): ...\n", "from made import Own\nOwn.placed = placed\n", OWN),
    "a worker": (
        "class Own: ...\n",
        "from made import Own\nOwn.worker = worker\n",
        OWN.replace("Own.placed", "Own.worker.event('order.placed')"),
    ),
    "an attribute of a module": ("", "import made\nmade.placed = placed\n", MODULE),
    "an attribute of a module that is imported": (
        "placed = None\n",
        "import made\nmade.placed = placed\n",
        f"from made import placed\n@placed.on\n{HANDLER}",
    ),
    "a function of a module": (
        "def get(): ...\n",
        "import made\nmade.get = lambda: placed\n",
        MODULE.replace("made.placed", "made.get()"),
    ),
    "a variable of the context": (
        "from contextvars import ContextVar\nevent = ContextVar('event')\n",
        "from made import event\nevent.set(placed)\n",
        f"from made import event\n@event.get().on\n{HANDLER}",
    ),
    "a method that keeps it": (
        f"{REGISTER}    def add(self, name, event):\n        self.all[name] = event\nregister = Register()\n",
        "from made import register\nregister.add('placed', placed)\n",
        f"from made import register\n@register.all['placed'].on\n{HANDLER}",
    ),
    "a function that keeps it": (
        (
            "_all = {}\ndef keep(name, event):\n    _all[name] = event\ndef add(name, event):\n    keep(name, event)\n"
            "def get(name):\n    return _all[name]\n"
        ),
        "from made import add\nadd('placed', placed)\n",
        f"from made import get\n@get('placed').on\n{HANDLER}",
    ),
    "a global": (
        GLOBAL.format("given"),
        "import made\nmade.setup(placed)\n",
        f"import made\n@made.event.on\n{HANDLER}",
    ),
    "a global that is made of it": (
        GLOBAL.format("given.event('order.placed')"),
        "import made\nmade.setup(worker)\n",
        f"import made\n@made.event.on\n{HANDLER}",
    ),
    "names of a module": ("", "import made\nvars(made)['placed'] = placed\n", MODULE),
    "names that are worked out": (
        "",
        "import made\nfor name in ['placed']:\n    setattr(made, name, placed)\n",
        MODULE,
    ),
    "attributes whose names are worked out": (
        "class Own: ...\n",
        "from made import Own\nfor name in ['placed']:\n    setattr(Own, name, placed)\n",
        OWN,
    ),
    "an item among others": ("events = {}\n", "from made import events\nevents['placed'], other = placed, 1\n", ITEM),
    "an item that is added to": (
        "events = {'all': []}\n",
        "from made import events\nevents['all'] += [placed]\n",
        LOOP.replace("import EVENTS", "import events").replace("in EVENTS", "in events['all']"),
    ),
    "a list that a function is given": (
        "EVENTS = []\n",
        "from made import EVENTS\ndef fill(events, event):\n    events.append(event)\nfill(EVENTS, placed)\n",
        LOOP,
    ),
    "a method by another name": ("EVENTS = []\nadd = EVENTS.append\n", "from made import add\nadd(placed)\n", LOOP),
    "a lambda": (
        "EVENTS = []\nadd = lambda event: EVENTS.append(event)\n",
        "from made import add\nadd(placed)\n",
        LOOP,
    ),
    "a function that is called by another": (
        "EVENTS = []\ndef add(event):\n    EVENTS.append(event)\n",
        "from made import add\nlist(map(add, [placed]))\n",
        LOOP,
    ),
    "a list of a class": (
        "class Own:\n    all = []\n    def __init__(self, event):\n        self.all.append(event)\n",
        "from made import Own\nOwn(placed)\n",
        f"from made import Own\n{HANDLER}for event in Own.all:\n    event.on(found)\n",
    ),
    "classes that are listed": (
        "ALL = []\nclass Own:\n    def __init_subclass__(cls):\n        ALL.append(cls)\n",
        "from made import Own\nclass Sub(Own):\n    event = placed\n",
        f"from made import ALL\n{HANDLER}for each in ALL:\n    each.event.on(found)\n",
    ),
    "an object that a function makes once": (
        f"import functools\n{REGISTER}@functools.cache\ndef register():\n    return Register()\n",
        "from made import register\nregister().all['placed'] = placed\n",
        f"from made import register\n@register().all['placed'].on\n{HANDLER}",
    ),
    "an object that a function is given": (
        f"{REGISTER}register = Register()\n",
        "from made import Register\ndef fill(register: Register):\n    register.all['placed'] = placed\n",
        f"from made import register\n@register.all['placed'].on\n{HANDLER}",
    ),
    "what is taken out on the way": (
        "events = {}\ndef get():\n    return events['placed']\n",
        "from made import events\nevents['placed'] = placed\n",
        f"from made import get\nevent = get()\n@event.on\n{HANDLER}",
    ),
}


@pytest.mark.parametrize("way", FILLED)
def test_a_handler_of_an_event_that_another_file_puts_there_is_reported(way: str, tmp_path: Path) -> None:
    made, fill, use = FILLED[way]
    sources = {"bus.py": HEAD, "made.py": made, "fill.py": f"from bus import worker, placed\n{fill}", "use.py": use}
    for prefilter in (True, False):
        scanned, findings = read(tmp_path, sources, prefilter=prefilter)
        assert (scanned.handlers, [(each.code, each.place.file) for each in findings]) == ((), [("UPN002", "use.py")])
    (tmp_path / "fill.py").write_text("")
    assert scan(load_project(tmp_path))[1] == ()
    write(tmp_path, sources)
    warm = scan(load_project(tmp_path))[1]
    assert warm == findings
    (tmp_path / "fill.py").write_text("")
    assert scan(load_project(tmp_path))[1] == ()


def test_a_handler_that_another_decorator_keeps_is_an_event_there(tmp_path: Path) -> None:
    made = "EVENTS = []\ndef keep(event):\n    EVENTS.append(event)\n    return event\n"
    fill = f"from bus import placed\nfrom made import keep\n@keep\n@placed.on\n{HANDLER.replace('found', 'first')}"
    scanned, findings = read(tmp_path, {"bus.py": HEAD, "made.py": made, "fill.py": fill, "use.py": LOOP})
    assert [each.name for each in scanned.handlers] == ["first"]
    assert [(each.code, each.place.file) for each in findings] == [("UPN002", "use.py")]


def test_an_event_that_is_put_into_a_module_of_python_is_reported_there(tmp_path: Path) -> None:
    fill = "import builtins, time\nfrom bus import placed\nbuiltins.placed = placed\ntime.sleep = print\n"
    _, findings = read(tmp_path, {"bus.py": HEAD, "fill.py": fill, "use.py": f"@placed.on\n{HANDLER}"})
    assert [(each.place.file, each.place.line, each.message.partition(",")[0]) for each in findings] == [
        ("fill.py", 3, "builtins.placed is given an event")
    ]


ATTACH = "class Attach:\n    def __init__(self, function):\n        self.function = function\n"
OPERATORS = {
    "an operator": ("def __or__(self, event)", "Attach(found) | placed"),
    "an operator of the other side": ("def __rrshift__(self, event)", "placed >> Attach(found)"),
    "an assignment with an operator": ("def __ior__(self, event)", "own = Attach(found)\nown |= placed"),
    "a test": ("def __contains__(self, event)", "placed in Attach(found)"),
    "an item": ("def __getitem__(self, event)", "Attach(found)[placed]"),
    "an item that is assigned": ("def __setitem__(self, event, other)", "Attach(found)[placed] = 1"),
    "a value that is assigned to an item": ("def __setitem__(self, other, event)", "Attach(found)[1] = placed"),
    "an attribute that is assigned": (
        "def __setattr__(self, name, event)",
        "own = Attach(found)\nown.x = placed",
    ),
    "a property": (
        "@property\n    def x(self): ...\n    @x.setter\n    def x(self, event)",
        "own = Attach(found)\nown.x = placed",
    ),
}


@pytest.mark.parametrize("way", OPERATORS)
def test_a_handler_is_reported_that_is_attached_by(way: str, tmp_path: Path) -> None:
    method, use = OPERATORS[way]
    lib = f"{ATTACH}    {method}:\n        event.on(self.function)\n"
    use = f"from bus import placed\nfrom lib import Attach\n{HANDLER}{use}\n"
    scanned, findings = read(tmp_path, {"bus.py": HEAD, "lib.py": lib, "use.py": use})
    assert (scanned.handlers, [(each.code, each.place.file) for each in findings]) == ((), [("UPN002", "use.py")])


MADE: dict[str, tuple[str, str]] = {
    "names that a package makes up": (
        "import lazy_loader\n__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, [], {'bus': ['placed']})\n",
        f"from lib import placed\n@placed.on\n{HANDLER}",
    ),
    "names that a loop puts into a module": (
        "import bus\nfor name in ['placed']:\n    globals()[name] = getattr(bus, name)\n",
        f"from lib import placed\n@placed.on\n{HANDLER}",
    ),
    "an object in place of a module": (
        "import sys, bus\nclass Own:\n    event = bus.placed\nsys.modules[__name__] = Own()\n",
        f"import lib\n@lib.event.on\n{HANDLER}",
    ),
    "another class of a module": (
        (
            "import sys, types, bus\nclass Own(types.ModuleType):\n    event = bus.placed\n"
            "sys.modules[__name__].__class__ = Own\n"
        ),
        f"import lib\n@lib.event.on\n{HANDLER}",
    ),
    "a function for one class": (
        (
            "import functools\n@functools.singledispatch\ndef attach(event, function): ...\n"
            "@attach.register(object)\ndef _(event, function):\n    event.on(function)\n"
        ),
        f"from bus import placed\nfrom lib import attach\n{HANDLER}attach(placed, found)\n",
    ),
    "a package that is looked through": (
        "",
        f"import inspect, pkg.bus\n{HANDLER}event = dict(inspect.getmembers(pkg.bus))['placed']\nevent.on(found)\n",
    ),
    "a package that is given": (
        "",
        f"import pkg.bus\n{HANDLER}def setup(module):\n    module.placed.on(found)\nsetup(pkg.bus)\n",
    ),
}


@pytest.mark.parametrize("way", MADE)
def test_a_handler_is_reported_behind(way: str, tmp_path: Path) -> None:
    lib, use = MADE[way]
    sources = {"bus.py": HEAD, "pkg/__init__.py": "", "pkg/bus.py": HEAD, "lib.py": lib, "use.py": use}
    scanned, findings = read(tmp_path, sources)
    assert (scanned.handlers, [(each.code, each.place.file) for each in findings]) == ((), [("UPN002", "use.py")])


EXTERNAL = "import another\nown = another.Application()\n"
START = "from made import own\n@own.on\ndef start(): ...\nown.on(start)\n"
TAKEN = "from made import kept\nkept['x'].on(print)\nfor each in kept:\n    each.on(print)\n"
LEFT_ALONE: dict[str, tuple[str, str, str]] = {
    "texts": ("kept = []\n", "from made import kept\nkept.append(placed.name)\nkept.append('x')\n", TAKEN),
    "a number for a name": ("kept = {}\n", "from made import kept\nkept[placed.name] = 1\n", TAKEN),
    "what is of another package": (
        "kept = []\n",
        "import logging\nfrom made import kept\nkept.append(logging.StreamHandler())\n",
        TAKEN,
    ),
    "classes": ("kept = {}\n", "from made import kept\nclass Model: ...\nkept['x'] = Model\n", TAKEN),
    "functions": ("kept = {}\n", "from made import kept\ndef hook(): ...\nkept['x'] = hook\n", TAKEN),
    "receipts": ("kept = {}\n", "from made import kept\nkept['x'] = placed.send_sync(order_id='1')\n", TAKEN),
    "receipts that are awaited": (
        "kept = {}\n",
        "from made import kept\nasync def go():\n    kept['x'] = await placed.send(order_id='1')\n",
        TAKEN,
    ),
    "tasks of a loop": (
        "kept = set()\n",
        "import asyncio\nfrom made import kept\ndef go():\n    kept.add(asyncio.create_task(placed.send()))\n",
        TAKEN,
    ),
    "sends": ("kept = []\n", "from made import kept\nkept.append(placed.send_sync)\n", TAKEN),
    "a name of its own": ("kept = {}\n", "kept = {}\nkept['x'] = placed\n", TAKEN),
    "a name of a function": ("kept = {}\n", "def go():\n    kept = {}\n    kept['x'] = placed\n", TAKEN),
    "a copy": ("kept = {}\n", "from made import kept\nown = {**kept, 'x': placed}\n", TAKEN),
    "what a function only looks at": (
        "kept = {}\ndef name_of(event):\n    return event.name\n",
        "from made import name_of\nname_of(placed)\n",
        TAKEN,
    ),
    "events that are only sent": (
        "events = {}\n",
        "from made import events\nevents['x'] = placed\n",
        "from made import events\nevents['x'].send_sync(order_id='1')\nprint([each for each in events.values()])\n",
    ),
    "another attribute of a class": (
        "class Own: ...\nclass Other: ...\n",
        "from made import Own\nOwn.placed = placed\n",
        "from made import Other, Own\n@Own.sock.on\ndef start(): ...\n@Other.placed.on\ndef stop(): ...\n",
    ),
    "another attribute of a module": (
        f"import another\n{EXTERNAL}",
        "import made\nmade.placed = placed\n",
        f"{START}import made\nmade.own.on(start)\n",
    ),
    "a setting": (EXTERNAL, "from made import own\nown.config['WORKER'] = worker\n", START),
    "the state of an application": (EXTERNAL, "from made import own\nown.state.worker = worker\n", START),
    "an attribute of an application": (EXTERNAL, "from made import own\nown.worker = worker\n", START),
    "settings": ("WORKER = None\nown = object()\n", "import made\nmade.WORKER = worker\n", START),
    "a listener": (
        EXTERNAL,
        "from made import own\nown.on('x', placed.send_sync)\nown.connect(placed.send)\n",
        START,
    ),
    "a decorator that names an event of its own": (
        EXTERNAL,
        "from made import own\nown.start(worker)\n",
        "from made import own\n@own.on('x')\ndef start(): ...\n@own.on(print, start)\ndef stop(): ...\n",
    ),
    "a job": (EXTERNAL, "from made import own\nown.add_job(placed.send_sync, 'interval')\n", START),
    "a route": (
        EXTERNAL,
        "from made import own\n@own.post('/')\nasync def go():\n    await placed.send(order_id='1')\nown.add(go)\n",
        START,
    ),
    "a command": (
        EXTERNAL,
        "from made import own\n@own.command()\ndef go():\n    placed.send_sync(order_id='1')\nown.add_command(go)\n",
        START,
    ),
    "a line of a log": (EXTERNAL, "from made import own\nown.info('%s', placed)\n", START),
    "a bus with listeners of its own": (
        (
            "class Bus:\n    def __init__(self):\n        self.all = []\n    def add(self, event):\n"
            "        self.all.append(event)\n    def on(self, function):\n        return function\nown = Bus()\n"
        ),
        "from made import own\nown.add(placed)\nown.worker = worker\n",
        START,
    ),
    "a listener for an object of the database": (
        EXTERNAL,
        (
            "from another import event\nfrom made import own\n@event.listens_for(own, 'close')\ndef go(*rest):\n"
            "    placed.send_sync(order_id='1')\nevent.listen(own, 'open', go)\n"
        ),
        START,
    ),
    "values behind keys that are not events": (
        "kept = {}\n",
        "from made import kept\nkept[placed.name, 1] = str(placed)\nkept.update({'x': placed.name})\n",
        TAKEN,
    ),
    "operators": (
        "class Own:\n    def __or__(self, other):\n        self.other = other\n    __getitem__ = __or__\nkept = {}\n",
        (
            "from made import Own\nown = Own()\nown | placed\nown[placed]\nown |= placed\nown.x = placed\n"
            "print({placed: 1}[placed], placed in [placed], placed is None, f'{placed}' + '%s' % placed)\n"
        ),
        TAKEN,
    ),
    "a module with a name of its own": (
        "import sys\nkept = [1]\nsetattr(sys.modules[__name__], 'own', 2)\nglobals().update(other=3)\n",
        "from made import own, other\nown.on(print)\nother.on(print)\n",
        TAKEN,
    ),
}


@pytest.mark.parametrize("way", LEFT_ALONE)
def test_what_else_is_put_into_names_of_other_files_is_no_reason_to_report(way: str, tmp_path: Path) -> None:
    made, fill, use = LEFT_ALONE[way]
    fill = f"from bus import worker, placed\n{fill}@placed.on\n{HANDLER}"
    scanned, findings = read(tmp_path, {"bus.py": HEAD, "made.py": made, "fill.py": fill, "use.py": use})
    assert ([each.name for each in scanned.handlers], findings) == (["found"], ())
