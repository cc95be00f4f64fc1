"""Which plain values can be read from the JSON of others, as pydantic decides it in strict mode.

A test compares the tables with pydantic. A pair of known types that is in neither table is refused; nothing is said
about unknown types.
"""

from __future__ import annotations

from string import hexdigits

from upnext_codegen.types import ClassType, Type, constrained

_TEXTS = frozenset(
    [
        "builtins:bytes",
        "builtins:complex",
        "builtins:str",
        "datetime:date",
        "datetime:datetime",
        "datetime:time",
        "datetime:timedelta",
        "decimal:Decimal",
        "ipaddress:IPv4Address",
        "ipaddress:IPv4Network",
        "ipaddress:IPv6Address",
        "ipaddress:IPv6Network",
        "pathlib:Path",
        "pathlib:PurePath",
        "uuid:UUID",
    ]
)
"""Types whose values are written as strings."""

SCALARS = _TEXTS | {"builtins:None", "builtins:bool", "builtins:float", "builtins:int"}
"""The types that are known here."""

_ANY_TEXT = frozenset({"builtins:bytes", "builtins:str", "pathlib:Path", "pathlib:PurePath"})
"""Types that are read from any string."""

_NUMBERS = {
    "builtins:float": frozenset({"builtins:int"}),
    "builtins:complex": frozenset({"builtins:float"}),
    "decimal:Decimal": frozenset({"builtins:int", "builtins:float"}),
}
"""For each type the others whose numbers it is read from."""

_DOUBTFUL = {
    "builtins:complex": frozenset({"builtins:int", "decimal:Decimal"}),
    "datetime:timedelta": frozenset({"datetime:time"}),
}
"""For each type the others of which it depends on the value, or on pydantic's release, whether it is read."""

_WITH_DIGITS = frozenset(
    {"datetime:date", "datetime:datetime", "datetime:time", "datetime:timedelta", "ipaddress:IPv4Address"}
)
"""Types of which no text is without a digit."""

_UUID_DIGITS = 32

_STRICT = {"StrictBool": "bool", "StrictBytes": "bytes", "StrictFloat": "float", "StrictInt": "int", "StrictStr": "str"}
_BOUNDS = {"Positive": "gt=0", "Negative": "lt=0", "NonNegative": "ge=0", "NonPositive": "le=0"}
_PYDANTIC: dict[str, Type] = {
    **{name: ClassType("builtins", kind) for name, kind in _STRICT.items()},
    **{
        f"{bound}{kind.title()}": constrained(ClassType("builtins", kind), {constraint})
        for bound, constraint in _BOUNDS.items()
        for kind in ("int", "float")
    },
    **{f"UUID{version}": constrained(ClassType("uuid", "UUID"), {f"version={version}"}) for version in (1, 3, 4, 5)},
}


def plain_type(written: ClassType) -> Type:
    """Return the plain type behind one of pydantic's names; any other class itself."""
    is_pydantic = written.module.partition(".")[0] == "pydantic"
    return _PYDANTIC.get(written.qualname, written) if is_pydantic else written


def is_read(written: str, read: str, *, takes_bools: bool) -> bool | None:
    """Return whether values of one type are read as another; None where that depends on the value.

    Args:
        written: The type that is written, as "module:qualname"; one of `SCALARS`.
        read: The type that it is read as; one of `SCALARS`.
        takes_bools: Whether `int` and `float` take a bool, as type checkers have it: not inside pydantic's classes.
    """
    if written == read or (written in _TEXTS and read in _ANY_TEXT):
        return True
    if written in _NUMBERS.get(read, ()):
        return True
    if written == "builtins:bool" and read in {"builtins:int", "builtins:float"}:
        return takes_bools
    return None if written in _DOUBTFUL.get(read, ()) else False


def may_be_text_of(text: str, read: str) -> bool:
    """Return whether a text may be read as a type of the standard library; False is certain."""
    if read in _WITH_DIGITS:
        return any(character.isdigit() for character in text)
    if read == "decimal:Decimal":
        return any(character.isdigit() for character in text) or "inf" in text.lower() or "nan" in text.lower()
    if read == "uuid:UUID":
        return sum(character in hexdigits for character in text.lower().removeprefix("urn:uuid:")) == _UUID_DIGITS
    return True
