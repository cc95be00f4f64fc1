"""The keys of a TypedDict, and its extra items (PEP 728), for `**fields: Unpack[TD]`."""

from __future__ import annotations

import typing
from typing import Annotated, Any, NotRequired, Required, get_args, get_origin

import typing_extensions
from typing_extensions import get_original_bases, is_typeddict

from upnext.guarded_imports import type_hints

# Earlier releases of typing_extensions have no ReadOnly, and None for no further items.
_QUALIFIERS = (Required, NotRequired, getattr(typing_extensions, "ReadOnly", Required))
_NOTHING = (typing.Never, typing.NoReturn)
_UNSAID: object = getattr(typing_extensions, "NoExtraItems", None)


def typed_dict_fields(typed_dict: Any) -> dict[str, tuple[Any, bool]]:
    """Return the keys of a TypedDict, also of `Page[int]`: each with its annotation, and whether it is required."""
    fields: dict[str, tuple[Any, bool]] = {}
    cls, given = _with_arguments(typed_dict)
    required: frozenset[str] = getattr(cls, "__required_keys__", frozenset())
    for name, hint in type_hints(cls).items():
        # The class itself has not evaluated string annotations.
        qualifier = get_origin(hint) if get_origin(hint) in (Required, NotRequired) else None
        needed = name in required if qualifier is None else qualifier is Required
        fields[name] = (_substituted(hint if qualifier is None else get_args(hint)[0], given), needed)
    for base in _bases(cls):
        # Inherited fields are as the base declared them, with the base's own type parameters.
        inherited = typed_dict_fields(_substituted(base, given)) if get_origin(base) is not None else {}
        fields |= {name: (inherited[name][0], fields[name][1]) for name in inherited}
    return fields


def further_items(typed_dict: Any) -> Any:
    """Return the type of further keys by `extra_items=`, own or inherited, None if there can be none."""
    cls, given = _with_arguments(typed_dict)
    items: Any = getattr(cls, "__extra_items__", _UNSAID)
    if items is not _UNSAID:
        # String annotations are evaluated in the module of the class.
        holder = type("holder", (), {"__annotations__": {"items": items}, "__module__": cls.__module__})
        hint = _unqualified(type_hints(holder)["items"])
        return None if hint in _NOTHING else _substituted(hint, given)
    if getattr(cls, "__closed__", None):
        return None
    inherited = (further_items(_substituted(base, given)) for base in _bases(cls))
    return next((found for found in inherited if found is not None), None)


def _with_arguments(typed_dict: Any) -> tuple[Any, dict[Any, Any]]:
    """Return the class of a TypedDict, and the values of its type parameters."""
    cls = get_origin(typed_dict) or typed_dict
    return cls, dict(zip(getattr(cls, "__parameters__", ()), get_args(typed_dict), strict=False))


def _bases(cls: Any) -> list[Any]:
    return [base for base in get_original_bases(cls) if is_typeddict(get_origin(base) or base)]


def _substituted(hint: Any, given: dict[Any, Any]) -> Any:
    """Put arguments in place of type parameters, as far as they are given."""
    if hint in given:
        return given[hint]
    inside = getattr(hint, "__parameters__", ()) if given and get_origin(hint) is not None else ()
    return hint[tuple(given.get(each, each) for each in inside)] if inside else hint


def _unqualified(hint: Any) -> Any:
    """Remove qualifiers that say how a key may be used, but nothing about its values."""
    if get_origin(hint) is Annotated:
        inner, *metadata = get_args(hint)
        bare = _unqualified(inner)
        return hint if bare is inner else Annotated[(bare, *metadata)]
    return _unqualified(get_args(hint)[0]) if get_origin(hint) in _QUALIFIERS else hint
