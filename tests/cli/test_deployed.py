# ruff: noqa: E501 - reports are written as they are printed
"""`upnext gen --against redis://...`: what breaks while a change is deployed, and the order that works."""

from __future__ import annotations

import textwrap

import pytest

from tests.cli.deploying import (
    CLOSED,
    COLOUR,
    ITEM,
    MAIL,
    SEND,
    SENDERS,
    SUBMIT,
    TASK,
    TWO,
    WORKERS,
    Change,
    checked,
    prepare,
    told,
)
from tests.cli.projects import Shell

ACCIDENTS = {
    "renamed handler": Change(
        MAIL + SEND,
        MAIL.replace("def mail", "def send_mail") + SEND,
        (("error UPN433", 'handler "mail" of "order.placed" on worker "shop" is gone: 1 job waits for it and', TWO),),
        jobs=(({"order_id": "1"}, "waiting"),),
    ),
    "renamed task": Change(
        TASK,
        TASK.replace("report", "make_report"),
        (("error UPN433", 'task "report" on worker "shop" is gone: what is deployed keeps queueing jobs', TWO),),
    ),
    "new required argument of a task": Change(
        TASK + SUBMIT,
        TASK.replace("str", "str, language: str") + SUBMIT.replace('"1"', '"1", language="en"'),
        (
            ("error UPN430", 'field "language" of "report (task of shop)" is required now, and what is sent now', TWO),
            ("error UPN431", '"report (task of shop)" is sent with "language" here, which the deployed handler', TWO),
            (
                "error UPN432",
                'task "report" cannot take 1 of 1 jobs that wait (1 waiting): field "language" is missing (1)',
                SENDERS[:-1],
            ),
        ),
        jobs=(({"day": "1"}, "waiting"),),
        handler="shop||report",
    ),
    "new required argument": Change(
        MAIL + SEND,
        MAIL.replace("str,", "str, language: str,") + SEND.replace('"1"', '"1", language="en"'),
        (
            ("error UPN430", 'field "language" of "order.placed" is required now, and what is sent now', SENDERS),
            (
                "error UPN432",
                'handler "mail" cannot take 2 of 2 jobs of "order.placed" that wait (1 waiting, 1 delayed): field "language" is missing (2)',
                SENDERS[:-1],
            ),
        ),
        jobs=(({"order_id": "1"}, "waiting"), ({"order_id": "2"}, "delayed")),
    ),
    "new required argument of a closed handler": Change(
        CLOSED + SEND,
        CLOSED.replace("str)", "str, language: str)") + SEND.replace('"1"', '"1", language="en"'),
        (
            ("error UPN430", 'field "language" of "order.placed" is required now', TWO),
            (
                "error UPN431",
                '"order.placed" is sent with "language" here, which the deployed handler "mail" refuses',
                TWO,
            ),
        ),
    ),
    "removed default": Change(
        MAIL.replace("str,", "str, language: str = 'en',") + SEND,
        MAIL.replace("str,", "str, language: str,") + SEND.replace('"1"', '"1", language="en"'),
        (
            (
                "error UPN430",
                'field "language" of "order.placed" is required now, and what is sent now and queued jobs may',
                SENDERS,
            ),
        ),
    ),
    "enum member removed": Change(
        COLOUR + MAIL.replace("str,", "str, colour: Colour,"),
        COLOUR.replace('        BLUE = "blue"\n', "") + MAIL.replace("str,", "str, colour: Colour,"),
        (
            (
                "error UPN430",
                'member "BLUE" of "Colour" is gone, and what is sent now and queued jobs of "order.placed"',
                SENDERS,
            ),
            (
                "error UPN432",
                'handler "mail" cannot take 1 of 3 jobs of "order.placed" that wait (1 retrying): field "colour" is not a member of Colour (1)',
                SENDERS[:-1],
            ),
        ),
        jobs=(
            ({"order_id": "1", "colour": "red"}, "waiting"),
            ({"order_id": "2", "colour": "blue"}, "retrying"),
            ({"order_id": "3", "colour": "red"}, "retrying"),
        ),
    ),
    "field retyped": Change(
        MAIL + SEND,
        MAIL.replace("order_id: str", "order_id: int") + SEND.replace('"1"', "1"),
        (
            ("error UPN430", 'field "order_id" of "order.placed" is int now but was str', TWO),
            (
                "error UPN431",
                'field "order_id" of "order.placed" is sent as int here, and the deployed handler "mail" takes str',
                TWO,
            ),
        ),
    ),
    "model field made required": Change(
        ITEM + MAIL.replace("str,", "str, item: Item,"),
        ITEM.replace("int = 1", "int") + MAIL.replace("str,", "str, item: Item,"),
        (
            (
                "error UPN430",
                'field "amount" of "Item" is required now, and what is sent now and queued jobs of',
                SENDERS,
            ),
            (
                "error UPN432",
                'cannot take 1 of 2 jobs of "order.placed" that wait (1 waiting): field "item.amount" is missing (1)',
                SENDERS[:-1],
            ),
        ),
        jobs=(
            ({"order_id": "1", "item": {"name": "a"}}, "waiting"),
            ({"order_id": "1", "item": {"name": "a", "amount": 2}}, "waiting"),
        ),
    ),
    "handler moved to another worker": Change(
        MAIL,
        MAIL.replace("@order_placed", '@upnext.Worker("mailing").event("order.placed")'),
        (("error UPN433", 'handler "mail" of "order.placed" on worker "shop" is gone: what is deployed keeps', TWO),),
    ),
    "event renamed": Change(
        MAIL + SEND,
        "    placed = worker.event('order.created')\n" + (MAIL + SEND).replace("order_placed", "placed"),
        (
            (
                "error UPN433",
                'handler "mail" of "order.placed" on worker "shop" is gone: what is deployed keeps queueing jobs for it (name what the event was called, worker.event("order.created", formerly=("order.placed",))',
                TWO,
            ),
        ),
    ),
    "senders first": Change(
        CLOSED + SEND,
        CLOSED.replace("str)", "str, note: str = '')") + SEND.replace('"1"', '"1", note="n"'),
        (
            (
                "error UPN431",
                '"order.placed" is sent with "note" here, which the deployed handler "mail" refuses',
                WORKERS,
            ),
        ),
    ),
    "senders first, without a field": Change(
        MAIL.replace("str,", "str, note: str,") + SEND.replace('"1"', '"1", note="n"'),
        MAIL + SEND,
        (
            (
                "error UPN431",
                '"order.placed" is sent without "note" here, which the deployed handler "mail" requires',
                WORKERS,
            ),
        ),
    ),
    "workers first": Change(
        MAIL.replace("str,", "str | int,"),
        MAIL,
        (("error UPN430", 'field "order_id" of "order.placed" is str now but was str | int', SENDERS),),
    ),
    "rollback with new jobs queued": Change(
        MAIL.replace("str,", "str | int,"),
        MAIL,
        (
            ("error UPN430", 'field "order_id" of "order.placed" is str now but was str | int', SENDERS),
            (
                "error UPN432",
                'handler "mail" cannot take 2 of 3 jobs of "order.placed" that wait or are dead letters (1 waiting, 1 dead): field "order_id" is not str (2)',
                SENDERS[:-1],
            ),
        ),
        jobs=(({"order_id": 1}, "waiting"), ({"order_id": "1"}, "waiting"), ({"order_id": 2}, "dead")),
    ),
    "two teams at once": Change(
        MAIL + SEND,
        MAIL.replace("str,", "str, language: str,") + SEND.replace('"1"', '"1", language="en"'),
        (
            (
                "error UPN430",
                'field "language" of "order.placed" is required now',
                "no order of deploying this project",
            ),
            (
                "error UPN431",
                '"order.placed" is sent with "language" here, which the deployed handler "bill" refuses',
                'no order of deploying this project works: worker "billing"',
            ),
            (
                "error UPN435",
                'field "language" of "order.placed" is required here and refused by handler "bill" of worker "billing"',
                "no order of deploying this project works: agree with those who deploy",
            ),
        ),
        others=CLOSED.replace("mail", "bill"),
    ),
    "two teams, two types": Change(
        MAIL,
        MAIL.replace("str,", "str, total: str = '',"),
        (
            ("error UPN430", 'field "total" of "order.placed" is str now but was int', "no order"),
            ("error UPN435", 'field "total" of "order.placed" is str here and int in handler "bill"', "no order"),
        ),
        others=MAIL.replace("mail", "bill").replace("str,", "str, total: int = 0,"),
    ),
    "a new member that may be sent": Change(
        COLOUR + MAIL.replace("str,", "str, colour: Colour,") + SEND.replace('"1"', '"1", colour=Colour.RED'),
        COLOUR
        + "        GREEN = 'green'\n"
        + MAIL.replace("str,", "str, colour: Colour,")
        + SEND.replace('"1"', '"1", colour=Colour.RED'),
        (("warning UPN434", '"Colour.GREEN" in "order.placed" is not known to what is deployed', WORKERS),),
    ),
    "a removed handler": Change(
        MAIL + MAIL.replace("mail", "count"),
        MAIL,
        (
            (
                "warning UPN433",
                'handler "count" of "order.placed" on worker "shop" is gone',
                "workers first, then `upnext uns",
            ),
        ),
    ),
    "dead letters of a handler that is gone and unsubscribed": Change(
        MAIL,
        MAIL,
        (
            (
                "warning UPN433",
                'handler "charge" of "order.placed" on worker "shop" is gone: 2 dead letters of it are kept',
                "nothing runs them by themselves: `upnext dead purge --handler charge` them, or replay",
            ),
        ),
        jobs=(({"order_id": "1"}, "dead"), ({"order_id": "2"}, "dead")),
        handler="shop|order.placed|charge",
    ),
    "jobs that wait for a task that is gone, and dead letters of it": Change(
        TASK,
        TASK.replace("report", "make_report"),
        (
            (
                "error UPN433",
                'task "report" on worker "shop" is gone: 1 job waits for it, 1 dead letter of it is kept and what is',
                TWO,
            ),
        ),
        jobs=(({"day": "1"}, "waiting"), ({"day": "2"}, "dead")),
        handler="shop||report",
    ),
    "only dead letters": Change(
        MAIL,
        MAIL,
        (
            (
                "warning UPN432",
                'handler "mail" cannot take 1 of 1 jobs of "order.placed" that wait or are dead letters (1 dead)',
                "replay or purge the dead letters",
            ),
        ),
        jobs=(({"id": 1}, "dead"),),
    ),
}


