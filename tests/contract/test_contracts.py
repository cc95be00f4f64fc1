# ruff: noqa: E501 - messages are written as they are printed
from __future__ import annotations

import pytest

from tests.contract.writing import handler, said, signature
from upnext_codegen.merging.contracts import contracts
from upnext_codegen.records import Declaration, Handler, Place, Scan


def declared(event: str, *, line: int = 1, extra: str | None = None, worker: str = "shop") -> Declaration:
    return Declaration(event, worker, extra, Place("shop/events.py", line, 16))


def scanned(*found: Declaration | Handler, refused: frozenset[str] = frozenset()) -> Scan:
    return Scan(
        declarations=tuple(each for each in found if isinstance(each, Declaration)),
        handlers=tuple(each for each in found if isinstance(each, Handler)),
        refused=refused,
    )


def test_one_name_on_two_workers_is_one_event_with_handlers_of_both() -> None:
    contract, findings = contracts(
        scanned(
            declared("order.placed"),
            declared("order.placed", worker="mail"),
            handler("confirm(order_id: str, **kwargs)"),
            handler("confirm(user_id: str, **kwargs)", worker="mail", line=2),
        )
    )
    assert [event.name for event in contract.events] == ["order.placed"]
    assert signature(contract.events[0]) == "order_id: str, user_id: str, **: object"
    assert [receiver.identity for receiver in contract.events[0].receivers] == ["mail confirm", "shop confirm"]
    assert contract.handlers == 2
    assert findings == ()


@pytest.mark.parametrize(
    ("project", "events", "allowed"),
    [
        (None, [None], True),
        ("allow", [None], True),
        ("forbid", [None], False),
        ("forbid", ["allow"], True),
        (None, ["forbid"], False),
        (None, [None, "forbid"], False),
        (None, ["allow", "forbid"], False),
        ("forbid", [None, "allow"], True),
    ],
)
def test_extra_of_an_event_stands_before_that_of_the_project_and_forbid_before_allow(
    project: str | None, events: list[str | None], *, allowed: bool
) -> None:
    declarations = [declared("order.placed", line=line, extra=extra) for line, extra in enumerate(events, 1)]
    contract, findings = contracts(scanned(*declarations, handler("confirm(order_id: str, **kwargs)")), extra=project)
    assert signature(contract.events[0]) == f"order_id: str{', **: object' if allowed else ''}"
    assert findings == ()


def test_allow_beside_a_closed_handler_has_no_effect() -> None:
    contract, _ = contracts(scanned(declared("order.placed", extra="allow"), handler("confirm(order_id: str)")))
    assert signature(contract.events[0]) == "order_id: str"


def test_an_event_without_a_handler_is_a_warning_at_each_declaration() -> None:
    contract, findings = contracts(scanned(declared("order.placed"), declared("order.placed", line=2)))
    assert contract.events[0].receivers == ()
    assert said(findings) == (
        'shop/events.py:1:16: warning[UPN003]: event "order.placed" has no handler\n'
        "  help: attach a function to it with @event.on; until then its sends are not checked\n"
        'shop/events.py:2:16: warning[UPN003]: event "order.placed" has no handler\n'
        "  help: attach a function to it with @event.on; until then its sends are not checked"
    )


def test_an_event_whose_name_is_near_one_with_handlers_is_an_error() -> None:
    _, findings = contracts(scanned(declared("order.plased"), handler("confirm()")))
    assert said(findings) == (
        'shop/events.py:1:16: error[UPN003]: event "order.plased" has no handler\n  help: did you mean "order.placed"?'
    )


def test_an_event_near_another_one_without_handlers_is_only_a_warning() -> None:
    _, findings = contracts(scanned(declared("order.plased"), declared("order.placed", line=2)))
    assert [finding.severity for finding in findings] == ["warning", "warning"]


def test_an_event_whose_handlers_were_refused_is_not_reported_again() -> None:
    contract, findings = contracts(scanned(declared("order.placed"), refused=frozenset({"order.placed"})))
    assert [event.name for event in contract.events] == ["order.placed"]
    assert findings == ()


def test_a_handler_of_an_event_that_is_declared_elsewhere_makes_a_contract() -> None:
    contract, findings = contracts(scanned(handler("confirm(order_id: str)")))
    assert signature(contract.events[0]) == "order_id: str"
    assert findings == ()


def test_types_of_one_name_from_two_modules_are_told_apart_in_messages() -> None:
    one = handler("confirm(item: Money, **kwargs)")
    other = handler("charge(item: Money, **kwargs)", line=2)
    parameter = other.parameters[0]
    elsewhere = type(parameter.type)("shop.legacy", "Money")  # type: ignore[call-arg]
    moved = other._replace(parameters=(parameter._replace(type=elsewhere),))
    _, findings = contracts(scanned(one, moved))
    assert said(findings) == (
        'shop/handlers.py:1:13: error[UPN101]: field "item" of "order.placed" is shop.models.Money here but shop.legacy.Money in handler "charge"\n'
        "  shop/handlers.py:2:12: shop.legacy.Money here\n"
        "  help: make both handlers take the same type"
    )
