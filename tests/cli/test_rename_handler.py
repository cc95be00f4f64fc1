"""`upnext rename handler`: the function gets the new name wherever it is named, its identity stays."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from tests.cli.projects import Shell
from upnext_codegen.catalog import lock
from upnext_codegen.project import find_project
from upnext_codegen.scan import scan

EVENTS = 'import upnext\nworker = upnext.Worker("shop")\nplaced = worker.event("order.placed")\n'
HEAD = "from shop.events import placed\n\n"
OLD, NEW = "def confirm(n: int): ...\n", "def mail(n: int): ...\n"
SAME = "def same(f): return f\n\n"
OTHER = "from shop.events import worker\nother = worker.event('b')\n"
DEFINITIONS = {
    "plain": (f"@placed.on\nasync {OLD}", f'@placed.on(name="confirm")\nasync {NEW}'),
    "called": (f"@placed.on()\n{OLD}", f'@placed.on(name="confirm",)\n{NEW}'),
    "options": (f"@placed.on(retries=2)  # twice\n{OLD}", f'@placed.on(retries=2, name="confirm")  # twice\n{NEW}'),
    "options on lines": (
        f"@placed.on(\n    retries=2,  # twice\n)\n{OLD}",
        f'@placed.on(\n    retries=2, name="confirm",  # twice\n)\n{NEW}',
    ),
    "an option in parentheses": (
        f"@placed.on(retry_on=(ValueError, KeyError))\n{OLD}",
        f'@placed.on(retry_on=(ValueError, KeyError), name="confirm")\n{NEW}',
    ),
    "the new name as a parameter elsewhere": (
        f"def other(mail: int): return mail\n@placed.on\n{OLD}",
        f'def other(mail: int): return mail\n@placed.on(name="confirm")\n{NEW}',
    ),
    "a name of its own": (f"@placed.on(name='sure', retries=1)\n{OLD}", f"@placed.on(name='sure', retries=1)\n{NEW}"),
    "other decorators": (f"{SAME}@placed.on\n@same\n{OLD}", f'{SAME}@placed.on(name="confirm")\n@same\n{NEW}'),
    "two events": (
        f"{OTHER}@other.on\n@placed.on\n{OLD}",
        f'{OTHER}@other.on(name="confirm")\n@placed.on(name="confirm")\n{NEW}',
    ),
    "uses in the file": (
        "@placed.on\ndef confirm(n: int): confirm(n)\n__all__ = ['confirm']\nx = dict(confirm=confirm)\n",
        "@placed.on(name=\"confirm\")\ndef mail(n: int): mail(n)\n__all__ = ['mail']\nx = dict(confirm=mail)\n",
    ),
    "a static method": (
        f"class Mails:\n    @staticmethod\n    @placed.on\n    {OLD}\ndef f(): Mails.confirm(1)\n",
        f'class Mails:\n    @staticmethod\n    @placed.on(name="confirm")\n    {NEW}\ndef f(): Mails.mail(1)\n',
    ),
    "two arms of a condition": (
        f"if placed:\n    @placed.on\n    {OLD}else:\n    @placed.on()\n    {OLD}",
        f'if placed:\n    @placed.on(name="confirm")\n    {NEW}else:\n    @placed.on(name="confirm",)\n    {NEW}',
    ),
    "a global": (
        f"@placed.on\n{OLD}def f():\n    global confirm\n    confirm = confirm\n",
        f'@placed.on(name="confirm")\n{NEW}def f():\n    global mail\n    mail = mail\n',
    ),
    "latin-1": (
        "@placed.on\ndef confirm(n: int): return 'é'\n",
        "@placed.on(name=\"confirm\")\ndef mail(n: int): return 'é'\n",
    ),
    "named where it is attached": (
        f"{OLD}placed.on(name='confirm')(confirm)\n",
        f"{NEW}placed.on(name='confirm')(mail)\n",
    ),
    "called in methods of its name": (
        f"@placed.on\n{OLD}class A:\n    def confirm(self): confirm(1)\n    def mail(self): confirm(2)\n",
        f'@placed.on(name="confirm")\n{NEW}class A:\n    def confirm(self): mail(1)\n    def mail(self): mail(2)\n',
    ),
    "called beside a class in a function": (
        f"@placed.on\n{OLD}def f():\n    class B:\n        confirm = mail = 1\n    confirm(B)\n",
        f'@placed.on(name="confirm")\n{NEW}def f():\n    class B:\n        confirm = mail = 1\n    mail(B)\n',
    ),
    "letters before it": (f"ü = 'ß'\n@placed.on\n{OLD}", f"ü = 'ß'\n@placed.on(name=\"confirm\")\n{NEW}"),
}


def project(empty: Shell, definition: str, **files: str) -> None:
    empty.write(
        {
            "pyproject.toml": "",
            "shop/__init__.py": "",
            "shop/events.py": EVENTS,
            "shop/email.py": HEAD + definition,
            **{name.replace("__", "/") + ".py": text for name, text in files.items()},
        }
    )


@pytest.mark.parametrize(
    ("name", "end"),
    [*((name, "\n") for name in DEFINITIONS), *((name, "\r\n") for name in ("plain", "options on lines"))],
)
def test_the_identity_stays_and_renaming_back_is_the_identity(name: str, end: str, empty: Shell) -> None:
    coding, head = ("latin-1", f"# coding: latin-1\n{HEAD}") if name == "latin-1" else ("utf-8", HEAD)
    before, after = [f"{head}{each}".replace("\n", end).encode(coding) for each in DEFINITIONS[name]]
    project(empty, "")
    path = empty.root / "shop" / "email.py"
    path.write_bytes(before)
    assert empty.run("gen").code == 0
    handlers = [event.receivers for event in lock.read(empty.text("upnext.lock")).events]
    assert empty.run("rename", "handler", "confirm", "mail", "--write").code == 0
    assert path.read_bytes() == after
    ast.parse(after)
    assert empty.run("gen").code == 0
    assert [event.receivers for event in lock.read(empty.text("upnext.lock")).events] == handlers
    assert empty.run("rename", "handler", "shop.email.mail", "confirm", "--write").code == 0
    assert path.read_bytes() == before


TASKS = {
    "plain": (f"@worker.task\n{OLD}", f'@worker.task(name="confirm")\n{NEW}'),
    "options": (f"@worker.task(retries=2)\nasync {OLD}", f'@worker.task(retries=2, name="confirm")\nasync {NEW}'),
    "scheduled": (f'@worker.cron("0 3 * * *")\n{OLD}', f'@worker.cron("0 3 * * *", name="confirm")\n{NEW}'),
    "every": (f"@worker.cron(every=60)\n{OLD}", f'@worker.cron(every=60, name="confirm")\n{NEW}'),
    "a name of its own": (f'@worker.task(name="sure")\n{OLD}', f'@worker.task(name="sure")\n{NEW}'),
    "a handler as well": (
        f"@worker.task\n@placed.on\n{OLD}",
        f'@worker.task(name="confirm")\n@placed.on(name="confirm")\n{NEW}',
    ),
}


@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_renamed_as_a_handler_is(name: str, empty: Shell) -> None:
    before, after = (f"{HEAD}from shop.events import worker\n\n{each}" for each in TASKS[name])
    uses = "from shop.email import confirm\nasync def f():\n    await confirm.submit(n=1)\n    confirm(n=2)\n"
    project(empty, "", shop__uses=uses)
    (empty.root / "shop" / "email.py").write_text(before)
    tasks = [each.name for each in scan(find_project(empty.root))[0].tasks]
    assert empty.run("rename", "handler", "confirm", "mail", "--write").code == 0
    assert empty.text("shop/email.py") == after
    assert empty.text("shop/uses.py") == uses.replace("confirm", "mail")
    assert [each.name for each in scan(find_project(empty.root))[0].tasks] == tasks
    assert empty.run("rename", "handler", "mail", "confirm", "--write").code == 0
    assert (empty.text("shop/email.py"), empty.text("shop/uses.py")) == (before, uses)


@pytest.mark.parametrize("file", ["tests/test_a.py", "test_b.py", "conftest.py", "shop/other.py"])
def test_a_file_that_cannot_be_read_is_listed_and_stops_it(
    file: str, empty: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name may stand in it."""
    project(empty, DEFINITIONS["plain"][0])
    empty.write({file: "x = 1\n"})
    plain = Path.read_bytes

    def refused(path: Path) -> bytes:
        if path == empty.root / file:
            raise PermissionError(13, "Permission denied", str(path))
        return plain(path)

    monkeypatch.setattr(Path, "read_bytes", refused)
    done = empty.run("rename", "handler", "confirm", "mail", "--write")
    assert done.code == 1
    assert f"{file}:1:1: this cannot be read (Permission denied), and 'confirm' may stand in it" in done.out
    assert "mail" not in empty.text("shop/email.py")
    assert empty.run("rename", "handler", "confirm", "mail", "--write", "--despite-unreadable").code == 0