@pytest.mark.parametrize("name", ACCIDENTS)
def test_an_accident_is_named_before_it_is_deployed_with_the_order_that_works(
    empty: Shell, valkey_url: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    change = ACCIDENTS[name]
    prepare(empty, valkey_url, change, monkeypatch)
    done, found = checked(empty, valkey_url)
    lines = sorted(told(found), key=lambda line: line.split()[1])
    assert [line.split(" ", 2)[:2] for line in lines] == [each[0].split() for each in change.expected], lines
    for line, (_, message, way_out) in zip(lines, change.expected, strict=True):
        assert message in line
        assert f"({way_out}" in line or f", or {way_out}" in line, line
    assert done.code == int(any(line.startswith("error") for line in lines))


def test_a_handler_that_moved_to_another_module_is_the_same(
    empty: Shell, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = f"from shop_events import order_placed\n{textwrap.dedent(MAIL)}"
    prepare(empty, valkey_url, Change(MAIL, "", files={"mailing.py": moved}), monkeypatch)
    assert told(checked(empty, valkey_url)[1]) == []


def test_a_field_that_names_what_it_was_called_takes_the_jobs_that_were_sent_then(
    empty: Shell, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    renamed = CLOSED.replace("order_id: str", "number: Annotated[str, upnext.Formerly('order_id')]")
    jobs = (({"order_id": "1"}, "waiting"), ({"number": "1", "order_id": "1"}, "waiting"), ({"order_id": 1}, "waiting"))
    prepare(empty, valkey_url, Change(CLOSED, renamed, jobs=jobs), monkeypatch)
    (line,) = told(checked(empty, valkey_url)[1])
    assert line.startswith(
        'error UPN432 handler "mail" cannot take 1 of 3 jobs of "order.placed" that wait (1 waiting)'
    )


def test_an_event_that_names_what_it_was_called_takes_the_jobs_that_were_sent_then(
    empty: Shell, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are held against its handlers, under the names that these had."""
    renamed = '    placed = worker.event("order.created", formerly=("order.placed",))\n' + MAIL.replace(
        "order_placed", "placed"
    )
    jobs = (({"order_id": "1"}, "waiting"), ({}, "waiting"))
    prepare(empty, valkey_url, Change(MAIL, renamed, jobs=jobs), monkeypatch)
    (line,) = told(checked(empty, valkey_url)[1])
    assert line.startswith(
        'error UPN432 handler "mail" cannot take 1 of 2 jobs of "order.placed" that wait (1 waiting)'
    )
