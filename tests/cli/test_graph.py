"""`upnext graph`: the events of a project, who sends and who handles them."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from tests.cli.projects import Shell

EVENTS = """
    import upnext

    worker = upnext.Worker("shop")
    placed = worker.event("order.placed")
    failed = worker.event("payment.failed")
    shipped = worker.event("order.shipped")
"""
FILES = {
    "shop/__init__.py": "",
    "shop/events.py": EVENTS,
    "shop/mail/__init__.py": "",
    "shop/mail/sending.py": """
        from shop.events import failed

        class Mails:
            @staticmethod
            async def decline(order_id: str) -> None:
                await failed.send(order_id=order_id)

        async def warn(order_id: str) -> None:
            await Mails.decline(order_id)
    """,
    "shop/billing.py": """
        from shop.events import failed, placed, shipped, worker
        from shop.mail import sending

        @placed.on(retries=2)
        async def charge(order_id: str, **kwargs: object) -> None:
            if order_id:
                await sending.warn(order_id)
            await book.submit(order_id=order_id)

        @worker.task
        async def book(order_id: str) -> None:
            await shipped.send(order_id=order_id)

        @failed.on
        async def again(order_id: str) -> None:
            if order_id:
                placed.send_sync(order_id=order_id)
    """,
    "shop/api.py": """
        from shop.events import placed

        async def place(fields: dict[str, str]) -> None:
            await placed.send(order_id="1", **fields)
    """,
}


@pytest.fixture
def project(empty: Shell) -> Shell:
    """Give a project whose handlers send through functions, tasks and each other."""
    empty.write(FILES)
    return empty


def data(shell: Shell, *arguments: str) -> dict:
    done = shell.run("graph", "--format", "json", *arguments)
    assert (done.code, done.err) == (0, "")
    return json.loads(done.out)


def names(found: dict) -> list[str]:
    return [each["name"] for each in found["events"]]


def test_events_have_their_handlers_and_sends_with_places_and_fields(project: Shell) -> None:
    found = data(project)
    assert list(found) == ["events", "tasks", "chains", "unknown_sends"]
    assert names(found) == ["order.placed", "order.shipped", "payment.failed"]
    placed = found["events"][0]
    assert placed["handlers"] == [
        {
            "worker": "shop",
            "name": "charge",
            "module": "shop.billing",
            "file": "shop/billing.py",
            "line": 5,
            "leads_to": ["order.shipped", "payment.failed"],
        }
    ]
    assert placed["sends"] == [
        {"file": "shop/api.py", "line": 4, "function": "place", "fields": ["order_id"], "unknown_fields": True},
        {"file": "shop/billing.py", "line": 17, "function": "again", "fields": ["order_id"], "unknown_fields": False},
    ]
    assert found["tasks"][0] | {"sends": []} == {
        "worker": "shop",
        "name": "book",
        "module": "shop.billing",
        "file": "shop/billing.py",
        "line": 11,
        "leads_to": ["order.shipped"],
        "sends": [],
    }
    assert [each["function"] for each in found["tasks"][0]["sends"]] == ["charge"]


def test_chains_lead_through_functions_methods_and_tasks_and_end_where_they_come_round(project: Shell) -> None:
    assert data(project)["chains"] == [
        ["order.placed", "order.shipped"],
        ["order.placed", "payment.failed", "order.placed"],
    ]


def test_the_cache_changes_nothing_and_an_edit_shows_at_once(project: Shell) -> None:
    cold = project.run("graph", "--no-cache").out
    assert project.run("graph").out == project.run("graph").out == cold
    api = project.text("shop/api.py").replace("placed", "shipped")
    project.write({"shop/api.py": api})
    assert "api.py" in project.run("graph", "order.shipped").out.partition("order.shipped")[2]


def test_an_edit_of_a_function_that_handlers_call_shows_in_what_they_send(project: Shell) -> None:
    """Also where a file begins, or ceases, to have to do with events, and where a function moves."""
    chains = data(project)["chains"]
    sending = project.text("shop/mail/sending.py")
    project.write({"shop/mail/sending.py": "async def warn(order_id: str) -> None: ...\n"})
    assert data(project)["chains"] == [["payment.failed", "order.placed", "order.shipped"]]
    billing = project.text("shop/billing.py")
    package = {"shop/mail/__init__.py": "from .other import warn\n", "shop/mail/other.py": sending}
    project.write({**package, "shop/billing.py": billing.replace("sending.warn", "sending.mail.warn")})
    project.write({"shop/mail/sending.py": "from shop import mail\n"})
    assert data(project)["chains"] == chains
    assert data(project) == data(project, "--no-cache")
    project.write({"shop/billing.py": billing})
    local = (
        "async def warn(order_id: str) -> None:\n    import shop.events as e\n    await e.failed.send(order_id='1')\n"
    )
    project.write({"shop/mail/sending.py": local})
    assert data(project)["chains"] == chains
    project.write({"shop/mail/sending.py": sending})
    assert data(project)["chains"] == chains


def test_a_graph_writes_nothing_but_its_cache(project: Shell) -> None:
    before = {path for path in project.root.rglob("*") if ".upnext" not in path.parts}
    project.run("graph")
    assert {path for path in project.root.rglob("*") if ".upnext" not in path.parts} == before


@pytest.mark.parametrize(
    ("name", "events"),
    [
        ("order.shipped", ["order.shipped"]),
        ("payment.failed", ["order.placed", "order.shipped", "payment.failed"]),
        ("again", ["order.placed", "order.shipped", "payment.failed"]),
        ("shop|payment.failed|again", ["order.placed", "order.shipped", "payment.failed"]),
        ("book", ["order.shipped"]),
        ("shop.api", ["order.placed", "order.shipped", "payment.failed"]),
        ("shop/billing.py", ["order.placed", "order.shipped", "payment.failed"]),
        ("shop.mail", ["order.placed", "order.shipped", "payment.failed"]),
        ("shop/mail/", ["order.placed", "order.shipped", "payment.failed"]),
        ("./shop/mail/../billing.py", ["order.placed", "order.shipped", "payment.failed"]),
        ("shop.events", ["order.placed", "order.shipped", "payment.failed"]),
    ],
)
def test_a_name_means_an_event_handler_task_module_or_file_and_shows_what_follows(
    project: Shell, name: str, events: list[str]
) -> None:
    assert names(data(project, name)) == events


@pytest.mark.parametrize(
    ("name", "tasks"),
    [
        ("sweep", ["sweep"]),
        ("nightly", ["nightly", "sweep"]),
        ("jobs.night", ["nightly", "sweep"]),
        ("jobs/night.py", ["nightly", "sweep"]),
        ("jobs", ["nightly", "sweep"]),
        ("asking", ["nightly", "sweep"]),
        ("order.shipped", ["book"]),
    ],
)
def test_a_name_means_a_task_that_sends_no_event_and_shows_the_tasks_that_follow(
    project: Shell, name: str, tasks: list[str]
) -> None:
    night = """
        from shop.events import worker

        @worker.cron("0 3 * * *")
        async def nightly() -> None:
            await sweep.submit()

        @worker.task
        async def sweep() -> None: ...
    """
    asking = "from jobs.night import nightly\nasync def ask() -> None:\n    await nightly.submit()\n"
    project.write({"jobs/__init__.py": "", "jobs/night.py": night, "asking.py": asking})
    assert [each["name"] for each in data(project, name)["tasks"]] == tasks


@pytest.mark.parametrize(
    ("name", "near"), [("order.plcaed", "'order.placed'"), ("chargee", "'charge'"), ("shop.biling", "'shop.billing'")]
)
def test_a_name_that_nothing_has_is_refused_with_near_ones(project: Shell, name: str, near: str) -> None:
    done = project.run("graph", name)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"upnext: No event, handler, task or module is called '{name}'; did you mean {near}")


def test_a_name_that_is_like_nothing_is_refused_with_the_way_to_all_of_them(project: Shell) -> None:
    assert "`upnext graph` lists all of them" in project.run("graph", "zzzzzz").err


def test_no_line_of_the_text_is_wider_than_a_terminal(empty: Shell) -> None:
    """Long names, long paths and long chains are wrapped, or cut in their middle."""
    long = "a_function_whose_name_is_so_long_that_hardly_anything_fits_beside_it_on_the_line_of_a_terminal"
    events = "\n".join(f'e{number} = worker.event("an.event.with.a.rather.long.name.{number}")' for number in range(9))
    handlers = "\n".join(
        f"@e{number}.on\ndef {long}_{number}(x: int) -> None:\n    e{number + 1}.send_sync(x=x)\n"
        for number in range(8)
    )
    folder = "/".join(["a_folder_with_a_long_name"] * 4)
    empty.write({f"{folder}/shop.py": f'import upnext\nworker = upnext.Worker("shop")\n{events}\n{handlers}'})
    done = empty.run("graph")
    assert done.code == 0
    assert max(map(len, done.out.splitlines())) <= 80
    assert done.out.count("an.event.with.a.rather.long.name.8") > 1


def test_chains_that_nobody_would_read_are_counted(empty: Shell) -> None:
    sends = "".join(
        f"@e{number}.on\ndef h{number}(x: int) -> None:\n"
        + "".join(f"    if x: e{other}.send_sync(x=x)\n" for other in range(9))
        for number in range(9)
    )
    events = "".join(f"e{number} = worker.event('e{number}')\n" for number in range(9))
    empty.write({"shop.py": f"import upnext\nworker = upnext.Worker('shop')\n{events}{sends}"})
    lines = empty.run("graph").out.splitlines()
    chains = lines[lines.index("chains") + 1 : lines.index("workers") - 1]
    assert len(chains) == 201
    assert chains[-1] == "  and 800 others, or more: `--format json` has them, a NAME shows fewer"


def test_the_text_shows_workers_and_the_entry_files_that_import_them(project: Shell) -> None:
    project.write({"pyproject.toml": '[tool.upnext]\nrun = ["service.py"]\n', "service.py": "import shop.billing\n"})
    assert project.run("graph").out.endswith("workers\n  shop 2 handlers, 1 task\n    entry files service.py\n")


def test_a_project_without_events_says_so(empty: Shell) -> None:
    assert empty.run("graph").out == "no events\n"
    assert data(empty) == {"events": [], "tasks": [], "chains": [], "unknown_sends": []}


def test_a_file_that_cannot_be_read_is_named_and_the_others_are_shown(project: Shell) -> None:
    project.write({"shop/broken.py": "import upnext\ndef (\n"})
    done = project.run("graph")
    assert done.code == 0
    assert done.err.startswith("upnext: shop/broken.py:2: cannot read this file")
    assert done.out.startswith("order.placed\n")


def test_sends_of_which_nobody_knows_the_event_are_listed(empty: Shell) -> None:
    empty.write({"shop.py": "import upnext\ndef emit(event: upnext.Event) -> None:\n    event.send_sync(x=1)\n" + ""})
    empty.write({"other.py": 'import upnext\nplaced = upnext.Worker("shop").event("placed")\n'})
    for name in ((), ("placed",)):
        assert re.search(r"cannot be known\n  sent by emit +shop\.py:3\n", empty.run("graph", *name).out)
    assert data(empty)["unknown_sends"] == [
        {"file": "shop.py", "line": 3, "function": "emit", "fields": ["x"], "unknown_fields": False}
    ]
    done = empty.run("graph", "--format", "mermaid")
    assert done.err.startswith("upnext: 1 send is not drawn, because it cannot be known what it sends")


def test_a_picture_that_mermaid_refuses_to_draw_is_written_with_a_warning(empty: Shell) -> None:
    """By default mermaid draws 500 edges, and reads 50,000 characters."""
    head = 'import upnext\nworker = upnext.Worker("shop")\ne = worker.event("e")\n'
    empty.write({"shop.py": head + "".join(f"@e.on\ndef h{number}(): ...\n" for number in range(500))})
    done = empty.run("graph", "--format", "mermaid")
    assert (done.code, done.err, done.out.count(" --> ")) == (0, "", 500)
    with (empty.root / "shop.py").open("a") as file:
        file.write("@e.on\ndef one_more(): ...\n")
    done = empty.run("graph", "--format", "mermaid")
    assert (done.code, done.out.count(" --> ")) == (0, 501)
    assert re.match(r"upnext: the picture has 501 edges in [\d,]+ characters, and mermaid refuses more", done.err)
    assert empty.run("graph", "--format", "dot").err == ""


def test_mermaid_has_a_node_for_each_function_and_an_edge_for_each_way(project: Shell) -> None:
    lines = project.run("graph", "--format", "mermaid").out.splitlines()
    assert lines[0] == "flowchart LR"
    nodes = {match[1]: match[2] for line in lines if (match := re.match(r'    (\w+)[\[(]+"(.*)"[\])]+$', line))}
    edges = [tuple(line.strip().split(" --> ")) for line in lines if " --> " in line]
    assert len(nodes) + len(edges) + 1 == len(lines)
    shown = {(nodes[start].partition("<br>")[0], nodes[end].partition("<br>")[0]) for start, end in edges}
    assert shown == {
        ("place", "order.placed"),
        ("order.placed", "charge"),
        ("charge", "payment.failed"),
        ("charge", "book"),
        ("book", "order.shipped"),
        ("payment.failed", "again"),
        ("again", "order.placed"),
    }


def test_names_that_would_like_to_be_code_stay_text_in_every_picture(empty: Shell) -> None:
    empty.write({'a"]; x --> y/b.py': 'import upnext\nplaced = upnext.Worker("w").event("end")\nplaced.send_sync()\n'})
    mermaid = empty.run("graph", "--format", "mermaid").out
    assert '"]; x' not in mermaid
    assert len(mermaid.splitlines()) == 4
    assert '\\"]; x --> y' in empty.run("graph", "--format", "dot").out


def test_svg_says_how_to_get_graphviz_where_it_is_missing(project: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(project.root))
    done = project.run("graph", "--format", "svg")
    assert (done.code, done.out) == (2, "")
    assert "apt-get install graphviz" in done.err


def test_svg_is_what_dot_draws_and_its_failure_is_told(project: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for graphviz shows what it is given, and how it is called."""
    program = project.root / "bin" / "dot"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\n[ "$1" = -Tsvg ] && /bin/cat\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{Path('/nowhere')}")
    assert project.run("graph", "--format", "svg").out == project.run("graph", "--format", "dot").out
    program.write_text("#!/bin/sh\necho no room >&2\nexit 3\n")
    done = project.run("graph", "--format", "svg")
    assert (done.code, done.out) == (2, "")
    assert "could not draw the graph: no room" in done.err
