from __future__ import annotations

from collections.abc import Iterable
from itertools import permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contract.counting import lines_run
from upnext_codegen.merging.nearness import MOST_COMPARED, NearNames, damerau_levenshtein


def nearest(name: str, others: Iterable[str]) -> str | None:
    return next(iter(NearNames(others).nearest(name).names), None)


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
    assert damerau_levenshtein(one, other, limit=3) == distance
    assert damerau_levenshtein(one, other, limit=distance - 1) is None


words = st.text("abc", max_size=6)
long_words = st.text("abcd.1", min_size=6, max_size=9)


@given(words, words, words)
def test_the_distance_is_a_metric(one: str, two: str, three: str) -> None:
    there, back = damerau_levenshtein(one, two, 6), damerau_levenshtein(two, one, 6)
    onwards, direct = damerau_levenshtein(two, three, 6), damerau_levenshtein(one, three, 6)
    assert there is not None
    assert onwards is not None
    assert direct is not None
    assert there == back
    assert (there == 0) == (one == two)
    assert direct <= there + onwards


def edited(text: str) -> set[str]:
    """The text, and all that it becomes by one edit with the letters of `words`."""
    cuts = [(text[:place], text[place:]) for place in range(len(text) + 1)]
    return {
        text,
        *(head + letter + tail for head, tail in cuts for letter in "abc"),
        *(head + letter + tail[1:] for head, tail in cuts for letter in ("", *"abc") if tail),
        *(head + tail[1] + tail[0] + tail[2:] for head, tail in cuts if len(tail) > 1),
    }


@given(words, words)
def test_a_distance_up_to_two_is_how_many_edits_lead_from_one_to_the_other(one: str, two: str) -> None:
    if one == two:
        expected = 0
    elif two in edited(one):
        expected = 1
    else:
        expected = None if edited(one).isdisjoint(edited(two)) else 2
    assert damerau_levenshtein(one, two, limit=2) == expected


@given(long_words, st.lists(long_words, max_size=8))
def test_the_search_finds_what_comparing_with_each_finds(name: str, others: list[str]) -> None:
    alone = [near for other in set(others) for near in NearNames([other]).all_near(name).names]
    together = NearNames(others).all_near(name).names
    assert sorted(together) == sorted(alone)
    assert NearNames(others).nearest(name).names == together[:1]


@given(st.text("abc", min_size=6, max_size=7), st.text("abc", min_size=6, max_size=7))
def test_names_are_near_up_to_two_edits(one: str, other: str) -> None:
    near = damerau_levenshtein(one, other, 2) is not None and one != other
    assert NearNames([other]).all_near(one).names == ((other,) if near else ())


def test_the_search_takes_no_more_steps_among_many_names() -> None:
    names = [f"order.pleced.by.customer.{''.join(letters)}y" for letters in product("abcdefgh", repeat=3)]
    few, many = NearNames(names[:100]), NearNames(names)
    wanted = "order.placed.by.customer.bbbx"
    assert lines_run(lambda: many.nearest(wanted)) < 2 * lines_run(lambda: few.nearest(wanted))


def test_names_of_the_same_letters_are_compared_up_to_a_number_that_is_told() -> None:
    names = [f"order.{''.join(letters)}" for letters in permutations("lacedxy")]
    near_names = NearNames(names)
    assert near_names.nearest("redro.lacedxy") == ((), len(names) - MOST_COMPARED)
    assert near_names.nearest("order.acdelyx").names == ("order.acdelxy",)
    assert near_names.nearest("order.nothing") == ((), 0)
