"""What makes two waiting jobs of a handler equal: of equal jobs, only one waits at a time.

The server keeps only digests of the values: no key contains payload data.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from upnext.broker.replies import names_in, read_json

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

UNIQUE: Final = "unique"
"""Where a worker's record says what the jobs of its handlers are unique by: their names -> how it was declared."""

UniqueBy: TypeAlias = bool | str | tuple[str, ...]
"""How it is declared: True for the whole payload, the name of a field, or several; False for nothing."""


@dataclass(frozen=True, slots=True)
class Uniqueness:
    """The fields in which a handler's waiting jobs are unique.

    Attributes:
        fields: For each field the names under which a payload may hold it, today's first; None for the whole payload.
    """

    fields: tuple[tuple[str, ...], ...] | None = None

    @classmethod
    def of(cls, declared: UniqueBy, former: Mapping[str, str] | None = None) -> Uniqueness | None:
        """Create it from a declaration; None if jobs are not unique.

        Args:
            declared: The option.
            former: Fields by the names that they had before.
        """
        if isinstance(declared, bool):
            return cls() if declared else None
        names = (declared,) if isinstance(declared, str) else declared
        known = (former or {}).items()
        return cls(tuple((name, *(old for old, new in known if new == name)) for name in sorted(set(names))))

    @property
    def named(self) -> bool | list[str]:
        """The declaration: the names of the fields, True for the whole payload."""
        return True if self.fields is None else [names[0] for names in self.fields]

    @classmethod
    def read(cls, named: object) -> Uniqueness | None:
        """Parse what `named` returned and a worker's record contains; None for anything else."""
        return cls() if named is True else cls.of(tuple(names)) if (names := names_in(named)) else None

    def __str__(self) -> str:
        """Describe it."""
        return "unique" if self.fields is None else f"unique by {', '.join(names[0] for names in self.fields)}"

    def to_json(self) -> str:
        """Return the form in which the server keeps it."""
        return json.dumps(True if self.fields is None else self.fields)

    @classmethod
    def from_json(cls, stored: bytes | None) -> Uniqueness | None:
        """Read what `to_json` wrote; None for anything else."""
        found = None if not stored else read_json(stored)
        if found is True:
            return cls()
        if not isinstance(found, list) or not found:
            return None
        fields = [tuple(names_in(names) or ()) for names in cast("list[object]", found)]
        return cls(tuple(fields)) if all(fields) else None

    def digest(self, payload: Mapping[str, Any]) -> str:
        """Return the digest of the value in a payload; different declarations never give the same.

        A field that a payload does not hold differs from one that is null: a handler may have another default.
        """
        value: list[Any] = [payload]
        if self.fields is not None:
            value = [[names[0], *([payload[held]] if held else [])] for names, held in self._held(payload)]
        canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode(errors="surrogatepass")).hexdigest()[:32]

    def _held(self, payload: Mapping[str, Any]) -> list[tuple[tuple[str, ...], str]]:
        return [(names, next((name for name in names if name in payload), "")) for names in self.fields or ()]


def place_of_payload(uniqueness: Collection[Uniqueness], payload: Mapping[str, Any], partitions: int) -> int:
    """Return the partition in which all handlers of an event see every payload that is equal for them.

    What is equal for one of several handlers is equal in the fields that all of them name.
    """
    named = [set(each.fields) for each in uniqueness if each.fields is not None]
    common = Uniqueness(tuple(sorted(set[tuple[str, ...]].intersection(*named)))) if named else Uniqueness()
    return int(common.digest(payload), 16) % partitions


def written(handlers: Sequence[str], uniqueness: Mapping[str, Uniqueness]) -> list[str]:
    """Return each handler and what its jobs are unique by, as arguments of subscribe.lua."""
    return [
        word
        for handler in handlers
        for word in (handler, uniqueness[handler].to_json() if handler in uniqueness else "")
    ]
