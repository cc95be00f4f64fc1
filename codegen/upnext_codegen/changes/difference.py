"""One way in which something that was written can no longer be read."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from upnext_codegen.types import ANY, Type


class Kind(StrEnum):
    """The way in which a value cannot be read."""

    UNKNOWN = "unknown"
    REQUIRED = "required"
    REJECTED = "rejected"
    RENAMED = "renamed"
    RETYPED = "retyped"
    NARROWED = "narrowed"
    MEMBER = "member"
    CONSTRAINED = "constrained"


class Difference(NamedTuple):
    """One thing that breaks.

    Attributes:
        kind: How.
        owner: Today's class whose field it is, as "module:qualname"; "" where it is the compared type as a whole.
        field: The field of that class, "" for keys that it does not name.
        was: What was written.
        now: What is read.
        detail: The earlier key of a renamed field, the constraint, or what a field is required for.
    """

    kind: Kind
    owner: str = ""
    field: str = ""
    was: Type = ANY
    now: Type = ANY
    detail: str = ""