def test_every_import_and_use_is_renamed_in_sources_and_tests(empty: Shell) -> None:
    files = {
        "shop__mail": "from shop.email import confirm\n__all__ = ['confirm']\n",  # passes it on
        "shop__a": "from .email import confirm as sure\nimport shop.email\nasync def f(): await sure.send(n=1)\n"
        "async def g(): await shop.email.confirm.send(n=1)\n",
        "shop__b": "from . import email\nasync def f(confirm: int): email.confirm(n=confirm)\n",
        "tests__test_a": "from shop.mail import confirm\nfrom unittest.mock import patch\n\n"
        "def test(mocker):\n    patch('shop.email.confirm')\n    confirm(n=1)\n    assert 'confirm'\n",
        "shop__other": "def confirm(): ...\nclass A:\n    def confirm(self): self.confirm()\nx = confirm\n",
    }
    project(empty, DEFINITIONS["plain"][0], **files)
    done = empty.run("rename", "handler", "confirm", "mail", "--write", "--format", "json")
    assert done.code == 0, done.out + done.err
    assert empty.text("shop/mail.py") == files["shop__mail"].replace("confirm", "mail")
    assert empty.text("shop/a.py") == files["shop__a"].replace("confirm", "mail")
    assert empty.text("shop/b.py") == files["shop__b"].replace("email.confirm", "email.mail")
    assert empty.text("tests/test_a.py") == files["tests__test_a"].replace("confirm", "mail").replace(
        "assert 'mail'", "assert 'confirm'"
    )
    assert empty.text("shop/other.py") == files["shop__other"]
    report = json.loads(done.out)
    assert [(each["file"], each["line"]) for each in report["undecided"]] == [("tests/test_a.py", 7)]
    assert empty.run("rename", "handler", "mail", "confirm", "--write").code == 0
    for name, text in files.items():
        assert empty.text(name.replace("__", "/") + ".py") == text


