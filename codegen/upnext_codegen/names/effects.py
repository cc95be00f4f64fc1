"""What calling a function or constructing a class can lead to, from its syntax alone."""

from __future__ import annotations

from typing import NamedTuple


class Effects(NamedTuple):
    """What calling a function can lead to.

    Attributes:
        gives: Whether it gives something of upnext, or attaches what it is given.
        attributes: The attributes of its object that it assigns something of upnext to.
    """

    gives: bool = False
    attributes: frozenset[str] = frozenset()


class Among(NamedTuple):
    """Those possible names of upnext that occur in the lines of a function or class.

    Attributes:
        names: The names.
        modules: Of those that stand for modules alone.
        is_inside: Whether only some attributes of `self` are of upnext.
        attributes: Which of these stand there.
    """

    names: frozenset[str]
    modules: frozenset[str]
    is_inside: bool
    attributes: frozenset[str]
