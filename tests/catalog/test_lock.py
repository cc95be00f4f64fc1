# ruff: noqa: E501 - handlers are written on one line
from __future__ import annotations

import json

import pytest

from tests.contract.writing import MODELS, handlers
from upnext_codegen.catalog import lock
from upnext_codegen.contract import Contract, EventContract
from upnext_codegen.merging.contracts import contracts
from upnext_codegen.records import Scan


def contract(*, classes: bool = True) -> Contract:
    found = handlers(
        """
        charge(amount: Price | None, kind: Literal["new", Color.RED], tags: list[str] = [], **kwargs: int | str | list[str])
        reserve(items: dict[str, tuple[int, ...]], amount: Money | None, **kwargs)
        """
    )
    return contracts(Scan((), tuple(found), classes=dict(MODELS.classes) if classes else {}))[0]


def test_the_whole_lock_of_one_event() -> None:
    found = handlers("confirm(amount: Price, note: str = '', **kwargs)")
    merged, _ = contracts(Scan((), tuple(found), classes=dict(MODELS.classes)))
    assert (
        lock.render(merged)
        == """\
{
  "classes": {
    "shop.models.Money": {
      "bases": [],
      "json": true,
      "kind": "model",
      "module": "shop.models",
      "payload": null,
      "type_parameters": []
    },
    "shop.models.Price": {
      "bases": [
        "shop.models.Money"
      ],
      "json": true,
      "kind": "model",
      "module": "shop.models",
      "payload": null,
      "type_parameters": []
    }
  },
  "events": {
    "order.placed": {
      "extras": "object",
      "fields": {
        "amount": {
          "asked_by": {
            "shop confirm": "required"
          },
          "required": true,
          "type": "shop.models.Price"
        },
        "note": {
          "asked_by": {
            "shop confirm": "optional"
          },
          "required": false,
          "type": "str"
        }
      },
      "handlers": {
        "shop confirm": {
          "closed": false,
          "module": "shop.handlers",
          "name": "confirm",
          "worker": "shop"
        }
      }
    }
  },
  "format": 2,
  "generator": "upnext"
}
"""
    )


def test_a_lock_is_read_back_as_the_contract_that_it_was_written_from() -> None:
    written = contract()
    read = lock.read(lock.render(written))
    assert read.events == written.events
    assert {name: written.classes[name] for name in read.classes} == read.classes
    assert set(read.classes) == {f"shop.models:{name}" for name in ("Color", "Money", "Price")}
    assert lock.render(read) == lock.render(written)


def test_nothing_in_a_lock_depends_on_which_handler_came_first() -> None:
    forwards = handlers("confirm(a: int | str, **kwargs)\nreserve(b: str, a: str | int, **kwargs)")
    one, other = (contracts(Scan((), tuple(found)))[0] for found in (forwards, forwards[::-1]))
    assert lock.render(one) == lock.render(other)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is empty"),
        ('{\n  "classes": {}', "it is damaged: its end is missing, or a merge left it in pieces"),
        ("[]", "it was not written by upnext"),
        ('{"generator": "poetry"}', "it was not written by upnext"),
        ('{"generator": "upnext"}', "it has format None, and this upnext reads formats 1 and 2"),
        ('{"generator": "upnext", "format": 3}', "it has format 3, and this upnext reads formats 1 and 2"),
        (
            '{"generator": "upnext", "format": 1}',
            "it is damaged: its events or classes are not as `upnext gen` writes them",
        ),
        ("[" * 100_000, "it was not written by upnext"),
    ],
)
def test_what_is_no_lock_is_refused_with_a_reason(text: str, said: str) -> None:
    with pytest.raises(ValueError, match="^" + said.replace("(", r"\(") + "$"):
        lock.read(text)


@pytest.mark.parametrize("written", ["1 + 1", "lambda: 0", "int[", "a b", "Literal[3.5]", "f()", "Literal[x]"])
def test_a_type_that_is_none_is_refused(written: str) -> None:
    data = json.loads(lock.render(Contract((EventContract("e"),))))
    data["events"]["e"]["extras"] = written
    with pytest.raises(ValueError, match=r"is not a type|cannot stand|malformed"):
        lock.read(json.dumps(data))


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        ('{"generator": "upnext"}', True),
        ('<<<<<<< HEAD\n  "generator": "upnext"\n', True),
        ('{"generator": "other"}', False),
        ("", True),  # of which nothing is lost
        ("\x00", False),
    ],
)
def test_a_lock_that_a_merge_left_in_pieces_is_still_ours(text: str, *, ours: bool) -> None:
    assert lock.is_from_upnext(text) is ours
