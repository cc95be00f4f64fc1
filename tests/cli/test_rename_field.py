# ruff: noqa: E501, ISC004 - sources stand beside what becomes of them
"""`upnext rename field`: parameters, their uses, sends and calls get the new name; the old one is taken on arrival."""

from __future__ import annotations

import ast
import json

import pytest

from tests.cli.projects import Shell

EVENTS = 'import upnext\nworker = upnext.Worker("shop")\nplaced = worker.event("order.placed")\n'
HEAD = "from shop.events import placed\n"
TYPING, OURS = "from typing import Annotated\n", "from upnext import Formerly\n"
HANDLERS = {
    "plain": (
        f"{HEAD}\n@placed.on\ndef h(order_id: str, n: int = 1) -> None:\n    print(order_id, n)  # order_id\n",
        f'{TYPING}{OURS}{HEAD}\n@placed.on\ndef h(number: Annotated[str, Formerly("order_id")], n: int = 1) -> None:\n'
        "    print(number, n)  # order_id\n",
    ),
    "imports that are there": (
        f"import typing as t\nimport upnext as u\n{HEAD}@placed.on\ndef h(order_id: str): ...\n",
        f"import typing as t\nimport upnext as u\n{HEAD}@placed.on\n"
        'def h(number: t.Annotated[str, u.Formerly("order_id")]): ...\n',
    ),
    "one of the two": (
        f"{TYPING}{HEAD}X = Annotated\n@placed.on\ndef h(order_id: str): ...\n",
        f'{OURS}{TYPING}{HEAD}X = Annotated\n@placed.on\ndef h(number: Annotated[str, Formerly("order_id")]): ...\n',
    ),
    "the other one": (
        f'"""Doc."""\n\nfrom __future__ import annotations\n\nimport upnext\n{HEAD}@placed.on\ndef h(order_id: str): ...\n',
        f'"""Doc."""\n\nfrom __future__ import annotations\n\n{TYPING}import upnext\n{HEAD}@placed.on\n'
        'def h(number: Annotated[str, upnext.Formerly("order_id")]): ...\n',
    ),
    "annotated before": (
        f"{TYPING}from pydantic import Field\n{HEAD}@placed.on\ndef h(*, order_id: Annotated[str, Field(min_length=1)]): ...\n",
        f"{OURS}{TYPING}from pydantic import Field\n{HEAD}@placed.on\n"
        'def h(*, number: Annotated[str, Field(min_length=1), Formerly("order_id")]): ...\n',
    ),
    "a type in parentheses": (
        f"{TYPING}{HEAD}X = number = 1\n@placed.on\ndef h(order_id: Annotated[(str), (1)] = number): ...\n",
        f"{OURS}{TYPING}{HEAD}X = number = 1\n@placed.on\n"
        'def h(number: Annotated[(str), (1), Formerly("order_id")] = number): ...\n',
    ),
    "renamed before": (
        f"{OURS}{TYPING}{HEAD}@placed.on\ndef h(order_id: Annotated[str, Formerly('id', 'old')]): ...\n",
        f"{OURS}{TYPING}{HEAD}@placed.on\ndef h(number: Annotated[str, Formerly(\"order_id\", 'id', 'old')]): ...\n",
    ),
    "parentheses and a default": (
        f"{HEAD}@placed.on\ndef h(order_id: (\n    str | None  # either\n) = None): return (order_id)\n",
        f'{TYPING}{OURS}{HEAD}@placed.on\ndef h(number: Annotated[(\n    str | None  # either\n), Formerly("order_id")] = None): return (number)\n',
    ),
    "a text as annotation": (
        f"{HEAD}@placed.on\ndef h(order_id: 'str'): ...\n",
        f"{TYPING}{OURS}{HEAD}@placed.on\ndef h(number: Annotated['str', Formerly(\"order_id\")]): ...\n",
    ),
    "a body of many kinds": (
        f"{HEAD}@placed.on\nasync def h(order_id: str, **kw: object):\n"
        "    x = dict(order_id=order_id); x.order_id = f'{order_id!r:>{len(order_id)}}'\n"
        "    f = lambda y: order_id + y\n    order_id = order_id.strip()\n"
        "    def inner():\n        nonlocal order_id\n        order_id = '1'\n        return [order_id for _ in order_id]\n"
        "    match x:\n        case dict(order_id=z): del order_id\n",
        f'{TYPING}{OURS}{HEAD}@placed.on\nasync def h(number: Annotated[str, Formerly("order_id")], **kw: object):\n'
        "    x = dict(order_id=number); x.order_id = f'{number!r:>{len(number)}}'\n"
        "    f = lambda y: number + y\n    number = number.strip()\n"
        "    def inner():\n        nonlocal number\n        number = '1'\n        return [number for _ in number]\n"
        "    match x:\n        case dict(order_id=z): del number\n",
    ),
    "the key of a TypedDict": (
        f"from typing import TypedDict, Unpack\n{HEAD}class Order(TypedDict):\n    order_id: str  # its id\n    n: int\n\n"
        "@placed.on\ndef h(**f: Unpack[Order]):\n    return f['order_id'], f.get(\"order_id\"), 'order_id' in f, f['n']\n",
        f"{TYPING}{OURS}from typing import TypedDict, Unpack\n{HEAD}class Order(TypedDict):\n"
        '    number: Annotated[str, Formerly("order_id")]  # its id\n    n: int\n\n'
        "@placed.on\ndef h(**f: Unpack[Order]):\n    return f['number'], f.get(\"number\"), 'number' in f, f['n']\n",
    ),
    "options that name it": (
        f"{HEAD}@placed.on(rate='5/minute', by='order_id', unique=('order_id', 'n'))\ndef h(order_id: str, n: int): ...\n",
        f"{TYPING}{OURS}{HEAD}@placed.on(rate='5/minute', by='number', unique=('number', 'n'))\n"
        'def h(number: Annotated[str, Formerly("order_id")], n: int): ...\n',
    ),
    "options where it is attached": (
        f"{HEAD}def h(order_id: str): ...\nplaced.on(unique='order_id')(h)\n",
        f"{TYPING}{OURS}{HEAD}def h(number: Annotated[str, Formerly(\"order_id\")]): ...\nplaced.on(unique='number')(h)\n",
    ),
    "a task as well": (
        f"from shop.events import worker\n{HEAD}@worker.task\n@placed.on\ndef h(order_id: str): ...\nh.submit_sync(order_id='1')\n",
        f"{TYPING}{OURS}from shop.events import worker\n{HEAD}@worker.task\n@placed.on\n"
        "def h(number: Annotated[str, Formerly(\"order_id\")]): ...\nh.submit_sync(number='1')\n",
    ),
    "imports under other names": (
        f"from typing import Annotated as A\nfrom upnext import Formerly as F\n{HEAD}@placed.on\ndef h(order_id: str): ...\n",
        f"from typing import Annotated as A\nfrom upnext import Formerly as F\n{HEAD}@placed.on\n"
        'def h(number: A[str, F("order_id")]): ...\n',
    ),
    "no import before a decorator": (
        '"""Doc."""; from shop.events import placed\n@placed.on\ndef h(order_id: str): ...\n',
        f'"""Doc."""; from shop.events import placed\n{TYPING}{OURS}@placed.on\n'
        'def h(number: Annotated[str, Formerly("order_id")]): ...\n',
    ),
    "a static method": (
        f"{HEAD}class C:\n    @staticmethod\n    @placed.on\n    def h(order_id: str): ...\n\nC.h(order_id='1')\n",
        f"{TYPING}{OURS}{HEAD}class C:\n    @staticmethod\n    @placed.on\n"
        "    def h(number: Annotated[str, Formerly(\"order_id\")]): ...\n\nC.h(number='1')\n",
    ),
    "sends in a handler": (
        f"{HEAD}@placed.on\nasync def h(order_id: str):\n    if order_id: await placed.send(order_id=order_id)\n"
        "    if order_id: await placed.options(key=order_id).send(\n        order_id=order_id,\n    )\n    h(order_id=order_id)\n",
        f'{TYPING}{OURS}{HEAD}@placed.on\nasync def h(number: Annotated[str, Formerly("order_id")]):\n'
        "    if number: await placed.send(number=number)\n"
        "    if number: await placed.options(key=number).send(\n        number=number,\n    )\n    h(number=number)\n",
    ),
}


