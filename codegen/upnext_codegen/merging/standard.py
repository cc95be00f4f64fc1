"""Standard-library knowledge for merging: subclass relations, and the variance of type parameters.

Here `str` and `bytes` are not sequences, `datetime` is not a `date`, and `float` is not a `complex`: the runtime
rejects one in place of the other when it validates a payload, whatever a type checker says about the call.
"""

from __future__ import annotations

import re

from upnext_codegen.types import ClassFacts, ClassType

_TABLE: dict[str, str] = {
    # A plus marks a covariant parameter. The bases follow the colon.
    "collections.abc:Sized": "",
    "collections.abc:Container[+T]": "",
    "collections.abc:Iterable[+T]": "",
    "collections.abc:Iterator[+T]": "collections.abc:Iterable[T]",
    "collections.abc:Reversible[+T]": "collections.abc:Iterable[T]",
    "collections.abc:Collection[+T]": (
        "collections.abc:Sized collections.abc:Iterable[T] collections.abc:Container[T]"
    ),
    "collections.abc:Sequence[+T]": "collections.abc:Reversible[T] collections.abc:Collection[T]",
    "collections.abc:MutableSequence[T]": "collections.abc:Sequence[T]",
    "collections.abc:Set[+T]": "collections.abc:Collection[T]",
    "collections.abc:MutableSet[T]": "collections.abc:Set[T]",
    "collections.abc:Mapping[K,+V]": "collections.abc:Collection[K]",
    "collections.abc:MutableMapping[K,V]": "collections.abc:Mapping[K,V]",
    "builtins:tuple[+T]": "collections.abc:Sequence[T]",
    "builtins:list[T]": "collections.abc:MutableSequence[T]",
    "builtins:dict[K,V]": "collections.abc:MutableMapping[K,V] collections.abc:Reversible[K]",
    "builtins:set[T]": "collections.abc:MutableSet[T]",
    "builtins:frozenset[+T]": "collections.abc:Set[T]",
    "builtins:bool": "builtins:int",
    "builtins:int": "builtins:float",
    "builtins:type[+T]": "",
    "collections:deque[T]": "collections.abc:MutableSequence[T]",
    "collections:OrderedDict[K,V]": "builtins:dict[K,V]",
    "collections:defaultdict[K,V]": "builtins:dict[K,V]",
    "collections:Counter[T]": "builtins:dict[T,builtins:int]",
    "collections:ChainMap[K,V]": "collections.abc:MutableMapping[K,V]",
    "enum:StrEnum": "builtins:str enum:Enum",
    "enum:IntEnum": "builtins:int enum:Enum",
    "enum:Flag": "enum:Enum",
    "enum:IntFlag": "builtins:int enum:Flag",
    "os:PathLike[+T]": "",
    "pathlib:PurePath": "os:PathLike[builtins:str]",
    "pathlib:PurePosixPath": "pathlib:PurePath",
    "pathlib:PureWindowsPath": "pathlib:PurePath",
    "pathlib:Path": "pathlib:PurePath",
    "pathlib:PosixPath": "pathlib:Path pathlib:PurePosixPath",
    "pathlib:WindowsPath": "pathlib:Path pathlib:PureWindowsPath",
    "datetime:timezone": "datetime:tzinfo",
    "zoneinfo:ZoneInfo": "datetime:tzinfo",
}

_NAME = re.compile(r"(?P<module>[\w.]+):(?P<name>\w+)(?:\[(?P<arguments>[^\]]*)\])?")


def _facts(head: str, bases: str) -> tuple[str, ClassFacts]:
    found = _NAME.fullmatch(head)
    assert found is not None, head
    names = tuple(filter(None, (found["arguments"] or "").split(",")))
    parameters = tuple((name.lstrip("+"), "covariant" if name.startswith("+") else "invariant") for name in names)
    return (
        f"{found['module']}:{found['name']}",
        ClassFacts(bases=tuple(_base(base) for base in bases.split()), type_parameters=parameters),
    )


def _base(text: str) -> ClassType:
    found = _NAME.fullmatch(text)
    assert found is not None, text
    arguments = tuple(filter(None, (found["arguments"] or "").split(",")))
    return ClassType(found["module"], found["name"], tuple(_argument(item) for item in arguments))


def _argument(text: str) -> ClassType:
    module, _, name = text.rpartition(":")
    return ClassType(module, name)


STANDARD: dict[str, ClassFacts] = dict(_facts(head, bases) for head, bases in _TABLE.items())
"""Facts by "module:qualname"; a parameter stands in the bases as a class without a module."""