def test_an_import_that_passes_the_function_on_by_its_own_name_is_renamed_whole(empty: Shell) -> None:
    """`from x import y as y` is how type checkers want a name to be passed on (PEP 484)."""
    files = {
        "shop__mail": "from shop.email import confirm as confirm\n__all__ = ['confirm']\n",
        "shop__a": "from .mail import confirm as confirm\nasync def f(): await confirm.send(n=1)\n",
        "shop__b": "from shop import mail as m\nfrom shop.mail import (\n    confirm as sure,\n)\nx = m.confirm\n",
    }
    project(empty, DEFINITIONS["plain"][0], **files)
    assert empty.run("rename", "handler", "confirm", "send_mail", "--write").code == 0
    for name, text in files.items():
        assert empty.text(name.replace("__", "/") + ".py") == text.replace("confirm", "send_mail")
    assert empty.run("rename", "handler", "send_mail", "confirm", "--write").code == 0
    for name, text in files.items():
        assert empty.text(name.replace("__", "/") + ".py") == text


def test_a_name_on_the_server_that_is_spelt_like_the_function_stays(empty: Shell) -> None:
    """As where the names of Celery's tasks were kept for the events."""
    files = {
        "shop__more": "from shop.events import worker\nfrom shop.email import confirm\n"
        "named = worker.event('shop.email.confirm', formerly=('shop.mails.confirm',))\n"
        "def f(): worker.events['shop.email.confirm'].send_sync(n=1)\n",
        "shop__mails": "from shop.email import confirm\n",
        "tests__test_a": "def test(patch): patch('shop.email.confirm'), patch('shop.email.confirm.send')\n",
    }
    project(empty, DEFINITIONS["plain"][0], **files)
    done = empty.run("rename", "handler", "confirm", "mail", "--write", "--format", "json")
    assert done.code == 0, done.out + done.err
    assert empty.text("shop/more.py") == files["shop__more"].replace("import confirm", "import mail")
    assert empty.text("tests/test_a.py") == files["tests__test_a"].replace("confirm.send", "mail.send")
    undecided = json.loads(done.out)["undecided"]
    assert [(each["file"], each["line"], each["column"]) for each in undecided] == [("tests/test_a.py", 1, 24)]


