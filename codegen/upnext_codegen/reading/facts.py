"""What one file says by itself: names, functions, classes and calls, before anything is looked up elsewhere.

Facts depend on the bytes of one file only, so they are what the cache keeps. They are plain tuples, all the way down,
so that they cost little to build and survive a trip through JSON (see `encoding.py`).
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

Arms: TypeAlias = tuple[tuple[int, int], ...]
"""The branches around a statement, outermost first: the line of the branching statement and the number of the arm."""

ANY_TIME = -3
"""The number of the arm of what a `global` statement lets a function bind: some call of it may do so at any time."""


class Name(NamedTuple):
    """A name."""

    id: str


class Attr(NamedTuple):
    """`value.attr`."""

    value: Expr
    attr: str


class Const(NamedTuple):
    """A literal that JSON knows too."""

    value: str | int | float | bool | None


class Bytes(NamedTuple):
    """A bytes literal, as latin-1 text."""

    latin: str


class Dots(NamedTuple):
    """`...`."""


class Argument(NamedTuple):
    """An argument of a call; `keyword` is "" for a positional one, "*" or "**" for an unpacked one."""

    keyword: str
    value: Expr
    line: int
    column: int


class Call(NamedTuple):
    """A call, and where it starts."""

    func: Expr
    args: tuple[Argument, ...]
    line: int
    column: int


class Joined(NamedTuple):
    """An f-string: its constants and `Formatted` parts."""

    parts: tuple[Expr, ...]


class Formatted(NamedTuple):
    """`{value}` in an f-string, without a format or conversion."""

    value: Expr


class Binary(NamedTuple):
    """`left op right` for the four operations, `|` and `%`."""

    op: str
    left: Expr
    right: Expr


class Subscript(NamedTuple):
    """`value[key]`."""

    value: Expr
    key: Expr


class Display(NamedTuple):
    """A tuple, list or set display."""

    kind: str
    items: tuple[Expr, ...]


class Mapping(NamedTuple):
    """A dict display; its keys and values in pairs."""

    pairs: tuple[tuple[Expr, Expr], ...]


class Negative(NamedTuple):
    """`-operand`."""

    operand: Expr


class Choice(NamedTuple):
    """`first if ... else second`, `first or second`, `first and second`: one of the two."""

    first: Expr
    second: Expr


class Element(NamedTuple):
    """What a loop over `of` binds."""

    of: Expr


class Part(NamedTuple):
    """What unpacking `of` binds at `number`."""

    of: Expr
    number: int


class Starred(NamedTuple):
    """`*value`."""

    value: Expr


class Lambda(NamedTuple):
    """A lambda."""


class Unknown(NamedTuple):
    """Anything else."""


class TypeParameter(NamedTuple):
    """A type parameter in brackets (PEP 695); `bound` may be a tuple display of constraints."""

    name: str
    bound: Expr | None
    default: Expr | None


class ImportModule(NamedTuple):
    """`import module` (then the name bound is its first part) or `import module as name`."""

    module: str


class ImportFrom(NamedTuple):
    """`from module import name`, with the number of leading dots."""

    level: int
    module: str
    name: str


class Assigned(NamedTuple):
    """A name bound to a value, or only annotated; `parameters` are those of a `type` statement."""

    value: Expr | None
    annotation: Expr | None = None
    parameters: tuple[TypeParameter, ...] = ()


class DefinedFunction(NamedTuple):
    """A `def`, by its number among the file's functions."""

    number: int


class DefinedClass(NamedTuple):
    """A `class`, by its number among the file's classes."""

    number: int


class Parameter(NamedTuple):
    """A parameter of the function that the scope belongs to; `receiver` marks the first one of a method."""

    annotation: Expr | None
    receiver: str = ""


class Opaque(NamedTuple):
    """Bound in a way that nothing can be said of."""


class Binding(NamedTuple):
    """One binding of a name."""

    name: str
    what: What
    line: int
    arms: Arms


class Star(NamedTuple):
    """`from module import *`."""

    level: int
    module: str
    line: int


class Scope(NamedTuple):
    """A module, class or function body.

    Attributes:
        kind: "module", "class" or "function".
        parent: The number of the scope around it, -1 for the module.
        owner: The number of its class or function among those of the file.
        bindings: In source order.
        attributes: Of a class what methods assign to attributes of their first parameter; of a module what is assigned
            to any others in the file, under dotted names.
        stars: Star imports.
    """

    kind: str
    parent: int
    owner: int
    bindings: tuple[Binding, ...]
    attributes: tuple[Binding, ...]
    stars: tuple[Star, ...]


class Formal(NamedTuple):
    """A parameter in a `def`.

    Attributes:
        name: Its name.
        kind: "positional" (positional-only), "any", "keyword", "args" or "kwargs".
        annotation: As written.
        annotation_line: Where the annotation starts.
        annotation_column: Where the annotation starts.
        default: Whether it has one.
        line: Where its name stands.
        column: Where its name stands.
    """

    name: str
    kind: str
    annotation: Expr | None
    annotation_line: int
    annotation_column: int
    default: bool
    line: int
    column: int


class Decorator(NamedTuple):
    """A decorator, and where its expression starts."""

    value: Expr
    line: int
    column: int


class Function(NamedTuple):
    """A `def`.

    `line` and `column` are those of its name, `scope` is the one it stands in, `body` its own or -1. A brief one has
    no parameters here yet: nothing in the file says that they will matter, and most never do.
    """

    name: str
    line: int
    column: int
    scope: int
    body: int
    arms: Arms
    parameters: tuple[Formal, ...]
    decorators: tuple[Decorator, ...]
    returns: tuple[Expr, ...]
    annotation: Expr | None
    type_parameters: tuple[TypeParameter, ...]
    brief: bool


class Class(NamedTuple):
    """A `class`; `scope` is the one it stands in, `body` its own."""

    name: str
    line: int
    column: int
    scope: int
    body: int
    bases: tuple[Expr, ...]
    keywords: tuple[tuple[str, Expr], ...]
    decorators: tuple[Decorator, ...]
    type_parameters: tuple[TypeParameter, ...]


class Site(NamedTuple):
    """A call that may be one of ours."""

    call: Call
    scope: int
    arms: Arms


class Facts(NamedTuple):
    """All that one file says.

    Attributes:
        imports_us: Whether it imports upnext itself.
        scopes: The module's first.
        functions: In source order.
        classes: In source order.
        sites: In source order.
        exports: What `__all__` is made of, or None without one.
        ignores: Lines with an ignore comment, and their codes (None for all).
        hands_workers: Whether the word `Worker` stands anywhere but in calls and imports from upnext.
    """

    imports_us: bool
    scopes: tuple[Scope, ...]
    functions: tuple[Function, ...]
    classes: tuple[Class, ...]
    sites: tuple[Site, ...]
    exports: tuple[Expr, ...] | None
    ignores: tuple[tuple[int, tuple[str, ...] | None], ...]
    hands_workers: bool


Expr: TypeAlias = (
    Name
    | Attr
    | Const
    | Bytes
    | Dots
    | Call
    | Joined
    | Formatted
    | Binary
    | Subscript
    | Display
    | Mapping
    | Negative
    | Choice
    | Element
    | Part
    | Starred
    | Lambda
    | Unknown
)
"""An expression, as far as the scanner can follow it."""

What: TypeAlias = ImportModule | ImportFrom | Assigned | DefinedFunction | DefinedClass | Parameter | Opaque
"""What a name is bound to."""
