"""`upnext gen --against redis://...`: changes that break nothing, beside what is deployed and the jobs that wait."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.deploying import CLOSED, COLOUR, ITEM, MAIL, SEND, SUBMIT, TASK, Change, checked, prepare, told
from tests.cli.projects import Shell

STATES = ("waiting", "delayed", "retrying", "dead")


def taking(parameters: str) -> str:
    """Return the handler with further parameters."""
    return MAIL.replace("order_id: str,", f"order_id: str, {parameters},")


NOTE, LINE = taking("note: str = ''"), taking("item: Item")
SEND_NOTE = SEND.replace('"1"', '"1", note="n"')
HARMLESS: dict[str, tuple[str, str] | tuple[str, str, dict[str, Any]]] = {
    "nothing": (MAIL + SEND, MAIL + SEND),
    "a new optional field": (CLOSED + SEND, CLOSED.replace("str)", "str, note: str = '')") + SEND),
    "a new optional field that is sent to an open handler": (
        MAIL + SEND,
        MAIL.replace("str,", "str, note: str = '',") + SEND.replace('"1"', '"1", note="n"'),
    ),
    "a field is optional now": (MAIL + SEND, MAIL.replace("order_id: str", "order_id: str = ''") + SEND),
    "a wider type that nobody sends": (MAIL, MAIL.replace("str,", "str | None,")),
    "a float in place of an int, which nobody sends": (
        MAIL.replace("str,", "int,"),
        MAIL.replace("str,", "float,"),
    ),
    "an annotation goes": (MAIL, MAIL.replace(": str", "")),
    "a handler is open now": (CLOSED + SEND, MAIL + SEND),
    "a handler is added": (MAIL + SEND, MAIL + MAIL.replace("mail", "count") + SEND),
    "an event is added": (
        MAIL,
        MAIL + "    shipped = worker.event('order.shipped')\n" + MAIL.replace("order_placed", "shipped"),
    ),
    "a handler of another event is sent to before it runs": (
        MAIL,
        MAIL + "    shipped = worker.event('order.shipped')\n" + (MAIL + SEND).replace("order_placed", "shipped"),
    ),
    "the function is renamed, the handler not": (
        MAIL,
        MAIL.replace("@order_placed.on", '@order_placed.on(name="mail")').replace("def mail", "def send_mail"),
    ),
    "options of a handler": (MAIL, MAIL.replace(".on\n", ".on(retries=3, timeout=5.0)\n")),
    "the order of parameters": (
        MAIL.replace("order_id: str,", "order_id: str, note: str,"),
        MAIL.replace("order_id: str,", "note: str, order_id: str,"),
    ),
    "a context": (MAIL, MAIL.replace("str,", "str, context: upnext.Context,")),
    "a model gets an optional field": (
        ITEM + MAIL.replace("str,", "str, item: Item,"),
        ITEM + '        note: str = ""\n' + MAIL.replace("str,", "str, item: Item,"),
    ),
    "a model field is optional now": (
        ITEM + MAIL.replace("str,", "str, item: Item,"),
        ITEM.replace("name: str", 'name: str = ""') + MAIL.replace("str,", "str, item: Item,"),
    ),
    "a model has another name": (
        ITEM + MAIL.replace("str,", "str, item: Item,"),
        (ITEM + MAIL.replace("str,", "str, item: Item,")).replace("Item", "Line"),
    ),
    "an enum member is renamed, its value not": (
        COLOUR + MAIL.replace("str,", "str, colour: Colour,"),
        COLOUR.replace("BLUE", "NAVY") + MAIL.replace("str,", "str, colour: Colour,"),
    ),
    "a Literal of the values of an enum": (
        COLOUR + MAIL.replace("str,", "str, colour: Colour,"),
        MAIL.replace("str,", "str, colour: Literal['red', 'blue'],"),
    ),
    "a limit goes": (MAIL.replace("str,", "Annotated[str, Field(max_length=5)],"), MAIL),
    "the same limit": (
        MAIL.replace("str,", "Annotated[int, Field(gt=0)],"),
        MAIL.replace("str,", "Annotated[int, Field(gt=0)],"),
    ),
    "another container": (MAIL.replace("str,", "list[str],"), MAIL.replace("str,", "tuple[str, ...],")),
    "a validator": (
        MAIL.replace("str,", "Annotated[int, Field(gt=0)],"),
        MAIL.replace("str,", "Annotated[int, Field(ge=1)],"),
    ),
    "a task gets an optional argument": (TASK + SUBMIT, TASK.replace("str", "str, note: str = ''") + SUBMIT),
    "a renamed field that takes its former name": (
        MAIL,
        MAIL.replace("order_id: str", "number: Annotated[str, upnext.Formerly('order_id')]"),
    ),
    "a renamed field that is deployed with its former name": (
        MAIL.replace("order_id: str", "number: Annotated[str, upnext.Formerly('order_id')]")
        + SEND.replace("order_id", "number"),
        MAIL.replace("order_id: str", "number: Annotated[str, upnext.Formerly('order_id')]")
        + SEND.replace("order_id", "number"),
    ),
    "a task that nobody changed": (TASK + SUBMIT, TASK + SUBMIT),
    "what a handler does": (MAIL + SEND, MAIL.replace("...", "print(order_id)") + SEND),
    "a handler is not async any more": (MAIL + SEND, MAIL.replace("async def", "def") + SEND),
    "another default": (NOTE + SEND, taking("note: str = 'none'") + SEND, {"note": "n"}),
    "an optional field that is not sent goes": (NOTE + SEND, MAIL + SEND, {"note": "n"}),
    "a field that is still sent is not asked for any more": (
        taking("note: str") + SEND_NOTE,
        MAIL + SEND_NOTE,
        {"note": "n"},
    ),
    "an optional field that was there is sent now": (NOTE + SEND, NOTE + SEND_NOTE, {"note": "n"}),
    "an optional field may be None": (NOTE + SEND, taking("note: str | None = None") + SEND, {"note": "n"}),
    "fields by keyword alone": (NOTE + SEND_NOTE, taking("*, note: str = ''") + SEND_NOTE, {"note": "n"}),
    "another annotation of what is not named": (
        MAIL + SEND,
        MAIL.replace("object", "Any").replace("    @", "    from typing import Any\n\n    @") + SEND,
    ),
    "a description": (
        MAIL + SEND,
        MAIL.replace("order_id: str", "order_id: Annotated[str, Field(description='the id')]") + SEND,
    ),
    "a limit is further": (
        taking("note: Annotated[str, Field(max_length=5)] = ''"),
        taking("note: Annotated[str, Field(max_length=9)] = ''"),
        {"note": "n"},
    ),
    "a NewType": (
        MAIL + SEND,
        "    from typing import NewType\n    OrderId = NewType('OrderId', str)\n"
        + MAIL.replace("order_id: str", "order_id: OrderId")
        + SEND.replace('"1"', 'OrderId("1")'),
    ),
    "an alias of a type": (
        MAIL + SEND,
        "    OrderId = str\n" + MAIL.replace("order_id: str", "order_id: OrderId") + SEND,
    ),
    "the order of a union": (taking("note: str | int = 1"), taking("note: int | str = 1"), {"note": 2}),
    "another spelling of Optional": (
        taking("note: str | None = None"),
        "    from typing import Optional\n" + taking("note: Optional[str] = None"),
        {"note": None},
    ),
    "a list is a Sequence": (
        taking("names: list[str]"),
        "    from collections.abc import Sequence\n" + taking("names: Sequence[str]"),
        {"names": ["a"]},
    ),
    "a dict is a Mapping": (
        taking("counts: dict[str, int]"),
        "    from collections.abc import Mapping\n" + taking("counts: Mapping[str, int]"),
        {"counts": {"a": 1}},
    ),
    "a set is a frozenset": (taking("names: set[str]"), taking("names: frozenset[str]"), {"names": ["a"]}),
    "a pair is a list": (taking("pair: tuple[int, int]"), taking("pair: list[int]"), {"pair": [1, 2]}),
    "a UUID is any text": (
        "    from uuid import UUID\n" + taking("ref: UUID"),
        taking("ref: str"),
        {"ref": "4f1c2f1e-8c1e-4a53-9f0e-0f4a6f1b7b11"},
    ),
    "a Literal is any text": (taking("kind: Literal['a', 'b']"), taking("kind: str"), {"kind": "a"}),
    "a further value of a Literal, which nobody sends": (
        taking("kind: Literal['a', 'b']"),
        taking("kind: Literal['a', 'b', 'c']"),
        {"kind": "a"},
    ),
    "a further member of an enum, which nobody sends": (
        COLOUR + taking("colour: Colour"),
        COLOUR.replace('"blue"', '"blue"\n        GREEN = "green"') + taking("colour: Colour"),
        {"colour": "red"},
    ),
    "an enum is a text too": (
        COLOUR + taking("colour: Colour"),
        COLOUR.replace("(Enum)", "(str, Enum)") + taking("colour: Colour"),
        {"colour": "red"},
    ),
    "the order of a model's fields": (
        ITEM + LINE,
        ITEM.replace("        name: str\n        amount: int = 1\n", "        amount: int = 1\n        name: str\n")
        + LINE,
        {"item": {"name": "a"}},
    ),
    "a method of a model": (
        ITEM + LINE,
        ITEM.rstrip() + "\n\n        def doubled(self) -> int:\n            return 2 * self.amount\n\n" + LINE,
        {"item": {"name": "a"}},
    ),
    "fields that a base class has": (
        ITEM + LINE,
        ITEM.replace("Item", "Named").replace("        amount: int = 1\n", "")
        + "    class Item(Named):\n        amount: int = 1\n"
        + LINE,
        {"item": {"name": "a"}},
    ),
    "a dataclass in place of a model": (
        ITEM + LINE,
        "    from dataclasses import dataclass\n    @dataclass\n" + ITEM.lstrip("\n").replace("(BaseModel)", "") + LINE,
        {"item": {"name": "a"}},
    ),
    "a model takes other fields too": (
        ITEM.replace("        name", "        model_config = {'extra': 'forbid'}\n        name") + LINE,
        ITEM + LINE,
        {"item": {"name": "a"}},
    ),
    "a model that another one holds gets an optional field": (
        ITEM + "    class Box(BaseModel):\n        items: list[Item]\n" + taking("box: Box"),
        ITEM.replace("= 1", "= 1\n        note: str = ''")
        + "    class Box(BaseModel):\n        items: list[Item]\n"
        + taking("box: Box"),
        {"box": {"items": [{"name": "a"}]}},
    ),
    "a model of a generic one": (
        """
    from typing import Generic, TypeVar

    T = TypeVar("T")

    class Page(BaseModel, Generic[T]):
        rows: list[T]

