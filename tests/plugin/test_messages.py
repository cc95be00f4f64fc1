"""Every message of the plugin, read whole, and how each is silenced.

All sends of a case are in one file, so that one run of mypy checks them: a line that is wrong ends in `# N`, and what
is expected of it is listed under that number.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.installed import Installed
from tests.plugin.script import CONFIGURATION, FAST, MANY
from upnext_codegen.rules import PLUGIN_CODES, rule

pytestmark = pytest.mark.timeout(600)  # several runs of mypy each

EVENTS = """\
import upnext

worker = upnext.Worker("app")
open_event = worker.event("open")
closed = worker.event("closed")
crowd = worker.event("crowd")
nothing = worker.event("nothing")
numbers = worker.event("numbers")
"""

HANDLERS = """\
from app.events import closed, crowd, nothing, numbers, open_event


@open_event.on
async def confirm(order_id: str, user_id: str, coupon: str | None = None, **kwargs: object) -> None: ...


@open_event.on(retries=2)
def stock(order_id: str, lines: list[str] | None = None, **kwargs: object) -> None: ...


@closed.on
def charge(order_id: str, amount: int = 0) -> None: ...


@nothing.on
def tick() -> None: ...


@numbers.on
def add(**kwargs: int) -> None: ...
""" + "".join(f"\n\n@crowd.on\ndef member{number}(everyone: str) -> None: ...\n" for number in range(7))

SENDS = """\
import functools
from typing import TypedDict

import upnext
from app.events import closed, crowd, nothing, numbers, open_event, worker
from app.handlers import confirm, stock


class Order(TypedDict):
    order_id: str
    user_id: int


async def name() -> str:
    return ""


async def place(order: Order, anything: dict[str, str], which: bool) -> None:
    await open_event.send(order_id="1")  # 1
    await open_event.send(order_id="1", usr_id="2")  # 2
    await open_event.send(order_id="1", user_id="2", cupon="3")  # 3
    await open_event.send(order_id="1", user_id="2", coupon="3", cupon="4")
    await open_event.send(order_id="1", user_id="2", colour="red")
    await closed.send(order_id="1", amuont=1)  # 4
    await closed.send(oder_id="1")  # 5
    await closed.send(order_id="1", colour="red")  # 6
    await closed.send(order_id="1", delay=60)  # 27
    await nothing.send(colour="red")  # 7
    await open_event.send(order_id=name(), user_id="2")  # 8
    await numbers.send(a=1, b="2")  # 9
    await crowd.send()  # 10
    await closed.send("1")  # 11
    await closed.send(*["1"])  # 12
    await (open_event if which else closed).send(order_id=1, user_id="2")  # 13
    await confirm.options(delay=3).send(order_id="1")  # 14
    stock.send_sync(user_id="2")  # 15
    await worker.event("closed").send()  # 16
    for _ in range(3):
        try:
            pass
        finally:
            await closed.send()  # 17
    send = closed.send
    await send()  # 18
    functools.partial(closed.send, order_id=1)  # 19
    await open_event.send(order_id="1", user_id="2", lines=[1])  # 20
    await open_event.send(**order)  # 21
    await open_event.send(**anything, lines=None)  # 22
    await open_event.send(order_id="1", user_id=3, coupon=4)  # 23
    await closed.send(order_id=closed.send())  # 24
    max(1, len([closed.send_sync()]))  # 26


async def anywhere(worker: upnext.Worker) -> None:
    await worker.event("closed").send(order_id=undefined)  # 25
