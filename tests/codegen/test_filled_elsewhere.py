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
    "values behind keys that are no events": (
        "kept = {}\n",
        "from made import kept\nkept[placed.name, 1] = str(placed)\nkept.update({'x': placed.name})\n",
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