def project(empty: Shell, handlers: str, **files: str) -> None:
    empty.write(
        {
            "pyproject.toml": "",
            "shop/__init__.py": "",
            "shop/events.py": EVENTS,
            "shop/email.py": handlers,
            **{name.replace("__", "/") + ".py": text for name, text in files.items()},
        }
    )


@pytest.mark.parametrize(
    ("name", "end"),
    [
        *((name, "\n") for name in HANDLERS),
        *((name, "\r\n") for name in ("plain", "a body of many kinds", "the other one")),
    ],
)
def test_renaming_keeps_everything_else_and_renaming_back_is_the_identity(name: str, end: str, empty: Shell) -> None:
    before, after = [each.replace("\n", end).encode() for each in HANDLERS[name]]
    project(empty, "")
    path = empty.root / "shop" / "email.py"
    path.write_bytes(before)
    assert empty.run("gen").code == 0
    (empty.root / "upnext.lock").rename(empty.root / "before.lock")
    done = empty.run("rename", "field", "order.placed", "order_id", "number", "--write")
    assert (done.code, path.read_bytes()) == (0, after), done.out
    ast.parse(after)
    done = empty.run("gen", "--against", "before.lock")
    assert done.code == 0, done.out
    assert empty.run("rename", "field", "order.placed", "number", "order_id", "--write").code == 0
    assert path.read_bytes() == before


