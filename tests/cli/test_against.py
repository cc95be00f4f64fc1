# ruff: noqa: E501 - reports are written as they are printed
"""`upnext gen --against`: which changes break senders and jobs of an earlier state."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.projects import Shell

EVENTS = """
    import upnext

    worker = upnext.Worker("shop")
    order_placed = worker.event("order.placed")
"""
HEAD = """
    from dataclasses import dataclass
    from enum import StrEnum
    from typing import Literal, NewType

    from shop.events import order_placed

    OrderId = NewType("OrderId", str)


    @dataclass
    class Item:
        name: str


    class Colour(StrEnum):
        RED = "red"
        BLUE = "blue"


"""
UNKNOWN = "is required now, and earlier sends and queued jobs are without it"
MISSING = "is required now, and earlier sends and queued jobs may be without it"
LATER = "until nothing earlier is sent or queued any more"
OR_BRIDGE = ", or bridge it with @event.upcast"


def project(shell: Shell, *handlers: str, others: dict[str, str] | None = None) -> None:
    """Write a project of one event and these handlers, each "name(parameters)"."""
    lines = "".join(f"    @order_placed.on\n    async def {handler}: ...\n\n\n" for handler in handlers)
    shell.write({"shop/__init__.py": "", "shop/events.py": EVENTS, "shop/email.py": HEAD + lines, **(others or {})})


def keep_lock(shell: Shell) -> None:
    assert shell.run("gen").err == ""
    (shell.root / "upnext.lock").rename(shell.root / "before.lock")


def told(shell: Shell, *options: str) -> list[str]:
    """Return what `--against` reports: code, message and help of each finding, and how many other places it has."""
    done = shell.run("gen", "--against", "before.lock", "--format", "json", *options)
    assert done.err == ""
    found = [each for each in json.loads(done.out)["diagnostics"] if each["code"].startswith("UPN4")]
    assert done.code == int(any(each["severity"] == "error" for each in json.loads(done.out)["diagnostics"]))
    return [
        f"{each['severity']} {each['code']} {each['line']}:{each['column']} {each['message']} ({each['help']})"
        + "".join(f" +{other['line']}:{other['column']} {other['message']}" for other in each["related"])
        for each in found
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("mail(order_id: str, **kwargs: object)", "mail(order_id: str, **kwargs: object)"),
        ("mail(order_id: int, **kwargs: object)", "mail(order_id: int | str, **kwargs: object)"),
        ("mail(order_id: int, **kwargs: object)", "mail(order_id: float, **kwargs: object)"),
        ("mail(order_id: Literal['a'], **kwargs: object)", "mail(order_id: str, **kwargs: object)"),
        ("mail(order_id: str, **kwargs: object)", "mail(order_id: str | None = None, **kwargs: object)"),
        ("mail(order_id: str, **kwargs: object)", "mail(order_id: str, note: str = '', **kwargs: object)"),
        ("mail(order_id: str, **kwargs: object)", "mail(**kwargs: object)"),
        ("mail(order_id: str, note: int = 0)", "mail(order_id: str, note: int = 0, **kwargs: object)"),
        ("mail(order_id, **kwargs: object)", "mail(order_id: int, **kwargs: object)"),
        ("mail(order_id: str, **kwargs: object)", "mail(order_id, **kwargs: object)"),
        ("mail(order_id: str, **kwargs: object)", "mail(order_id: OrderId, **kwargs: object)"),
        ("mail(order_id: OrderId, **kwargs: object)", "mail(order_id: str, **kwargs: object)"),
        ("mail(items: list[OrderId], **kwargs: object)", "mail(items: list[str], **kwargs: object)"),
        ("mail(order_id: str, **kwargs: int)", "mail(order_id: str, note: int = 0, **kwargs: int)"),
        ("mail(order_id: str, **kwargs: object)", "mail(order_id: str, **kwargs: str)"),
    ],
)
def test_what_takes_all_that_was_allowed_breaks_nobody(empty: Shell, before: str, after: str) -> None:
    project(empty, before)
    keep_lock(empty)
    project(empty, after)
    assert told(empty) == []


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            "mail(order_id: str, **kwargs: object)",
            "mail(order_id: str, note: str, **kwargs: object)",
            f'error UPN411 21:31 field "note" of "order.placed" {UNKNOWN} (give "note" a default {LATER}{OR_BRIDGE})',
        ),
        (
            "mail(order_id: str, note: str = '', **kwargs: object)",
            "mail(order_id: str, note: str, **kwargs: object)",
            f'error UPN412 21:31 field "note" of "order.placed" {MISSING} (give "note" a default {LATER}{OR_BRIDGE})',
        ),
        (
            "mail(order_id: str | None, **kwargs: object)",
            "mail(order_id: str, **kwargs: object)",
            f'error UPN416 21:16 field "order_id" of "order.placed" is str now but was str | None, which earlier sends and queued jobs may hold (take str | None as well {LATER}{OR_BRIDGE})',
        ),
        (
            "mail(colour: Colour, **kwargs: object)",
            "mail(colour: Literal[Colour.RED], **kwargs: object)",
            f'error UPN416 21:16 field "colour" of "order.placed" is Literal[Colour.RED] now but was Colour, which earlier sends and queued jobs may hold (take Colour as well {LATER}{OR_BRIDGE})',
        ),
        (
            "mail(order_id: str, note: str, **kwargs: object)",
            "mail(order_id: str, **kwargs: int)",
            f'error UPN415 21:33 field "note" of "order.placed" is int now but was str, which earlier sends and queued jobs may hold (take str as well {LATER}{OR_BRIDGE})',
        ),
        (
            "mail(order_id: str, **kwargs: str)",
            "mail(order_id: str, **kwargs: int)",
            f'error UPN415 21:33 fields that no handler names of "order.placed" are int now but were str, which earlier sends and queued jobs may hold (take str as well {LATER})',
        ),
        (
            "mail(order_id: str, note: str)",
            "mail(order_id: str)",
            'error UPN413 21:11 field "note" of "order.placed" is rejected now by handler "mail", and earlier sends and queued jobs may hold it (add "note" or **kwargs to handler "mail")',
        ),
        (
            "mail(order_id: str, **kwargs: object)",
            "mail(order_id: str)",
            'warning UPN414 21:11 fields that no handler names of "order.placed" are rejected now by handler "mail", and earlier sends and queued jobs may hold them (add **kwargs to handler "mail")',
        ),
    ],
)
def test_what_the_earlier_contract_allowed_and_a_handler_no_longer_takes_is_reported(
    empty: Shell, before: str, after: str, expected: str
) -> None:
    project(empty, before)
    keep_lock(empty)
    project(empty, after)
    found = told(empty)
    assert found[:1] == [expected]
    assert all("no handler names" in each for each in found[1:])


def test_a_field_that_a_handler_trades_for_another_of_its_type_was_renamed(empty: Shell) -> None:
    project(empty, "mail(order_id: str, amount: int)")
    keep_lock(empty)
    project(empty, "mail(order_number: str, amount: int)")
    assert told(empty) == [
        f'error UPN417 21:16 field "order_number" of "order.placed" is required now in place of "order_id", which earlier sends and queued jobs hold (take "order_id" as well, and give both a default, {LATER}{OR_BRIDGE})'
    ]


def test_fields_that_cannot_be_paired_are_no_renames(empty: Shell) -> None:
    project(empty, "mail(order_id: str, user_id: str, **kwargs: object)")
    keep_lock(empty)
    project(empty, "mail(order: str, user: str, **kwargs: object)")
    assert [each[:12] for each in told(empty)] == ["error UPN411", "error UPN411"]


def test_sends_of_the_project_that_break_as_well_are_listed(empty: Shell) -> None:
    sends = {
        "shop/api.py": "from shop.events import order_placed\n\n\ndef post(**more: str) -> None:\n    order_placed.send_sync(order_id='1')\n    order_placed.send_sync(order_id='1', note='')\n    order_placed.send_sync(order_id='1', **more)\n"
    }
    project(empty, "mail(order_id: str, **kwargs: object)", others=sends)
    keep_lock(empty)
    project(empty, "mail(order_id: str, note: str, **kwargs: object)", others=sends)
    assert [each.partition(" +")[2] for each in told(empty)] == ['5:5 this send does not give "note"']
    project(empty, "mail(order_id: str, note: str = '')", others=sends)
    keep_lock(empty)
    project(empty, "mail(order_id: str)", others=sends)
    assert [each.partition(" +")[2] for each in told(empty)] == ['6:5 this send gives "note"']


def test_a_new_handler_breaks_sends_only_for_it_has_no_jobs_yet(empty: Shell) -> None:
    project(empty, "mail(order_id: str, **kwargs: object)")
    keep_lock(empty)
    project(empty, "mail(order_id: str, **kwargs: object)", "count(order_id: str, amount: int, **kwargs: object)")
    assert told(empty) == [
        f'error UPN411 25:32 field "amount" of "order.placed" is required now, and earlier sends are without it (give "amount" a default {LATER}{OR_BRIDGE})'
    ]


def test_all_handlers_that_one_change_breaks_share_a_finding(empty: Shell) -> None:
    project(empty, "mail(order_id: int, **kwargs: object)", "count(order_id: int, **kwargs: object)")
    keep_lock(empty)
    project(empty, "mail(order_id: str, **kwargs: object)", "count(order_id: str, **kwargs: object)")
    assert told(empty) == [
        f'error UPN415 21:16 field "order_id" of "order.placed" is str now but was int, which earlier sends and queued jobs may hold (take int as well {LATER}{OR_BRIDGE}) +25:17 handler "count" as well'
    ]


def test_a_class_that_only_moved_carries_the_same(empty: Shell) -> None:
    models = {
        "shop/models.py": "from dataclasses import dataclass\n\n\n@dataclass\nclass Price:\n    amount: int\n",
        "shop/billing.py": "from shop.events import order_placed\nfrom shop.models import Price\n\n\n@order_placed.on\nasync def charge(price: Price, **kwargs: object): ...\n",
    }
    project(empty, others=models)
    keep_lock(empty)
    (empty.root / "shop" / "models.py").rename(empty.root / "shop" / "money.py")
    empty.write({"shop/billing.py": models["shop/billing.py"].replace("shop.models", "shop.money")})
    assert told(empty) == []


def test_handlers_that_are_gone_are_reported_once_for_their_event(empty: Shell) -> None:
    project(empty, "mail(order_id: str)", "count(order_id: str)", "file(order_id: str)")
    keep_lock(empty)
    project(empty, "file(order_id: str)")
    assert told(empty) == [
        'warning UPN402 4:16 handlers "count" and "mail" of "order.placed" are gone: jobs that are queued for them would wait for a worker that knows them (keep them until their queues are empty, then `upnext unsubscribe` them)'
    ]
    project(empty, "mail(order_id: str)", "file(order_id: str)")
    assert told(empty) == [
        'warning UPN402 4:16 handler "count" of "order.placed" is gone: jobs that are queued for it would wait for a worker that knows it (keep it until its queue is empty, then `upnext unsubscribe` it)'
    ]


def test_an_event_that_is_gone_is_reported_at_the_lock(empty: Shell) -> None:
    project(empty, "mail(order_id: str)")
    keep_lock(empty)
    empty.write({"shop/events.py": "", "shop/email.py": ""})
    assert [each[:22] for each in told(empty)] == ["warning UPN402 1:1 han"]


def test_a_handler_that_keeps_its_name_may_change_module_and_function(empty: Shell) -> None:
    project(empty, "mail(order_id: str)")
    keep_lock(empty)
    moved = (
        'from shop.events import order_placed\n\n\n@order_placed.on(name="mail")\nasync def post(order_id: str): ...\n'
    )
    project(empty, others={"shop/post.py": moved})
    assert told(empty) == []


def test_handlers_of_a_file_that_cannot_be_read_are_not_taken_for_gone(empty: Shell) -> None:
    project(empty, "mail(order_id: str)", "count(order_id: str)")
    keep_lock(empty)
    project(empty, "mail(order_id: str)", "count(order_id: str")
    assert told(empty) == []


def test_events_without_a_contract_had_none_to_break(empty: Shell) -> None:
    project(empty)
    keep_lock(empty)
    project(empty, "mail(order_id: str)")
    assert told(empty) == []


def test_a_comment_silences_and_paths_narrow_as_for_any_finding(empty: Shell) -> None:
    project(empty, "mail(order_id: int, **kwargs: object)")
    keep_lock(empty)
    project(empty, "mail(order_id: str, **kwargs: object)")
    assert len(told(empty, "shop/email.py")) == 1
    assert told(empty, "shop/events.py") == []
    project(empty, "mail(  # upnext: ignore[UPN415]\n        order_id: str, **kwargs: object)")
    assert len(told(empty)) == 1
    project(empty, "mail(\n        order_id: str,  # upnext: ignore[UPN415]\n        **kwargs: object)")
    assert told(empty) == []
    empty.write({"pyproject.toml": '[tool.upnext]\nignore = ["UPN415"]\n'})
    project(empty, "mail(order_id: str, **kwargs: object)")
    assert told(empty) == []


def test_a_retired_code_silences_what_is_reported_in_its_place(empty: Shell) -> None:
    project(empty, "mail(order_id: int, **kwargs: object)")
    keep_lock(empty)
    project(empty, "mail(order_id: str, note: str, **kwargs: object)")
    assert [each[:12] for each in told(empty)] == ["error UPN415", "error UPN411"]
    empty.write({"pyproject.toml": '[tool.upnext]\nignore = ["UPN401"]\n'})
    assert told(empty) == []
    empty.write({"pyproject.toml": ""})
    project(empty, "mail(order_id: str, note: str, **kwargs: object)  # upnext: ignore[UPN401]")
    assert told(empty) == []


def test_the_generated_files_do_not_depend_on_what_they_are_compared_with(empty: Shell) -> None:
    project(empty, "mail(order_id: int, **kwargs: object)")
    keep_lock(empty)
    project(empty, "mail(order_id: str, **kwargs: object)")
    assert told(empty) != []
    assert empty.run("gen", "--check").code == 0


def git(shell: Shell, *arguments: str) -> None:
    identity = ("-c", "user.name=ada", "-c", "user.email=ada@example.org")
    subprocess.run(["git", *identity, *arguments], check=True, capture_output=True, cwd=shell.root)


def test_a_revision_of_git_is_asked_for_its_lock(empty: Shell) -> None:
    project(empty, "mail(order_id: int, **kwargs: object)")
    git(empty, "init", "--quiet")
    git(empty, "add", "shop")
    git(empty, "commit", "--quiet", "-m", "without a lock")
    empty.run("gen")
    git(empty, "add", "upnext.lock")
    git(empty, "commit", "--quiet", "-m", "with a lock")
    project(empty, "mail(order_id: str, **kwargs: object)")
    done = empty.run("gen", "--against", "HEAD")
    assert (done.code, "error[UPN415]" in done.out) == (1, True)
    done = empty.run("gen", "--check", "--against", "HEAD~1")
    assert (done.code, done.err) == (0, "")
    assert "note: HEAD~1 holds no upnext.lock, so there is nothing to compare with\n" in done.out
    done = empty.run("gen", "--check", "--against", "HEAD~1", "--format", "github")
    assert done.out == "::notice title=upnext::HEAD~1 holds no upnext.lock, so there is nothing to compare with\n"
    (empty.root / "upnext.lock").write_text("version https://git-lfs.github.com/spec/v1\n", encoding="utf-8")
    git(empty, "commit", "--quiet", "--all", "-m", "with a pointer of Git LFS")
    done = empty.run("gen", "--check", "--against", "HEAD")
    assert (done.code, "`git show HEAD:./upnext.lock | git lfs smudge > earlier.lock`" in done.err) == (2, True)


@pytest.mark.parametrize("wanted", ["nowhere", "--output=x", "HEAD;touch x", "", "a\0b", "x" * 5000])
def test_what_is_neither_a_file_nor_a_revision_is_refused_before_anything_is_read(empty: Shell, wanted: str) -> None:
    project(empty, "mail(order_id: int)")
    git(empty, "init", "--quiet")
    before = sorted(path for path in empty.root.rglob("*") if ".git" not in path.parts)
    done = empty.run("gen", f"--against={wanted}")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("upnext: --against")
    assert sorted(path for path in empty.root.rglob("*") if ".git" not in path.parts) == before


@pytest.mark.parametrize(
    "text", ["", "{}", "[", '{"generator": "upnext", "format": 1}', '{"generator": "upnext", "format": 99}', "\udcff"]
)
def test_a_file_that_is_no_lock_is_refused_with_the_reason(empty: Shell, text: str) -> None:
    project(empty, "mail(order_id: int)")
    Path(empty.root / "before.lock").write_bytes(text.encode("utf-8", "surrogateescape"))
    done = empty.run("gen", "--against", "before.lock")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("upnext: --against before.lock: the earlier lock cannot be read: ")
    assert done.err.count("\n") == 1
