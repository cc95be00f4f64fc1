"""`worker.event(name, formerly=...)` in the sources: the event is known by its earlier names as well."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.codegen.reading import lines, read
from upnext_codegen.catalog.contract_json import to_json
from upnext_codegen.catalog.render import render
from upnext_codegen.changes.compare import breaking
from upnext_codegen.graph.findings import graph_findings
from upnext_codegen.merging.contracts import contracts
from upnext_codegen.project import load_project

_OLD = """\
import upnext
worker = upnext.Worker("shop")
event = worker.event("order.placed")
@event.on
async def confirm(order_id: str): ...
"""
_NEW = _OLD.replace('"order.placed"', '"order.created", formerly=("order.placed",)')


def against(root: Path, old: str, new: str) -> list[str]:
    """The codes of what a change breaks."""
    earlier, _ = contracts(read(root / "old", old)[0])
    scanned, _ = read(root / "new", new)
    return sorted(each.code for each in breaking(earlier, scanned, complete=True))


def test_a_rename_without_a_former_name_breaks_and_one_with_it_does_not(tmp_path: Path) -> None:
    assert against(tmp_path / "without", _OLD, _OLD.replace("placed", "created")) == ["UPN402"]
    assert against(tmp_path / "with", _OLD, _NEW) == []
    assert against(tmp_path / "twice", _NEW, _NEW.replace("created", "made")) == ["UPN402"]
    removed = _NEW.replace(', formerly=("order.placed",)', "")
    assert against(tmp_path / "finished", _NEW, removed) == ["UPN402"]


_CALLED = 'if the event was renamed, name what it was called, worker.event("order.created", formerly=("order.placed",))'
_NAMED = 'if it was renamed, keep its name with @event.on(name="confirm"), or keep it'
_TWO = _OLD + "@event.on\nasync def bill(order_id: str): ...\n"


@pytest.mark.parametrize(
    ("old", "new", "place", "way_out"),
    [
        (
            _OLD,
            _OLD.replace("placed", "created"),
            5,
            f"{_CALLED}, or keep it",
        ),
        (
            _TWO,
            _TWO.replace("placed", "created"),
            5,
            f"{_CALLED}, or keep them",
        ),
        (
            _OLD,
            _OLD.replace('"shop"', '"mail"'),
            3,
            'if it moved to worker "mail", that takes no jobs of worker "shop": there, keep it',
        ),
        (_OLD, _OLD.replace("confirm", "send"), 3, _NAMED),
        (_TWO, _OLD, 3, "keep it until"),
        (_TWO, _OLD.replace("placed", "created"), 1, "keep them until"),
    ],
)
def test_handlers_that_are_gone_are_looked_for(tmp_path: Path, old: str, new: str, place: int, way_out: str) -> None:
    earlier, _ = contracts(read(tmp_path / "old", old)[0])
    scanned, _ = read(tmp_path / "new", new)
    (found,) = breaking(earlier, scanned, complete=True)
    assert (found.code, found.place.line) == ("UPN402", place)
    assert found.help.startswith(way_out)


def test_what_breaks_jobs_of_the_old_name_is_reported(tmp_path: Path) -> None:
    assert against(tmp_path, _OLD, _NEW.replace("order_id: str", "order_id: int")) == ["UPN415"]


_RENAMED = _OLD.replace("order_id: str", "number: Annotated[str, {}]").replace(
    "import upnext\n", "import upnext\nfrom typing import Annotated, Optional, TypedDict, Unpack\n"
)
_FORMERLY = "upnext.Formerly('order_id')"


@pytest.mark.parametrize(
    ("written", "codes"),
    [
        (_FORMERLY, []),
        ("'text', upnext.Formerly('id', 'order_id')", []),
        ("upnext.Formerly('id')", ["UPN417"]),
        ("OLD", []),
    ],
)
def test_a_field_is_known_by_its_former_names(tmp_path: Path, written: str, codes: list[str]) -> None:
    new = _RENAMED.format(written).replace("event =", f"OLD = {_FORMERLY}\nevent =")
    assert against(tmp_path, _OLD, new) == codes


@pytest.mark.parametrize(
    "parameter",
    [
        f"number: Annotated[str, {_FORMERLY}] | None",
        f"number: Optional[Annotated[str, {_FORMERLY}]] = None",
        f'number: "Annotated[str, {_FORMERLY}]"',
        "number: Number",
        "**fields: Unpack[Fields]",
    ],
)
def test_former_names_are_found_wherever_an_annotation_has_them(tmp_path: Path, parameter: str) -> None:
    types = f"Number = Annotated[str, {_FORMERLY}]\nclass Fields(TypedDict):\n    number: Number\n"
    new = _RENAMED.replace("number: Annotated[str, {}]", parameter).replace("event =", f"{types}event =")
    assert against(tmp_path, _OLD, new) == []
    earlier, _ = contracts(read(tmp_path / "again", new)[0])
    (field,) = earlier.events[0].fields
    assert (field.name, field.formerly) == ("number", ("order_id",))
    assert to_json(earlier)["events"]["order.placed"]["fields"]["number"]["formerly"] == ["order_id"]


def test_a_field_under_its_former_name_is_still_held_to_its_type(tmp_path: Path) -> None:
    new = _RENAMED.format(_FORMERLY).replace("Annotated[str", "Annotated[int")
    assert against(tmp_path, _OLD, new) == ["UPN415"]
    optional = _OLD.replace("order_id: str", "order_id: str = ''")
    assert against(tmp_path / "optional", optional, _RENAMED.format(_FORMERLY)) == ["UPN412"]


def test_the_lock_and_the_stub_have_both_names_and_findings_are_said_once(tmp_path: Path) -> None:
    scanned, findings = read(tmp_path, _NEW + "@event.on\nasync def count(order_id: int): ...\n")
    found, disagreements = contracts(scanned)
    assert [*findings, *disagreements] == list(disagreements)
    assert [(each.code, "order.created" in each.message) for each in disagreements] == [("UPN101", True)]
    assert list(to_json(found)["events"]) == ["order.created", "order.placed"]
    stub = render(found)
    assert '_Literal["order.created"]' in stub
    assert '_Literal["order.placed"]' in stub


def test_a_former_name_that_is_still_sent_is_neither_misspelt_nor_unhandled(tmp_path: Path) -> None:
    files = {
        "pyproject.toml": "[tool.upnext]\nclosed = true\n",
        "app.py": _NEW,
        "send.py": "from app import event, worker\nasync def f():\n"
        '    await worker.event("order.placed").send(order_id="1")\n    await event.send(order_id="1")\n',
    }
    scanned, findings = read(tmp_path, files)
    _, disagreements = contracts(scanned)
    settings = load_project(tmp_path).settings
    assert [*findings, *disagreements, *graph_findings(scanned, settings, findings)] == []


def test_a_handler_that_is_attached_under_both_names_is_a_duplicate(tmp_path: Path) -> None:
    both = f'{_NEW}@worker.event("order.placed").on(name="confirm")\nasync def again(order_id: str): ...\n'
    _, disagreements = contracts(read(tmp_path, both)[0])
    assert [each.code for each in disagreements] == ["UPN107"]


@pytest.mark.parametrize(
    ("formerly", "wanted"),
    [
        ("input()", 'UPN002 the earlier names of event "order.created" cannot be known without running the code'),
        ("(input(),)", 'UPN002 the earlier names of event "order.created" cannot be known without running the code'),
        ('("order placed",)', 'UPN004 event name "order placed" is not allowed'),
        ('("order.created",)', 'UPN201 formerly="order.created" is out of range'),
        ("['order.placed']", "UPN201 formerly=['order.placed'] cannot be used"),
        ('"order.placed"', 'UPN201 formerly="order.placed" cannot be used'),
        ("OLD", 'UPN201 formerly="order.old" cannot be used'),
        ("[*OLDER]", "UPN201 formerly=[*OLDER] cannot be used"),
        ("None", "UPN201 formerly=None cannot be used"),
        ("(3,)", 'UPN004 event name "3" is not allowed'),
        ("(*OLDER, OLD)", 'UPN002 the earlier names of event "order.created" cannot be known without running the code'),
        ("()", ""),
        ("(OLD,)", ""),
        ("OLDER", ""),
    ],
)
def test_former_names_that_the_runtime_refuses_or_nobody_can_know_are_reported(
    formerly: str, wanted: str, tmp_path: Path
) -> None:
    source = f'OLD = "order.old"\nOLDER = (OLD, "order.placed")\n{_NEW}'.replace('("order.placed",)', formerly)
    found = [line.partition(" ")[2] for line in lines(*read(tmp_path, source)) if " UPN" in line]
    assert found == ([wanted] if wanted else [])