def test_all_handlers_sends_calls_and_tests_are_changed_and_the_rest_is_listed(empty: Shell) -> None:
    files = {
        "shop__count": f"import upnext\n{HEAD}@placed.on\ndef count(order_id: str, **kw: object): ...\n",
        "shop__held": f"{HEAD}class Held:\n    def __init__(self): self.event = placed\n"
        "    async def go(self): await self.event.send(order_id='1')\n",
        "shop__open": f"{HEAD}@placed.on\ndef any_of(**kw: object): return kw['order_id']\n",
        "shop__api": "from . import events\nfrom .email import h as mail\n\nasync def buy(order_id: str, **more: str):\n"
        "    await events.placed.send(order_id=order_id)\n    mail(order_id=order_id)\n"
        "    await mail.send(order_id=order_id, **more)\n    other(order_id=order_id)\n\ndef other(order_id: str): ...\n",
        "tests__test_email": "from shop.email import h\nfrom shop.events import placed\n\nasync def test(upnext_sent):\n"
        "    h(order_id='1')\n    await placed.options(delay=1).send(order_id='1')\n    placed.send_sync(order_id='2')\n"
        "    assert upnext_sent[0].fields['order_id']\n",
    }
    project(empty, HANDLERS["plain"][0], **files)
    done = empty.run("rename", "field", "order.placed", "order_id", "number", "--write", "--format", "json")
    assert done.code == 0, done.out + done.err
    assert empty.text("shop/open.py") == files["shop__open"]
    api = (
        files["shop__api"].replace("placed.send(order_id", "placed.send(number").replace("mail(order_id", "mail(number")
    )
    assert empty.text("shop/api.py") == api.replace("mail.send(order_id", "mail.send(number")
    tests = files["tests__test_email"]
    assert empty.text("tests/test_email.py") == tests.replace("order_id=", "number=")
    undecided = [(each["file"], each["line"]) for each in json.loads(done.out)["undecided"]]
    assert undecided == [
        ("shop/api.py", 7),
        ("shop/held.py", 4),
        ("shop/open.py", 3),
        ("tests/test_email.py", 8),
    ]
    assert empty.run("gen").code == 0
    assert empty.run("rename", "field", "order.placed", "number", "order_id", "--write").code == 0
    for name, text in files.items():
        assert empty.text(name.replace("__", "/") + ".py") == text


PASSED_ON = {
    "shop__api": "from shop.events import placed\n",
    "shop__all": "from .events import *\nfrom .email import *\n",
    "shop__other": "from shop.events import placed as pl\nimport shop.events\nagain = shop.events.placed\n",
}
IN_TESTS = """
from functools import partial
from unittest.mock import call
import shop.all, shop.api, shop.events, shop.other
from shop.events import worker
from shop.all import *
from shop.other import again, pl
from logs import info, log

async def test(self, mock, session, upnext):
    await placed.send(order_id=1)
    h(order_id=1)
    shop.all.h.send_sync(order_id=1)
    await shop.api.placed.options(delay=1).within(session).send(order_id=1)
    await pl.send(order_id=1)
    await again.send(order_id=1)
    await shop.other.pl.send(order_id=1)
    await worker.events["order.placed"].send(order_id=1)
    shop.events.worker.events["order.placed"].options(delay=1).send_sync(order_id=1)
    # not certain
    partial(placed.send, order_id=1)
    send, later, event = placed.send, placed.options(delay=1), placed
    sending = pl.send
    await sending(order_id=1)
    await later.send(order_id=1)
    await upnext.events["order.placed"].send(order_id=1)
    mock.assert_called_once_with(order_id=1)
    assert mock.mock_calls == [call(order_id=1)]
    self.h(order_id=1)
    # certainly not
    dict(order_id=1)
    info("sent", order_id=1)
    log.info("sent", order_id=1)
    session.get(order_id=1)
    other(order_id=1)

def other(order_id): ...
"""


