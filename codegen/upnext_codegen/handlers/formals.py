"""The parameters of a function, as its `def` declares them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import ast

    from upnext_codegen.names.scopes import FunctionNode


class Formal(NamedTuple):
    """A parameter in a `def`.

    Attributes:
        node: It, with its name and annotation.
        kind: "positional" (positional-only), "any", "keyword", "args" or "kwargs".
        default: Its default, None where it has none.
    """

    node: ast.arg
    kind: str
    default: ast.expr | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return self.node.arg

    @property
    def annotation(self) -> ast.expr | None:
        """Its annotation as written."""
        return self.node.annotation


def formals_of(node: FunctionNode | ast.Lambda) -> list[Formal]:
    """List the parameters of a function in the order of its signature."""
    args = node.args
    positional = [(each, "positional") for each in args.posonlyargs] + [(each, "any") for each in args.args]
    bare = len(positional) - len(args.defaults)
    defaults: list[ast.expr | None] = [*[None] * bare, *args.defaults]
    found = [Formal(each, kind, default) for (each, kind), default in zip(positional, defaults, strict=True)]
    if args.vararg:
        found.append(Formal(args.vararg, "args"))
    pairs = zip(args.kwonlyargs, args.kw_defaults, strict=True)
    found += [Formal(each, "keyword", default) for each, default in pairs]
    if args.kwarg:
        found.append(Formal(args.kwarg, "kwargs"))
    return found
