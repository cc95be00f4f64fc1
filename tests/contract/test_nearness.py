from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upnext_codegen.merging.nearness import damerau_levenshtein, nearest


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("order.plced", "order.placed"),
        ("order.palced", "order.placed"),
        ("order.placde", "order.placed"),
        ("ordr.plced", "order.placed"),
        ("Order.Placed", "order.placed"),
        ("order_placed", "order.placed"),
        ("order:placed", "order/placed"),
        ("order-placed", "order.placed"),
        ("ping", "pong"),
        ("order.placed2", "order_placed2"),
    ],
)
def test_misspelt_names_are_near(name: str, other: str) -> None:
    assert nearest(name, [other]) == other
    assert nearest(other, [name]) == name


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("order.placed", "order.placed"),
        ("order.v1", "order.v2"),
        ("order.v1", "order.v12"),
        ("order1", "order"),
        ("order.placed", "order.paid"),
        ("ping", "pang.x"),
        ("sing", "pong"),
        ("user.created", "user.deleted"),
    ],
)
def test_other_names_are_not_near(name: str, other: str) -> None:
    assert nearest(name, [other]) is None
    assert nearest(other, [name]) is None


def test_the_nearest_of_several_is_meant_and_the_first_of_equals() -> None:
    assert nearest("order.placd", ["order.place", "order.placed", "other"]) == "order.place"
    assert nearest("order.placex", ["order.placed", "order.placec"]) == "order.placec"


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [("", "", 0), ("abc", "", 3), ("abc", "abc", 0), ("abc", "abd", 1), ("abc", "acb", 1), ("ca", "abc", 2)],
)
def test_edits_are_letters_added_left_out_changed_or_swapped(one: str, other: str, distance: int) -> None:
    assert damerau_levenshtein(one, other) == distance


words = st.text("abc", max_size=6)


@given(words, words, words)
def test_the_distance_is_a_metric(one: str, two: str, three: str) -> None:
    assert damerau_levenshtein(one, two) == damerau_levenshtein(two, one)
    assert (damerau_levenshtein(one, two) == 0) == (one == two)
    direct = damerau_levenshtein(one, three)
    assert direct <= damerau_levenshtein(one, two) + damerau_levenshtein(two, three)
