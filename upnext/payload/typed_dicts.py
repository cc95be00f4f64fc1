"""The keys of a TypedDict, and what further ones it may have (PEP 728), for `**fields: Unpack[TD]`."""

from __future__ import annotations

import typing
from typing import Annotated, Any, NotRequired, Required, get_args, get_origin, get_type_hints

import typing_extensions
from typing_extensions import get_original_bases, is_typeddict

# Earlier releases of typing_extensions have no ReadOnly, and None for no further items.
_QUALIFIERS = (Required, NotRequired, getattr(typing_extensions, "ReadOnly", Required))
_NOTHING = (typing.Never, typing.NoReturn)
_UNSAID: object = getattr(typing_extensions, "NoExtraItems", None)


def typed_dict_fields(typed_dict: Any) -> dict[str, tuple[Any, bool]]:
    """Return the keys of a TypedDict: each with its annotation, and whether it is required."""
    fields: dict[str, tuple[Any, bool]] = {}
    required: frozenset[str] = getattr(typed_dict, "__required_keys__", frozenset())
    for name, hint in get_type_hints(typed_dict, include_extras=True).items():
        # The class itself has not read what is written as text.
        said = get_origin(hint) if get_origin(hint) in (Required, NotRequired) else None
        needed = name in required if said is None else said is Required
        fields[name] = (hint if said is None else get_args(hint)[0], needed)
    return fields


def further_items(typed_dict: Any) -> Any:
    """Return what `extra_items=` types further keys as, its own or an inherited one, None if there can be none."""
    items: Any = getattr(typed_dict, "__extra_items__", _UNSAID)
    if items is not _UNSAID:
        # What is written as text means what it means in the module of the class.
        holder = type("holder", (), {"__annotations__": {"items": items}, "__module__": typed_dict.__module__})
        hint = _unqualified(get_type_hints(holder, include_extras=True)["items"])
        return None if hint in _NOTHING else hint
    if getattr(typed_dict, "__closed__", None):
        return None
    bases = (get_origin(base) or base for base in get_original_bases(typed_dict))
    inherited = (further_items(base) for base in bases if is_typeddict(base))
    return next((found for found in inherited if found is not None), None)


def _unqualified(hint: Any) -> Any:
    """Take off what says how a key may be used, and nothing of its values."""
    if get_origin(hint) is Annotated:
        inner, *metadata = get_args(hint)
        return Annotated[(_unqualified(inner), *metadata)]
    return _unqualified(get_args(hint)[0]) if get_origin(hint) in _QUALIFIERS else hint
