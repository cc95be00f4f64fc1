from __future__ import annotations

import keyword

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upnext_codegen.catalog.class_names import SUFFIXES, class_name, class_names, module_aliases
from upnext_codegen.catalog.stub_names import OWN

events = st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_.:/-]{0,20}\Z")


@pytest.mark.parametrize(
    ("event", "name"),
    [
        ("order.placed", "OrderPlaced"),
        ("order_placed", "OrderPlaced"),
        ("orderPlaced", "OrderPlaced"),
        ("shop/order:placed-again", "ShopOrderPlacedAgain"),
        ("HTTP.request", "HTTPRequest"),
        ("order.v2", "OrderV2"),
        ("none", "NoneEvent"),
        ("True", "TrueEvent"),
        ("catalog", "CatalogEvent"),
        ("_", "Event"),
        ("_2", "Event2"),
        ("order.send", "OrderSendEvent"),
        ("order.placed.handler", "OrderPlacedHandlerEvent"),
        ("turned.on", "TurnedOnEvent"),
    ],
)
def test_an_event_gives_a_readable_class_name(event: str, name: str) -> None:
    assert class_name(event) == name


def test_events_that_would_share_a_name_are_told_apart_by_their_own_hashes() -> None:
    assert class_names(["order.placed", "order_placed", "order.paid"]) == {
        "order.placed": "OrderPlaced_c8311fb1",
        "order_placed": "OrderPlaced_08dc96cc",
        "order.paid": "OrderPaid",
    }


@given(st.sets(events, max_size=8), events)
def test_another_event_renames_only_events_that_it_collides_with(known: set[str], added: str) -> None:
    before, after = class_names(known), class_names(known | {added})
    for event in known - {added}:
        assert before[event] == after[event] or class_name(event) == class_name(added)


@given(st.sets(events, max_size=8))
def test_no_two_classes_of_a_stub_share_a_name(known: set[str]) -> None:
    names = [name + suffix for name in class_names(known).values() for suffix in ("", *SUFFIXES)]
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() and not keyword.iskeyword(name) for name in names)
    assert "Catalog" not in names


def test_modules_get_private_aliases_that_nothing_else_has() -> None:
    assert module_aliases(["shop.models", "a.b_c", "a_b.c", "Any", "upnext.event"], OWN) == {
        "shop.models": "_shop_models",
        "a.b_c": "_a_b_c_5b8f934a",
        "a_b.c": "_a_b_c_a3715283",
        "Any": "_Any_2b505597",
        "upnext.event": "_upnext_event_173e89f2",
    }