"""
        + taking("page: Page[int]"),
        "    class Rows(BaseModel):\n        rows: list[int]\n" + taking("page: Rows"),
        {"page": {"rows": [1]}},
    ),
    "a provided parameter": (
        MAIL + SEND,
        "    def session() -> int:\n        return 1\n"
        + taking("session: Annotated[int, upnext.Provide(session)]")
        + SEND,
    ),
    "options of the worker": (MAIL + SEND, MAIL + SEND + "    other = upnext.Worker('other', concurrency=5)\n"),
    "a handler on another worker": (
        MAIL + SEND,
        MAIL
        + SEND
        + MAIL.replace("@order_placed", '@upnext.Worker("audit").event("order.placed")').replace("mail", "write"),
    ),
    "a task is added": (MAIL, MAIL + TASK + SUBMIT),
    "a schedule is added": (
        MAIL + SEND,
        MAIL + SEND + '    @worker.cron("0 3 * * *")\n    async def nightly() -> None: ...\n',
    ),
    "it is sent from another place": (MAIL + SEND, MAIL + SEND.replace("buy", "order")),
    "it is sent through the handler": (MAIL + SEND, MAIL + SEND.replace("order_placed.send", "mail.send")),
    "it is not sent any more": (MAIL + SEND, MAIL),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_a_harmless_change_gives_no_finding(
    empty: Shell, valkey_url: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Nor do the jobs that the code before has sent, whatever became of them."""
    before, after, *payload = HARMLESS[name]
    jobs = tuple(({"order_id": "1", **each}, state) for each in payload for state in STATES)
    prepare(empty, valkey_url, Change(before, after, jobs=jobs), monkeypatch)
    done, found = checked(empty, valkey_url)
    assert (done.code, told(found)) == (0, [])
