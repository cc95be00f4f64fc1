"""What is imported for type checkers alone can stand in annotations: the runtime imports it when it needs it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import upnext
from upnext.payload.signature import Signature
from upnext_codegen.project import load_project
from upnext_codegen.scan import scan

IMPORTS = {
    "a name": ("from guarded.models import Order", "Order"),
    "a renamed name": ("from guarded.models import Order as O", "O"),
    "a relative import": ("from .models import Order", "Order"),
    "a submodule": ("from guarded import models", "models.Order"),
    "a module": ("import guarded.models", "guarded.models.Order"),
    "a renamed module": ("import guarded.models as m", "m.Order"),
    "an alias that mentions itself": ("from guarded.models import Tree", "Tree"),
    "one that is renamed": ("from guarded.models import Tree as T", "T | None"),
    "one of a module": ("from guarded import models", "list[models.Tree]"),
    "two of them": ("import guarded.models as m\n    from datetime import date", "dict[date, m.Order]"),
}
MODELS = """\
from dataclasses import dataclass
@dataclass
class Order:
    number: int
Tree = dict[str, "Tree"] | list["Twig"] | int
Twig = tuple["Tree", "Twig"] | None
"""
LETTERS = """\
from __future__ import annotations
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from guarded.models import Tree as T
if TYPE_CHECKING:
    from .models import Order as O
@dataclass
class Letter:
    body: T
class Parcel(NamedTuple):
    letters: list[Letter]
    order: O
"""
WOODS = """\
from dataclasses import dataclass
Tree = list["Tree"] | str
@dataclass
class Wood:
    trees: Tree
"""
APP = """\
from __future__ import annotations
import typing
from typing import TYPE_CHECKING
import upnext
worker = upnext.Worker("shop", redis_url="redis://127.0.0.1:1")
placed = worker.event("order.placed")
if {test}:
    {imports}
@placed.on
def handle(order: {annotation}) -> {annotation}: ...
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "guarded"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "models.py").write_text(MODELS)
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [each for each in sys.modules if each.partition(".")[0] == "guarded"]:
        del sys.modules[name]


def signature(package: Path, imports: str, annotation: str, test: str = "TYPE_CHECKING") -> Signature:
    (package / "app.py").write_text(APP.format(test=test, imports=imports, annotation=annotation))
    importlib.invalidate_caches()
    module: ModuleType = importlib.import_module("guarded.app")
    (handler,) = module.worker.registry.handlers.values()
    found = handler.signature
    assert isinstance(found, Signature)
    return found


@pytest.mark.parametrize("form", IMPORTS)
def test_a_name_that_is_imported_for_type_checkers_is_imported_when_it_is_needed(form: str, package: Path) -> None:
    """As type checkers and `upnext gen` have it."""
    found = signature(package, *IMPORTS[form])
    found.prepare()
    assert [*found.fields] == ["order"]
    assert [each.code for each in scan(load_project(package.parent), use_cache=False)[1]] == []


@pytest.mark.parametrize(
    ("imports", "test", "reason"),
    [
        ("from guarded.missing import Order", "TYPE_CHECKING", "No module named 'guarded.missing'"),
        ("from guarded.models import Missing as Order", "typing.TYPE_CHECKING", "has no attribute 'Missing'"),
        ("from guarded.models import Order", "False", "name 'Order' is not defined"),
    ],
)
def test_what_cannot_be_imported_is_an_error_that_says_why(imports: str, test: str, reason: str, package: Path) -> None:
    with pytest.raises(upnext.ConfigError, match=reason):
        signature(package, imports, "Order", test).prepare()


def test_classes_may_have_what_parameters_may_have(package: Path) -> None:
    """Of two aliases with one name pydantic cannot be told which is meant where."""
    (package / "letters.py").write_text(LETTERS)
    (package / "woods.py").write_text(WOODS)
    found = signature(package, "from guarded.letters import Parcel", "Parcel")
    found.prepare()
    parcel = found.decode(b'{"order": [[{"body": {"a": [null, [2, null]]}}], {"number": 3}]}')["order"]
    assert (parcel.letters[0].body, parcel.order.number) == ({"a": [None, (2, None)]}, 3)
    del sys.modules["guarded.app"]
    both = "from guarded.letters import Parcel\n    from guarded.woods import Wood"
    with pytest.raises(upnext.ConfigError, match="has the name of another one"):
        signature(package, both, "tuple[Parcel, Wood]").prepare()