@pytest.mark.parametrize("star", [" *", "*", "\t*", " \\\n    *", "\\\n*"])
def test_names_that_come_by_a_star_are_renamed_and_what_may_be_the_function_is_listed(empty: Shell, star: str) -> None:
    files = {
        "shop__mails": f"from .email import{star}\n",  # passes it on
        "shop__a": "from shop.mails import confirm\nconfirm(1)\n",
        "shop__b": "from shop.mails import *\nx = confirm, confirm.send\n",
        "tests__test_a": "from unittest.mock import patch\n\ndef test():\n"
        "    with patch('shop.email.confirm.send'), patch('shop.mails:confirm'): ...\n",
    }
    project(empty, DEFINITIONS["plain"][0], **files)
    (empty.root / "shop" / "email.pyi").write_text("async def confirm(n: int) -> None: ...\n")
    done = empty.run("rename", "handler", "confirm", "mail", "--write", "--format", "json")
    assert done.code == 0, done.out + done.err
    for name, text in files.items():
        assert empty.text(name.replace("__", "/") + ".py") == text.replace("confirm", "mail")
    report = json.loads(done.out)
    assert [(each["file"], each["line"], each["column"]) for each in report["undecided"]] == [("shop/email.pyi", 1, 11)]
    assert empty.run("rename", "handler", "mail", "confirm", "--write").code == 0
    for name, text in files.items():
        assert empty.text(name.replace("__", "/") + ".py") == text


@pytest.mark.parametrize("what", ["a link to nothing", "a folder"])
def test_a_stub_that_cannot_be_opened_is_listed(empty: Shell, what: str) -> None:
    project(empty, DEFINITIONS["plain"][0])
    stub = empty.root / "shop" / "email.pyi"
    if what == "a folder":
        stub.mkdir()
    else:
        stub.symlink_to("nowhere.pyi")
    done = empty.run("rename", "handler", "confirm", "mail")
    assert (done.code, done.err) == (0, "")
    assert "shop/email.pyi:1:1: this stub cannot be opened (" in done.out
    assert "if it has 'confirm', change it by hand" in done.out


def test_what_may_be_a_static_method_is_listed(empty: Shell) -> None:
    definition = DEFINITIONS["a static method"][0].replace("def f(): Mails.", "def f(x): x.")
    project(empty, definition)
    done = empty.run("rename", "handler", "Mails.confirm", "mail")
    assert done.code == 0
    assert "shop/email.py:8:13: this may be 'Mails.confirm': if it is, change it by hand" in done.out
    project(empty, definition.replace("class Mails:", "class Mails:\n    mail = 1"))
    done = empty.run("rename", "handler", "Mails.confirm", "mail", "--write")
    assert (done.code, "its class has a 'mail' already: choose another name" in done.out) == (1, True)


HANDED_ON = {
    "by a text": "import importlib\n\ndef mail():\n    return importlib.import_module('shop.email')\n",
    "by a relative text": "import importlib\n\ndef mail():\n    return importlib.import_module('.email', 'shop')\n",
    "as a value": "from shop import email\n\ndef mail():\n    return email\n",
    "in a class": "from shop import email\n\nclass Held:\n    mail = email\n",
    "to a call": "import shop.email\n\ndef run(start):\n    start(shop.email, 1)\n",
    "not at all": "from shop import email\n\ndef mail():\n    return email.Mail, dict(email='a@b.c')\n",
}
MAY_HAVE_IT = """
import importlib
import inquirer
from shop.lazy import email, session
from shop.events import *

importlib.import_module("shop." + name).confirm  # listed
get("mail").confirm(n=1)  # listed
email.confirm  # listed
Held.mail.confirm.send  # listed

def test(mail, config):
    mail.confirm(n=1)  # listed
    config.mail.confirm(n=1)  # listed
    inquirer.confirm(), session.confirm(), "text".confirm()
    start(confirm=1)

class A(B):
    def confirm(self):
        self.mail.confirm()  # listed
        self.confirm(), super().confirm()
"""


