# ruff: noqa: E501 - messages are written as they are printed
from __future__ import annotations

import textwrap
from dataclasses import dataclass
from itertools import permutations

import pytest

from tests.contract.writing import MODELS, handlers, merged, said, signature
from upnext_codegen.merging.merge import merge


@dataclass(frozen=True)
class Case:
    """Handlers, one a line of `shop/handlers.py`, and what comes of them."""

    handlers: str
    merged: str
    said: str = ""
    open_to_extras: bool = True


CASES = {
    "one closed handler": Case(
        "confirm(order_id: str, user_id: str)",
        "order_id: str, user_id: str",
    ),
    "a handler without parameters": Case("confirm()", ""),
    "keyword-only parameters are fields": Case(
        "confirm(*, order_id: str, note: str = '')", "order_id: str, note: str = ..."
    ),
    "fields of all handlers": Case(
        """
        confirm(order_id: str, **kwargs)
        reserve(quantity: int, **kwargs)
        """,
        "order_id: str, quantity: int, **: object",
    ),
    "a field is required if any handler has no default for it": Case(
        """
        confirm(note: str = '', **kwargs)
        reserve(note: str, **kwargs)
        """,
        "note: str, **: object",
    ),
    "a field is optional if every handler has a default for it": Case(
        """
        confirm(note: str = '', **kwargs)
        reserve(note: str | None = None, **kwargs)
        """,
        "note: str = ..., **: object",
    ),
    "a default of None does not widen an annotation": Case(
        "confirm(note: str = None, **kwargs)", "note: str = ..., **: object"
    ),
    "a closed handler that names every field": Case(
        """
        confirm(order_id: str)
        reserve(order_id: str, **kwargs)
        """,
        "order_id: str",
    ),
    "required by one and rejected by another": Case(
        """
        confirm(order_id: str)
        reserve(order_id: str, quantity: int, **kwargs)
        """,
        "order_id: str, quantity: int",
        """
        shop/handlers.py:2:28: error[UPN102]: field "quantity" of "order.placed" is required here but rejected by handler "confirm"
          shop/handlers.py:1:5: "confirm" takes only "order_id"
          help: add "quantity" or **kwargs to handler "confirm": every handler is given the whole event
        """,
    ),
    "required by one and rejected by several": Case(
        """
        confirm(order_id: str)
        log()
        reserve(order_id: str, quantity: int, **kwargs)
        """,
        "order_id: str, quantity: int",
        """
        shop/handlers.py:1:13: error[UPN102]: field "order_id" of "order.placed" is required here but rejected by handler "log"
          shop/handlers.py:2:5: "log" takes no fields
          help: add "order_id" or **kwargs to handler "log": every handler is given the whole event
        shop/handlers.py:3:28: error[UPN102]: field "quantity" of "order.placed" is required here but rejected by handlers "confirm" and "log"
          shop/handlers.py:1:5: "confirm" takes only "order_id"
          shop/handlers.py:2:5: "log" takes no fields
          help: add "quantity" or **kwargs to handlers "confirm" and "log": every handler is given the whole event
        """,
    ),
    "the first requiring parameter is where it is said": Case(
        """
        confirm()
        reserve(quantity: int = 1, **kwargs)
        ship(quantity: int, **kwargs)
        """,
        "quantity: int",
        """
        shop/handlers.py:3:10: error[UPN102]: field "quantity" of "order.placed" is required here but rejected by handler "confirm"
          shop/handlers.py:1:5: "confirm" takes no fields
          help: add "quantity" or **kwargs to handler "confirm": every handler is given the whole event
        """,
    ),
    "two closed handlers that shut each other's fields out": Case(
        """
        confirm(order_id: str)
        reserve(quantity: int)
        """,
        "order_id: str, quantity: int",
        """
        shop/handlers.py:1:13: error[UPN102]: field "order_id" of "order.placed" is required here but rejected by handler "reserve"
          shop/handlers.py:2:5: "reserve" takes only "quantity"
          help: add "order_id" or **kwargs to handler "reserve": every handler is given the whole event
        shop/handlers.py:2:13: error[UPN102]: field "quantity" of "order.placed" is required here but rejected by handler "confirm"
          shop/handlers.py:1:5: "confirm" takes only "order_id"
          help: add "quantity" or **kwargs to handler "confirm": every handler is given the whole event
        """,
    ),
    "optional and rejected by one": Case(
        """
        confirm(order_id: str)
        reserve(order_id: str, note: str = '', **kwargs)
        """,
        "order_id: str",
        """
        shop/handlers.py:2:28: warning[UPN108]: field "note" of "order.placed" can never be sent: handler "confirm" would reject it
          shop/handlers.py:1:5: "confirm" takes only "order_id"
          help: add "note" or **kwargs to handler "confirm", or remove the field here
        """,
    ),
    "types that meet": Case(
        """
        confirm(amount: float | None = None, **kwargs)
        charge(amount: int | None, **kwargs)
        """,
        "amount: int | None, **: object",
    ),
    "types that do not meet": Case(
        """
        charge(amount: str, **kwargs)
        send_confirmation(amount: int, **kwargs)
        """,
        "amount: Any, **: object",
        """
        shop/handlers.py:1:12: error[UPN101]: field "amount" of "order.placed" is str here but int in handler "send_confirmation"
          shop/handlers.py:2:23: int here
          help: make both handlers take the same type
        """,
    ),
    "types of three handlers that do not meet": Case(
        """
        charge(amount: int, **kwargs)
        send_confirmation(amount: float, **kwargs)
        report(amount: str = '', **kwargs)
        """,
        "amount: Any, **: object",
        """
        shop/handlers.py:1:12: error[UPN101]: field "amount" of "order.placed" is int here but str in handler "report"
          shop/handlers.py:2:23: float here
          shop/handlers.py:3:12: str here
          help: make all handlers take the same type
        """,
    ),
    "types that only meet two by two": Case(
        """
        charge(amount: int | str, **kwargs)
        send_confirmation(amount: int | None, **kwargs)
        report(amount: str | None, **kwargs)
        """,
        "amount: Any, **: object",
        """
        shop/handlers.py:1:12: error[UPN101]: field "amount" of "order.placed" is int | str here but int | None in handler "send_confirmation" and str | None in handler "report"
          shop/handlers.py:2:23: int | None here
          shop/handlers.py:3:12: str | None here
          help: make all handlers take the same type
        """,
    ),
    "handlers that say nothing about a type take no side": Case(
        """
        log(amount, **kwargs)
        charge(amount: str, **kwargs)
        trace(amount: object, **kwargs)
        send_confirmation(amount: int, **kwargs)
        """,
        "amount: Any, **: object",
        """
        shop/handlers.py:2:12: error[UPN101]: field "amount" of "order.placed" is str here but int in handler "send_confirmation"
          shop/handlers.py:4:23: int here
          help: make both handlers take the same type
        """,
    ),
    "a field that no handler annotates": Case("confirm(order_id, **kwargs)", "order_id: Any, **: object"),
    "typed extras hold every field that they absorb": Case(
        """
        index(**kwargs: float)
        reserve(quantity: int, **kwargs)
        """,
        "quantity: int, **: float",
    ),
    "typed extras that refuse a field": Case(
        """
        index(**kwargs: str)
        reserve(quantity: int, **kwargs)
        """,
        "quantity: Any, **: str",
        """
        shop/handlers.py:1:13: error[UPN101]: field "quantity" of "order.placed" is str here but int in handler "reserve"
          shop/handlers.py:2:13: int here
          help: make both handlers take the same type
        """,
    ),
    "typed extras do not hold a field that their own handler names": Case(
        "index(order_id: int, **kwargs: str)", "order_id: int, **: str"
    ),
    "extras of Any and object hold nothing": Case(
        """
        index(**kwargs: Any)
        log(**kwargs: object)
        trace(**kwargs)
        """,
        "**: object",
    ),
    "typed extras meet": Case(
        """
        index(**kwargs: int | None)
        log(**kwargs: float | None)
        """,
        "**: int | None",
    ),
    "typed extras that do not meet": Case(
        """
        index(**kwargs: int)
        log(**kwargs: str)
        """,
        "**: Any",
        """
        shop/handlers.py:1:13: error[UPN101]: field "**" of "order.placed" is int here but str in handler "log"
          shop/handlers.py:2:11: str here
          help: make both handlers take the same type
        """,
    ),
    "no extras beside a closed handler": Case(
        """
        index(**kwargs: int)
        log(**kwargs: str)
        confirm()
        """,
        "",
    ),
    "no extras where they are forbidden": Case(
        "confirm(order_id: str, **kwargs)", "order_id: str", open_to_extras=False
    ),
    "no field name is reserved": Case(
        "confirm(self: str, name: str, delay: int, key: int, timeout: int, extra: int, **kwargs)",
        "delay: int, extra: int, key: int, name: str, self: str, timeout: int, **: object",
    ),
    "two handlers with one identity": Case(
        """
        confirm(order_id: str, **kwargs)
        confirm(user_id: str, **kwargs)
        """,
        "order_id: str, user_id: str, **: object",
        """
        shop/handlers.py:2:5: error[UPN107]: "order.placed" already has a handler "confirm" on worker "shop"
          shop/handlers.py:1:5: the first one is here
          help: rename one of the two functions, or give one another name: @event.on(name="...")
        """,
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_handlers_of_one_event_merge_into_what_a_send_must_give(case: Case) -> None:
    found = merged(case.handlers, open_to_extras=case.open_to_extras)
    assert signature(found.contract) == case.merged
    assert said(found.findings) == textwrap.dedent(case.said).strip("\n")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_order_that_handlers_are_found_in_changes_nothing(case: Case) -> None:
    found = handlers(case.handlers)
    forth, back = (
        merge("order.placed", each, MODELS, open_to_extras=case.open_to_extras) for each in (found, found[::-1])
    )
    assert back == forth


@pytest.mark.parametrize("lines", list(permutations(["confirm(note: str)", "confirm(note: str = '', **kwargs)"])))
def test_what_is_defined_twice_under_one_identity_asks_what_the_stricter_one_does(lines: tuple[str, ...]) -> None:
    found = merged("\n".join(lines)).contract
    assert [receiver.closed for receiver in found.receivers] == [True]
    assert [asker.required for field in found.fields for asker in field.asked_by] == [True]
