"""The canonical name of each standard-library class, whichever module it was imported from."""

from __future__ import annotations

import builtins
from functools import cache
from pathlib import Path

from upnext_codegen.names.modules import UPNEXT

_TYPING = frozenset({"typing", "typing_extensions"})
_BUILTINS = {
    "List": "list",
    "Dict": "dict",
    "Set": "set",
    "FrozenSet": "frozenset",
    "Tuple": "tuple",
    "Type": "type",
    "Text": "str",
    "LiteralString": "str",
}
_COLLECTIONS = {
    "DefaultDict": "defaultdict",
    "OrderedDict": "OrderedDict",
    "Counter": "Counter",
    "ChainMap": "ChainMap",
    "Deque": "deque",
}
_ABSTRACT = frozenset(
    [
        "Awaitable",
        "Coroutine",
        "AsyncIterable",
        "AsyncIterator",
        "AsyncGenerator",
        "Iterable",
        "Iterator",
        "Generator",
        "Reversible",
        "Container",
        "Collection",
        "Callable",
        "MutableSet",
        "Mapping",
        "MutableMapping",
        "Sequence",
        "MutableSequence",
        "ByteString",
        "MappingView",
        "KeysView",
        "ItemsView",
        "ValuesView",
        "Hashable",
        "Sized",
        "Buffer",
    ]
)
_MOVED = {
    "types.NoneType": ("builtins", "None"),
    "typing.AbstractSet": ("collections.abc", "Set"),
    "typing.Pattern": ("re", "Pattern"),
    "typing.Match": ("re", "Match"),
    "typing.ContextManager": ("contextlib", "AbstractContextManager"),
    "typing.AsyncContextManager": ("contextlib", "AbstractAsyncContextManager"),
    "_io.TextIOWrapper": ("io", "TextIOWrapper"),
    "_decimal.Decimal": ("decimal", "Decimal"),
    "builtins.IOError": ("builtins", "OSError"),
    "builtins.EnvironmentError": ("builtins", "OSError"),
}

_CANNOT_TRAVEL: dict[str, frozenset[str]] = {
    "io": frozenset(
        [
            "IOBase",
            "RawIOBase",
            "BufferedIOBase",
            "TextIOBase",
            "FileIO",
            "BytesIO",
            "StringIO",
            "BufferedReader",
            "BufferedWriter",
            "BufferedRandom",
            "BufferedRWPair",
            "TextIOWrapper",
        ]
    ),
    "typing": frozenset({"IO", "TextIO", "BinaryIO"}),
    "collections.abc": frozenset(
        [
            "Callable",
            "Iterator",
            "Generator",
            "AsyncIterator",
            "AsyncGenerator",
            "AsyncIterable",
            "Awaitable",
            "Coroutine",
        ]
    ),
    "threading": frozenset(
        ["Lock", "RLock", "Condition", "Semaphore", "BoundedSemaphore", "Event", "Timer", "Barrier", "Thread", "local"]
    ),
    "_thread": frozenset({"LockType", "lock", "RLock"}),
    "multiprocessing": frozenset({"Process", "Lock", "RLock", "Queue", "Event", "Semaphore", "Pool"}),
    "asyncio": frozenset(
        [
            "Task",
            "Future",
            "Lock",
            "Event",
            "Condition",
            "Semaphore",
            "BoundedSemaphore",
            "Queue",
            "AbstractEventLoop",
            "StreamReader",
            "StreamWriter",
            "Transport",
            "Handle",
            "TimerHandle",
            "Server",
            "BaseTransport",
        ]
    ),
    "concurrent.futures": frozenset({"Future", "Executor", "ThreadPoolExecutor", "ProcessPoolExecutor"}),
    "queue": frozenset({"Queue", "SimpleQueue", "LifoQueue", "PriorityQueue"}),
    "socket": frozenset({"socket", "SocketType"}),
    "ssl": frozenset({"SSLSocket", "SSLContext"}),
    "types": frozenset(
        [
            "ModuleType",
            "FrameType",
            "CodeType",
            "TracebackType",
            "FunctionType",
            "MethodType",
            "LambdaType",
            "GeneratorType",
            "CoroutineType",
            "AsyncGeneratorType",
            "BuiltinFunctionType",
        ]
    ),
    "builtins": frozenset({"type", "memoryview", "slice", "super", "property"}),
    "sqlite3": frozenset({"Connection", "Cursor"}),
    "subprocess": frozenset({"Popen"}),
    "contextlib": frozenset({"AbstractContextManager", "AbstractAsyncContextManager", "ExitStack", "AsyncExitStack"}),
    "weakref": frozenset({"ref", "ReferenceType"}),
    "logging": frozenset({"Logger", "Handler"}),
    "contextvars": frozenset({"ContextVar", "Context", "Token"}),
}


def canonical(name: str) -> tuple[str, str]:
    """Split a full name into the module and the class, in the spelling that all imports share."""
    if name in _MOVED:
        return _MOVED[name]
    module, _, last = name.rpartition(".")
    if module in _TYPING:
        return _typing(last)
    top = module.partition(".")[0]
    if top in UPNEXT:
        return top, last
    if top == "asyncio":
        return "asyncio", last
    if module.startswith("concurrent.futures"):
        return "concurrent.futures", last
    if module == "_collections_abc":
        return "collections.abc", last
    return module, last


def _typing(last: str) -> tuple[str, str]:
    if f"typing.{last}" in _MOVED:
        return _MOVED[f"typing.{last}"]
    if last in _BUILTINS:
        return "builtins", _BUILTINS[last]
    if last in _COLLECTIONS:
        return "collections", _COLLECTIONS[last]
    return ("collections.abc" if last in _ABSTRACT else "typing"), last


def cannot_travel(module: str, name: str) -> str:
    """Why values of an external class are known not to fit into JSON, "" for any other class."""
    if name in _CANNOT_TRAVEL.get(module, ()):
        return "its values live in one process"
    return "pydantic cannot read it" if is_refused(module, name) else ""


def is_refused(module: str, name: str) -> bool:
    """Whether the runtime refuses an external class in every form when a worker starts."""
    is_exception = module == "builtins" and _is_exception(getattr(builtins, name, None))
    return is_exception or name in _listed("standard_classes.txt").get(module, ()) or is_of_library(module, name)


def is_of_library(module: str, name: str) -> bool:
    """Whether a class belongs to a well-known library whose classes and their subclasses the runtime refuses."""
    return name in _listed("library_classes.txt").get(module, ())


def _is_exception(found: object) -> bool:
    return isinstance(found, type) and issubclass(found, BaseException)


@cache
def _listed(file: str) -> dict[str, frozenset[str]]:
    """The classes of a table, by module; tests/codegen/standard_classes.py checks each with the runtime."""
    lines = Path(__file__).with_name(file).read_text("utf-8").replace("\n    ", " ").splitlines()
    return {module: frozenset(names.split()) for module, _, names in (line.partition(":") for line in lines)}