@pytest.mark.parametrize("how", HANDED_ON)
def test_where_its_module_is_handed_on_every_attribute_that_may_be_it_is_listed(how: str, empty: Shell) -> None:
    project(empty, DEFINITIONS["plain"][0], shop__conf=HANDED_ON[how], shop__uses=MAY_HAVE_IT)
    done = empty.run("rename", "handler", "confirm", "mail", "--write", "--format", "json")
    assert done.code == 0, done.out + done.err
    lines = empty.text("shop/uses.py").splitlines()
    expected = [number for number, line in enumerate(lines, 1) if "# listed" in line and how != "not at all"]
    assert [each["line"] for each in json.loads(done.out)["undecided"]] == expected


def test_an_import_that_is_renamed_is_not_listed_beside_one_of_everything(empty: Shell) -> None:
    uses = "from shop.email import *\nfrom shop.email import confirm\nf(confirm=confirm, other=a.confirm)\n"
    project(empty, DEFINITIONS["plain"][0], shop__uses=uses)
    done = empty.run("rename", "handler", "confirm", "mail", "--write", "--format", "json")
    assert (done.code, json.loads(done.out)["undecided"]) == (0, [])


def test_an_attribute_of_a_class_takes_the_new_name_from_no_function(empty: Shell) -> None:
    text = "class A:\n    mail: int\n    def mail_to(self): return self.mail\n@placed.on\ndef confirm(n: int): ...\n"
    project(empty, text)
    assert empty.run("rename", "handler", "confirm", "mail", "--write").code == 0
    assert empty.text("shop/email.py").endswith('@placed.on(name="confirm")\ndef mail(n: int): ...\n')
    assert empty.run("rename", "handler", "mail", "confirm", "--write").code == 0
    assert empty.text("shop/email.py") == HEAD + text


@pytest.mark.parametrize(
    ("definition", "reason"),
    [
        ("def confirm(n: int): ...\nplaced.on(confirm)\n", "it is attached elsewhere: give it name='confirm'"),
        ("def f(mail): confirm(mail)\n@placed.on\ndef confirm(n: int): ...\n", "'mail' has a meaning in this file"),
        ("f = lambda mail: confirm(mail)\n@placed.on\ndef confirm(n: int): ...\n", "'mail' has a meaning in this file"),
        ("print(mail)\n@placed.on\ndef confirm(n: int): ...\nfrom shop import mail\n", "'mail' has a meaning in this"),
        ("mail = 1\n@placed.on\ndef confirm(n: int): ...\n", "'mail' has a meaning in this file already"),
        (
            "@placed.on\ndef confirm(n: int): ...\nclass A:\n    mail: int\n    of = confirm\n",
            "'mail' has a meaning in this file already",
        ),
        (
            "@placed.on\ndef confirm(n: int): ...\nfound = [confirm(mail) for mail in (1, 2)]\n",
            "'mail' has a meaning in this file already",
        ),
    ],
)
def test_what_has_to_be_done_by_hand_first_stops_it(definition: str, reason: str, empty: Shell) -> None:
    project(empty, definition)
    done = empty.run("rename", "handler", "confirm", "mail", "--write")
    assert (done.code, empty.text("shop/email.py")) == (1, HEAD + definition)
    assert reason in done.out


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("confrim", "mail", "No function of a handler or task is called 'confrim'; did you mean 'confirm'?"),
        ("confirm", "class", "'class' cannot name a function."),
        ("confirm", "a b", "'a b' cannot name a function."),
        ("confirm", "confirm", "The function is called 'confirm' already."),
        ("sure", "mail", "'sure' is what 'shop.email.confirm' is called on the server"),
        ("twice", "mail", "say 'shop.email.twice' or 'shop.more.twice'."),
    ],
)
def test_names_that_cannot_be_are_refused(old: str, new: str, message: str, empty: Shell) -> None:
    definition = DEFINITIONS["a name of its own"][0] + "@placed.on\ndef twice(): ...\n"
    project(empty, definition, shop__more=f"{HEAD}@placed.on(name='b')\ndef twice(): ...\n")
    done = empty.run("rename", "handler", old, new, "--write")
    assert (done.code, done.out) == (2, "")
    assert message in done.err