def test_sends_in_tests_are_changed_where_they_are_certain_and_listed_where_they_may_be(empty: Shell) -> None:
    project(empty, HANDLERS["plain"][0], **PASSED_ON, tests__test_a=IN_TESTS)
    done = empty.run("rename", "field", "order.placed", "order_id", "number", "--write", "--format", "json")
    assert done.code == 0, done.out + done.err
    certain, doubtful, others = IN_TESTS.lstrip("\n").partition("    # not")[0], *IN_TESTS.split("# ")[1:]
    assert empty.text("tests/test_a.py").startswith(certain.replace("order_id", "number"))
    assert empty.text("tests/test_a.py").endswith(f"# {doubtful}# {others}")
    first = certain.count("\n") + 1
    expected = [first + number for number, line in enumerate(doubtful.splitlines()) if "order_id" in line]
    listed = [each["line"] for each in json.loads(done.out)["undecided"] if each["file"] == "tests/test_a.py"]
    assert listed == expected
    assert empty.run("rename", "field", "order.placed", "number", "order_id", "--write").code == 0
    assert empty.text("tests/test_a.py") == IN_TESTS.lstrip("\n")


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        ("def h(order_id): ...", "'order_id' has no annotation, which is to name 'order_id': annotate it first"),
        ("def h(order_id: str):\n    number = order_id", "'number' has a meaning in this function already"),
        (
            "def h(order_id: str):\n    return [order_id for order_id in order_id]",
            "'order_id' is something else in here",
        ),
        ("def h(order_id: str):\n    return lambda order_id: order_id", "'order_id' is something else in here"),
        (
            "def h(order_id: str, **more: object): ...\nplaced.send_sync(order_id='1', number=2)",
            "shop/email.py:5:18: this gives a 'number' as well: choose another name",
        ),
        (
            "def h(order_id: str, **more: object): ...\nh(order_id='1', number=2)",
            "shop/email.py:5:3: this gives a 'number' as well: choose another name",
        ),
        ("def h(order_id: str):\n    import order_id", "this gives 'order_id' another meaning"),
        (
            "@lambda f: f\ndef h(order_id: str): ...\ndef deco(f):\n    def inner(order_id: str): f(order_id)\n"
            "    return inner\n@placed.on\n@deco\ndef g(order_id: str): ...",
            "shop/email.py:7:15: a decorator of 'inner' names 'order_id' here: change it by hand first",
        ),
    ],
)
def test_what_has_to_be_done_by_hand_first_stops_it(handler: str, reason: str, empty: Shell) -> None:
    source = f"{HEAD}\n@placed.on\n{handler}\n"
    project(empty, source)
    done = empty.run("rename", "field", "order.placed", "order_id", "number", "--write")
    assert (done.code, empty.text("shop/email.py")) == (1, source)
    assert reason in done.out


def test_an_older_former_name_keeps_all_others_and_a_rename_that_is_taken_back_says_so(empty: Shell) -> None:
    project(empty, f"{TYPING}{OURS}{HEAD}@placed.on\ndef h(c: Annotated[str, Formerly('b', 'a')]): ...\n")
    assert empty.run("rename", "field", "order.placed", "c", "a", "--write").out.startswith("wrote shop/email.py\nRun")
    assert "def h(a: Annotated[str, Formerly(\"c\", 'b')])" in empty.text("shop/email.py")
    done = empty.run("rename", "field", "order.placed", "a", "c", "--write")
    assert "nothing takes what is queued or sent as 'a' then" in done.out
    assert "def h(c: Annotated[str, Formerly('b')])" in empty.text("shop/email.py")


def test_a_function_of_two_events_and_a_former_name_elsewhere_are_left_to_a_person(empty: Shell) -> None:
    two = "from shop.events import worker\n@worker.event('b').on\n@placed.on\ndef h(order_id: str): ...\n"
    project(empty, f"{HEAD}{two}")
    done = empty.run("rename", "field", "order.placed", "order_id", "number", "--write")
    assert (done.code, "this function handles 'b' as well" in done.out) == (1, True)
    shared = "from shop.t import O\nfrom typing import Unpack\n@{}\ndef h(**f: Unpack[O]): ...\n"
    of_b = "from shop.events import worker\n" + shared.format("worker.event('b').on")
    typed_dict = "from typing import TypedDict\nclass O(TypedDict):\n    order_id: str\n"
    project(empty, HEAD + shared.format("placed.on"), shop__b=of_b, shop__t=typed_dict)
    done = empty.run("rename", "field", "order.placed", "order_id", "number", "--write")
    assert (done.code, "shop/b.py:5:5: this takes 'order_id' from O as well: give each its own" in done.out) == (
        1,
        True,
    )
    (empty.root / "shop" / "b.py").unlink()
    alias = (
        f"{TYPING}{OURS}{HEAD}Number = Annotated[str, Formerly('order_id')]\n@placed.on\ndef h(number: Number): ...\n"
    )
    project(empty, alias)
    done = empty.run("rename", "field", "order.placed", "number", "order_id", "--write")
    assert (done.code, "'order_id' is a former name, and not written out here" in done.out) == (1, True)