"""

CONFIRM, STOCK = '"confirm" in src/app/handlers.py', '"stock" in src/app/handlers.py'
CHARGE = '"charge" in src/app/handlers.py'
MISSING = 'error: Event "closed" needs "order_id" (str)  [upnext-missing]'
NEEDS = f'note: "order_id" is required by handler {CHARGE}'
LOOK = {code: f'note: run "upnext explain {code}" for the rule' for code in PLUGIN_CODES}

EXPECTED = {
    1: (
        'error: Event "open" needs "user_id" (str)  [upnext-missing]',
        f'note: "user_id" is required by handler {CONFIRM}',
        LOOK["upnext-missing"],
    ),
    2: (
        'error: Event "open" needs "user_id" (str)  [upnext-missing]',
        f'note: "user_id" is required by handler {CONFIRM}',
        'note: did you mean it by "usr_id"?',
        LOOK["upnext-missing"],
    ),
    3: (
        'error: Event "open" has no field "cupon"; did you mean "coupon"?  [upnext-unknown]',
        f'note: "coupon" is optional for handler {CONFIRM}',
        LOOK["upnext-unknown"],
    ),
    4: (
        'error: Event "closed" has no field "amuont"; did you mean "amount"?  [upnext-unknown]',
        f'note: "amount" is optional for handler {CHARGE}',
        LOOK["upnext-unknown"],
    ),
    5: (
        'error: Event "closed" has no field "oder_id"; did you mean "order_id"?  [upnext-unknown]',
        NEEDS,
        LOOK["upnext-unknown"],
    ),
    6: (
        'error: Event "closed" has no field "colour"  [upnext-unknown]',
        'note: its fields are "order_id", "amount"',
        LOOK["upnext-unknown"],
    ),
    27: (
        'error: Event "closed" has no field "delay"  [upnext-unknown]',
        "note: options go before the send: .options(delay=...).send(...)",
        'note: its fields are "order_id", "amount"',
        LOOK["upnext-unknown"],
    ),
    7: ('error: Event "nothing" has no field "colour"  [upnext-unknown]', "note: it has none", LOOK["upnext-unknown"]),
    8: (
        'error: Event "open" takes "order_id" as str, not Coroutine[Any, Any, str]  [upnext-type]',
        f'note: "order_id" is required by handler {CONFIRM}',
        f'note: "order_id" is required by handler {STOCK}',
        "note: an await is missing",
        LOOK["upnext-type"],
    ),
    9: ('error: Event "numbers" takes "b" as int, not str  [upnext-type]', LOOK["upnext-type"]),
    10: (
        'error: Event "crowd" needs "everyone" (str)  [upnext-missing]',
        *(f'note: "everyone" is required by handler "member{number}" in src/app/handlers.py' for number in range(5)),
        "note: and 2 more handlers",
        LOOK["upnext-missing"],
    ),
    11: ('error: Event "closed" takes its fields by keyword  [upnext-unknown]', LOOK["upnext-unknown"]),
    12: ('error: Event "closed" takes its fields by keyword  [upnext-unknown]', LOOK["upnext-unknown"]),
    13: (
        'error: Event "closed" has no field "user_id"  [upnext-unknown]',
        'note: its fields are "order_id", "amount"',
        LOOK["upnext-unknown"],
        'error: Event "open" takes "order_id" as str, not int  [upnext-type]',
        f'note: "order_id" is required by handler {CONFIRM}',
        f'note: "order_id" is required by handler {STOCK}',
        LOOK["upnext-type"],
        'error: Event "closed" takes "order_id" as str, not int  [upnext-type]',
        NEEDS,
    ),
    14: (
        'error: Event "open" needs "user_id" (str)  [upnext-missing]',
        f'note: "user_id" is required by handler {CONFIRM}',
        LOOK["upnext-missing"],
    ),
    15: (
        'error: Event "open" needs "order_id" (str)  [upnext-missing]',
        f'note: "order_id" is required by handler {CONFIRM}',
        f'note: "order_id" is required by handler {STOCK}',
        LOOK["upnext-missing"],
    ),
    16: (MISSING, NEEDS, LOOK["upnext-missing"]),
    17: (MISSING, NEEDS, LOOK["upnext-missing"]),
    18: (
        'error: Missing named argument "order_id"  [call-arg]',
        'note: Called function defined in "upnext_catalog"',
    ),
    19: (
        'error: Argument "order_id" to "send" of "ClosedSend" has incompatible type "int"; expected "str"  [arg-type]',
    ),
    20: ('error: List item 0 has incompatible type "int"; expected "str"  [list-item]',),
    21: ('error: Argument "user_id" to "send" of "OpenSend" has incompatible type "int"; expected "str"  [arg-type]',),
    23: (
        'error: Event "open" takes "user_id" as str, not int  [upnext-type]',
        f'note: "user_id" is required by handler {CONFIRM}',
        LOOK["upnext-type"],
        'error: Event "open" takes "coupon" as str | None, not int  [upnext-type]',
        f'note: "coupon" is optional for handler {CONFIRM}',
    ),
    24: (
        'error: Event "closed" takes "order_id" as str, not Coroutine[Any, Any, Receipt]  [upnext-type]',
        NEEDS,
        LOOK["upnext-type"],
        MISSING,
        LOOK["upnext-missing"],
    ),
    26: (MISSING, NEEDS, LOOK["upnext-missing"]),
    25: ('error: Name "undefined" is not defined  [name-defined]',),
}


def write(root: Path, files: dict[str, str], settings: str = "") -> None:
    for name, text in {"pyproject.toml": CONFIGURATION + FAST + settings, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def application(sends: str) -> dict[str, str]:
    files = {"__init__": "", "events": EVENTS, "handlers": HANDLERS, "sends": sends}
    return {f"src/app/{name}.py": text for name, text in files.items()}


def said_of(output: str, file: str) -> dict[int, list[str]]:
    """Return what is said of each line of a file."""
    found: dict[int, list[str]] = {}
    for line, text in re.findall(rf"^{re.escape(file)}:(\d+): (.*)$", output, re.MULTILINE):
        found.setdefault(int(line), []).append(text)
    return found


def test_each_fault_of_a_send_is_told_once_and_in_the_words_of_the_event(installed: Installed, tmp_path: Path) -> None:
    write(tmp_path, application(SENDS))
    answer = installed.run("mypy", "src", cwd=tmp_path)
    found = said_of(answer.stdout, "src/app/sends.py")
    numbers = {at: int(line.rpartition("# ")[2]) for at, line in enumerate(SENDS.splitlines(), 1) if "  # " in line}
    assert {numbers.get(line, -line): tuple(said) for line, said in found.items()} == EXPECTED, answer.stdout


OF_MYPY = {18, 19, 21}
"""What mypy says by itself, in the words of the classes that the catalog happens to have."""


@pytest.mark.parametrize("divided", [False, True], ids=["groups of events", "a class for each worker"])
def test_above_300_events_the_same_is_told(divided: bool, installed: Installed, tmp_path: Path) -> None:
    # Without this parameter a checker can tell the workers apart.
    sends = SENDS.partition("async def anywhere(worker: upnext.Worker)")[0].rstrip() + "\n" if divided else SENDS
    write(tmp_path, {**application(sends), "src/app/many.py": MANY})
    answer = installed.run("mypy", "src", cwd=tmp_path)
    assert ("class AppWorker(" in (tmp_path / "src" / "upnext_catalog.pyi").read_text(encoding="utf-8")) is divided
    found = said_of(answer.stdout, "src/app/sends.py")
    numbers = {at: int(line.rpartition("# ")[2]) for at, line in enumerate(sends.splitlines(), 1) if "  # " in line}
    told = {numbers.get(line, -line): tuple(said) for line, said in found.items()}
    expected = {number: said for number, said in EXPECTED.items() if number in numbers.values()}
    assert told.keys() == expected.keys(), answer.stdout
    assert {n: said for n, said in told.items() if n not in OF_MYPY} == {
        n: said for n, said in expected.items() if n not in OF_MYPY
    }, answer.stdout


WRONG = {
    "upnext-missing": ("call-arg", "open_event.send_sync()"),
    "upnext-unknown": ("call-arg", 'closed.send_sync(order_id="1", colour="red")'),
    "upnext-type": ("arg-type", "closed.send_sync(order_id=1)"),
    "upnext-conflict": ("", 'bad = worker.event("1 2")'),
}
IMPORTS = "from app.events import closed, open_event, worker\n\n"


def test_each_code_can_be_ignored_by_its_name_and_by_that_of_the_code_that_it_is_part_of(
    installed: Installed, tmp_path: Path
) -> None:
    lines = [f"{wrong}  # type: ignore[{code}]" for code, (_, wrong) in WRONG.items()]
    lines += [f"{wrong}  # type: ignore[{parent}]" for parent, wrong in WRONG.values() if parent]
    split = "closed.send_sync(  # type: ignore[arg-type]\n    order_id=1,\n)\n"
    write(tmp_path, application(IMPORTS + "\n".join(lines) + "\n" + split))
    answer = installed.run("mypy", "src", cwd=tmp_path)
    assert (answer.returncode, answer.stdout) == (0, "Success: no issues found in 4 source files\n")


def test_each_code_can_be_disabled_by_its_name_and_by_that_of_the_code_that_it_is_part_of(
    installed: Installed, tmp_path: Path
) -> None:
    left = {
        "": set(WRONG),
        "call-arg": {"upnext-type", "upnext-conflict"},
        **{code: set(WRONG) - {code} for code in WRONG},
    }
    sends = IMPORTS + "".join(f"{wrong}\n" for _, wrong in WRONG.values())
    modules = {f"sends_{disabled.replace('-', '_')}": disabled for disabled in left}
    settings = "".join(
        f'[[tool.mypy.overrides]]\nmodule = "app.{name}"\ndisable_error_code = ["{disabled}"]\n'
        for name, disabled in modules.items()
        if disabled
    )
    write(tmp_path, {**application(""), **{f"src/app/{name}.py": sends for name in modules}}, settings)
    answer = installed.run("mypy", "src", cwd=tmp_path)
    for name, disabled in modules.items():
        found = re.findall(rf"^src/app/{name}\.py:.*\[([\w-]+)\]$", answer.stdout, re.MULTILINE)
        assert set(found) == left[disabled], answer.stdout
        assert not any(f"#{disabled}," in line for line in answer.stdout.splitlines() if f"{name}.py" in line)
    # Another flag has mypy read everything anew, so all of them at once.
    flags = [flag for code in WRONG for flag in ("--disable-error-code", code)]
    answer = installed.run("mypy", *flags, "src", cwd=tmp_path)
    assert (answer.returncode, answer.stdout) == (0, "Success: no issues found in 11 source files\n")


def test_where_a_finding_is_shown_events_are_as_typed_as_elsewhere(installed: Installed, tmp_path: Path) -> None:
    events = EVENTS + "\n\n@closed.on\ndef other(order_id: int, amount: int = 0) -> None: ...\n\n\n"
    events += 'closed.send_sync(amount=1)\nworker.event("numbers").send_sync(a="1")\n'
    write(tmp_path, {**application(IMPORTS + 'open_event.send_sync(order_id="1")\n'), "src/app/events.py": events})
    answer = installed.run("mypy", "src", cwd=tmp_path)
    codes = re.findall(r"^(\S+): error: .*\[([\w-]+)\]$", answer.stdout, re.MULTILINE)
    assert sorted(codes) == [
        ("src/app/events.py:12", "upnext-conflict"),
        ("src/app/events.py:15", "upnext-missing"),
        ("src/app/events.py:16", "upnext-type"),
        ("src/app/sends.py:3", "upnext-missing"),
    ], answer.stdout


def test_what_mypy_refuses_by_itself_is_told_once(installed: Installed, tmp_path: Path) -> None:
    refused = (
        "worker.event(7)",
        'worker.event("open", extra="refuse")',
        "closed.on(5)",
        "closed.on(one, two)",
        "closed.on(retries=1.5)(three)",
        "closed.on(retry=1)(four)",
        'closed.on(timeout="1")(five)',
    )
    ours = ("closed.on(retries=-1)(six)", "closed.on(timeout=0)(seven)", 'worker.event("1 2")')
    numbers = ("one", "two", "three", "four", "five", "six", "seven")
    functions = [f"def {number}(order_id: str) -> None: ..." for number in numbers]
    write(tmp_path, application(IMPORTS + "\n".join([*functions, *refused, *ours]) + "\n"))
    answer = installed.run("mypy", "src", cwd=tmp_path)
    found = re.findall(r"^src/app/sends.py:(\d+): error: .*\[([\w-]+)\]$", answer.stdout, re.MULTILINE)
    first = IMPORTS.count("\n") + len(numbers) + 1
    assert [int(line) - first for line, _ in found] == list(range(len(refused + ours))), answer.stdout
    assert [code == "upnext-conflict" for _, code in found] == [False] * len(refused) + [True] * len(ours)


@pytest.mark.parametrize("code", PLUGIN_CODES)
def test_the_example_of_a_rule_is_what_mypy_says_of_it(code: str, installed: Installed, tmp_path: Path) -> None:
    found = rule(code)
    unindented = [re.sub(r"^    ", "", text, flags=re.MULTILINE) for text in (found.example, found.output)]
    _, *pairs = re.split(r"^# (\S+)$", unindented[0], flags=re.MULTILINE)
    files = {name: text.strip("\n") + "\n" for name, text in zip(pairs[::2], pairs[1::2], strict=True)}
    settings = files.pop("pyproject.toml", "")
    write(tmp_path, {"shop/__init__.py": "", **files}, settings)
    answer = installed.run("mypy", "shop", cwd=tmp_path)
    *said, last = answer.stdout.splitlines()
    assert said == [
        *unindented[1].splitlines(),
        f"{unindented[1].rsplit(': note:', 1)[0].splitlines()[-1]}: {LOOK[code]}",
    ]
    assert last.startswith("Found 1 error")


def test_a_code_of_the_plugin_is_explained_with_its_example(installed: Installed, tmp_path: Path) -> None:
    answer = installed.run("upnext", "explain", "upnext-missing", cwd=tmp_path)
    assert answer.stdout.startswith("upnext-missing (error): a send leaves out a field that a handler requires\n\n")
    assert '\nmypy says:\n\n    shop/api.py:4: error: Event "order.placed" needs "user_id" (str)' in answer.stdout
