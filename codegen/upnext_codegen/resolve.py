"""One file's part of a scan, worked out from the file itself and from those that its names lead to.

Nothing that was worked out for one file is used for another: what a name in a cycle of imports stands for can depend on
where the question came from, and a file's part may depend on nothing but what it read. It can then be kept as long as
those files stay as they are, and be worked out in any process.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from upnext_codegen import messages
from upnext_codegen.handlers.annotations import Annotations
from upnext_codegen.handlers.attach import Attacher, Found
from upnext_codegen.handlers.classes import Classes
from upnext_codegen.handlers.declare import declare, is_name
from upnext_codegen.handlers.signatures import Signatures
from upnext_codegen.names import values
from upnext_codegen.names.evaluate import Evaluator
from upnext_codegen.names.given import given
from upnext_codegen.names.lookup import Lookup, Spot
from upnext_codegen.names.modules import Asked
from upnext_codegen.names.suspicion import is_suspect
from upnext_codegen.records import Place, Resolved

if TYPE_CHECKING:
    from upnext_codegen.files.store import Store
    from upnext_codegen.names.values import Value
    from upnext_codegen.reading import facts


def resolve(store: Store, suspects: frozenset[str], file: str) -> Resolved:
    """Work out what a file declares and attaches.

    Args:
        store: Reads files.
        suspects: The names that something of ours can go by.
        file: The file.
    """
    read: set[str] = set()

    def load(path: str) -> facts.Facts | None:
        read.add(path)
        return store.facts(path, lasting=path != file)

    def whole(path: str) -> facts.Facts | None:
        return store.whole(path, lasting=path != file)

    asked = Asked(store.modules)
    evaluator = Evaluator(Lookup(asked, load, whole), suspects)
    annotations = Annotations(evaluator)
    classes = Classes(annotations)
    found = Found()
    known = load(file)
    names: dict[str, Value] = {}
    try:
        if known is not None:
            _attach(known, file, Attacher(evaluator, Signatures(annotations, classes), found))
            names = given(evaluator, known, file)
    except RecursionError:
        # Each way is limited by itself; ways of ways can still be longer than Python's stack.
        found = Found(findings=[messages.unreadable(Place(file, 1, 1), "its names lead further than can be followed")])
    return Resolved(
        tuple(found.declarations),
        # An event whose name is not allowed counts as absent, and its handlers with it.
        tuple(handler for handler in found.handlers if is_name(handler.event)),
        frozenset(found.refused),
        tuple(found.findings),
        tuple(sorted(found.workers)),
        classes.known,
        tuple(sorted(names)),
        tuple(sorted(_aliases(names, known))),
        tuple(sorted(read)),
        json.dumps(sorted(asked.answers.items()), separators=(",", ":")),
    )


def _attach(known: facts.Facts, file: str, attacher: Attacher) -> None:
    suspects = attacher.evaluator.suspects
    if known.hands_workers:
        attacher.found.workers.add("")
    for site in known.sites:
        spot = Spot(file, site.scope, site.call.line, site.arms)
        attacher.handed(site.call, spot)
        # Calling what `f(x)` returns is the only way in which its arguments matter.
        if is_suspect(site.call.func, suspects):
            declare(attacher.evaluator, attacher.found, site, spot)
            attacher.called(site.call, spot, site.arms, known)
    attacher.decorated(known, file)


def _aliases(names: dict[str, Value], known: facts.Facts | None) -> set[str]:
    """The names of the module by which files can attach that hold no word of ours."""
    bound = {binding.name for binding in known.scopes[0].bindings} if known else set[str]()
    return {name for name, value in names.items() if isinstance(value, values.Method) and name in bound}