def test_a_file_that_only_mentions_a_typed_dict_and_cannot_be_read_is_listed(empty: Shell) -> None:
    """It does not have to be changed, as far as is known."""
    order = "from typing import TypedDict, Unpack\nclass Order(TypedDict):\n    order_id: str\n"
    project(empty, f"{HEAD}{order}@placed.on\ndef h(**fields: Unpack[Order]): ...\n")
    empty.write({"tests/template.py": "# makes an Order\n{{ name }} = (\n"})
    command = ("rename", "field", "order.placed", "order_id", "number", "--write")
    assert empty.run(*command).code == 1
    done = empty.run(*command, "--despite-unreadable")
    assert (done.code, done.err) == (0, "")
    assert "tests/template.py:1:1: this file cannot be read to its end, and 'Order' stands in it" in done.out
    assert 'number: Annotated[str, Formerly("order_id")]' in empty.text("shop/email.py")


def test_what_depends_on_the_name_is_listed(empty: Shell) -> None:
    project(empty, f"{HEAD}@placed.on\ndef h(order_id: str):\n    print(f'{{order_id=}}')\n    return locals()\n")
    done = empty.run("rename", "field", "order.placed", "order_id", "number", "--write")
    assert done.code == 0
    assert "this text names 'order_id', and names 'number' then" in done.out
    assert "this may look 'order_id' up by its name" in done.out


OF_FURTHER_FIELDS = """
from typing import TypedDict, Unpack
from shop.events import placed, worker
paid = worker.event("order.paid")
class Fields(TypedDict):
    order_id: str
    n: int
@placed.on
async def named(**fields: Unpack[Fields]) -> None:
    print(fields["order_id"], fields.get("n"), "n" in fields, fields.pop("order_id"))
    await paid.send(**fields)  # listed
    take(**fields)  # listed
    name = "order_id" if fields["n"] else "n"  # listed
    print(fields[name])  # listed
    print(fields, [key for key in fields], fields.items())  # listed listed listed
    match fields:  # listed
        case {"order_id": str()}: ...  # listed
@placed.on
async def unnamed(**fields: object) -> None:
    print(fields["n"])
    await paid.send(**fields)  # listed
@placed.on
async def another(order_id: str, **fields: object) -> None:
    print(fields, order_id)  # has never had it
@paid.on
def take(**fields: str) -> None: print(fields)  # of another event
"""


def test_what_may_look_at_the_name_among_further_fields_is_listed_where_it_stands_then(empty: Shell) -> None:
    """Not where it stood before the file had further imports."""
    project(empty, OF_FURTHER_FIELDS)
    done = empty.run("rename", "field", "order.placed", "order_id", "number", "--write", "--format", "json")
    assert done.code == 0, done.out + done.err
    after = empty.text("shop/email.py")
    assert 'print(fields["number"], fields.get("n"), "n" in fields, fields.pop("number"))' in after
    expected = [
        number
        for number, line in enumerate(after.splitlines(), 1)
        for _ in range(line.partition("#")[2].count("listed"))
    ]
    assert [each["line"] for each in json.loads(done.out)["undecided"]] == expected


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("order.plaecd", "order_id", "number"), "No event with handlers is called 'order.plaecd'; did you mean"),
        (("order.placed", "order_di", "number"), "names a field 'order_di'; did you mean 'order_id'"),
        (("order.placed", "order_id", "order_id"), "The field is called 'order_id' already."),
        (("order.placed", "order_id", "n"), "'order.placed' has a field 'n' already"),
        (("order.placed", "order_id", "class"), "'class' cannot name a field"),
    ],
)
def test_names_that_cannot_be_are_refused(names: tuple[str, ...], message: str, empty: Shell) -> None:
    project(empty, HANDLERS["plain"][0])
    done = empty.run("rename", "field", *names, "--write")
    assert (done.code, done.out) == (2, "")
    assert message in done.err
