from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.contract.writing import MODELS, written
from upnext_codegen.merging.meet import is_subtype, meet
from upnext_codegen.merging.normal import normal
from upnext_codegen.types import ClassType, Type
from upnext_codegen.types.format import full_text, key
from upnext_codegen.types.parse import TypeReader

plain = st.sampled_from(
    [
        *["Any", "None", "bool", "int", "float", "str", "bytes", "list", "dict"],
        *["A", "B", "Both", "Money", "Price", "UserId", "AdminId", "Color", "Ids", "Point", "Line", "LongLine", "UUID"],
        *['Literal["a"]', 'Literal["a", "b"]', "Literal[1]", "Literal[True]", "Literal[Color.RED]"],
    ]
)


def _wider(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    one = st.sampled_from(
        ["list", "set", "frozenset", "Sequence", "Collection", "Iterable", "Box", "Source", "Counter"]
    )
    two = st.sampled_from(["dict", "Mapping", "MutableMapping", "OrderedDict", "defaultdict"])
    return st.one_of(
        st.tuples(one, inner).map(lambda item: f"{item[0]}[{item[1]}]"),
        st.tuples(two, inner, inner).map(lambda item: f"{item[0]}[{item[1]}, {item[2]}]"),
        inner.map(lambda item: f"tuple[{item}, ...]"),
        st.lists(inner, min_size=1, max_size=3).map(lambda items: f"tuple[{', '.join(items)}]"),
        st.lists(inner, min_size=2, max_size=3).map(" | ".join),
    )


types = st.recursive(plain, _wider, max_leaves=5).map(written)


def same(one: Type | None, other: Type | None) -> bool:
    return one == other if one is None or other is None else key(one) == key(other)


@given(st.lists(types, min_size=1, max_size=4), st.randoms())
def test_the_meet_does_not_depend_on_the_order_of_the_sides(sides: list[Type], random: object) -> None:
    shuffled = list(sides)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = meet(sides, MODELS), meet(shuffled, MODELS)
    assert same(one, other)
    assert one is None or other is None or full_text(one) == full_text(other)


@given(types)
def test_a_side_said_twice_changes_nothing(side: Type) -> None:
    once = meet([side], MODELS)
    assert once is not None
    assert same(meet([side, side], MODELS), once)
    assert same(meet([once, side], MODELS), once)


@given(types, types, types)
def test_sides_can_be_met_one_after_the_other_as_long_as_they_meet(one: Type, two: Type, three: Type) -> None:
    first = meet([one, two], MODELS)
    whole = meet([one, two, three], MODELS)
    if first is None or whole is None:
        return
    stepwise = meet([first, three], MODELS)
    words = full_text(one) + full_text(two) + full_text(three)
    if "Any" in words or "Both" in words or "list" in words or "dict" in words or "Box" in words:
        # Steps lose what only all sides together decide: a class below two others, an Any that two sides fill in.
        assert stepwise is None or is_subtype(stepwise, whole, MODELS)
    else:
        assert same(stepwise, whole)


@given(st.lists(types, min_size=1, max_size=3))
def test_the_meet_satisfies_every_side(sides: list[Type]) -> None:
    found = meet(sides, MODELS)
    if found is not None:
        assert all(is_subtype(found, side, MODELS) for side in sides)


@given(types)
def test_types_survive_the_way_through_text(side: Type) -> None:
    flat = normal(side, MODELS)
    assert TypeReader({}).read(full_text(flat)) == flat


def test_many_handlers_with_many_alternatives_are_merged_in_no_time() -> None:
    classes = [ClassType("shop.models", f"Model{number}") for number in range(60)]
    sides: list[Type] = []
    for start in range(20):
        chosen = classes[start : start + 40]
        sides.append(written(" | ".join(item.qualname for item in chosen)))
    found = meet(sides, MODELS)
    assert found is not None
    assert full_text(found).count("|") == 20
