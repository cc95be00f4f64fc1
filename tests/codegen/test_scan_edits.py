"""Whatever was edited since the last scan, the next one says what a scan without a cache says."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.codegen.reading import HEAD
from upnext_codegen.catalog.outputs import plan
from upnext_codegen.catalog.places import targets
from upnext_codegen.merging.contracts import contracts
from upnext_codegen.project import load_project
from upnext_codegen.records import Scan
from upnext_codegen.scan import scan

STEPS = 15
HANDLER_FILES = ("a.py", "b.py", "pkg/c.py", "pkg/deep/d.py", "pkg/deep/__init__.py")
SHARED: dict[str, tuple[str | None, ...]] = {
    "events.py": (
        HEAD,
        HEAD,
        HEAD.replace("order.placed", "order.moved"),
        HEAD + "make = worker.event\nready = placed.on(retries=2)\n",
        "import upnext as u\nclass Shop(u.Worker): ...\nworker = Shop('shop')\nplaced = worker.event('order.placed')\n",
        "\n\n" + HEAD,
        HEAD + "def broken(:\n",
        None,
    ),
    "pkg/__init__.py": (
        "",
        "from events import placed\n",
        "from events import *\n",
        "from pkg.more import *\n__all__ = ['placed']\n",
        None,
    ),
    "pkg/more.py": (
        "from events import placed\n",
        "from events import make\nplaced = make('order.more')\n",
        "from pkg import placed\n",
        "import events as e\nplaced = e.placed\nShop = e.Shop\nmine = Shop('mine').event('order.mine')\n",
        "placed = 1\n",
        None,
    ),
    "models.py": (
        "import dataclasses\n@dataclasses.dataclass\nclass M: ...\n",
        "class M: ...\n",
        "M = int\n",
        "from pkg.kinds import M\n",
        "M = str  # upnext: ignore\n",
        None,
    ),
    "pkg/kinds.py": ("M = str\n", "from models import M\n", "class M(int): ...\n", None),
    "pkg/deep.py": ("from events import placed\n", None, None),
}
IMPORTS = (
    "from events import placed\n",
    "from events import placed, make, ready\n",
    "from events import *\n",
    "from pkg import placed\n",
    "from pkg.more import placed\n",
    "from pkg.deep import placed\n",
    "from a import placed\n",
    "import pkg.more, events\nplaced = pkg.more.placed\n",
    "from events import placed as first\nplaced = first\n",
)
MODELS = ("from models import M\n", "from pkg.kinds import M\n", "import models as m\nM = m.M\n")
ATTACHED = (
    "@placed.on\ndef {name}({field}: {type}, **kwargs: object): ...\n",
    "@placed.on(retries=2)\ndef {name}({field}: {type} = 1, **kwargs: int): ...\n",
    "def {name}({field}: {type}): ...\nplaced.on({name})\n",
    "@ready\ndef {name}({field}: {type}, /): ...\n",
    "@make('order.{name}').on\ndef {name}({field}: {type}): ...  # upnext: ignore[UPN104]\n",
    "@{name}_event.on\ndef {name}({field}: {type}): ...\n",
    "class {name}: bus = placed\n@{name}.bus.on\ndef {name}_({field}: {type}, **kwargs): ...\n",
)


def handlers(chance: random.Random) -> str | None:
    if chance.random() < 0.15:
        return None
    text = chance.choice(IMPORTS) + chance.choice(MODELS) + "\n" * chance.randrange(3)
    for _ in range(chance.randrange(3)):
        form = chance.choice(ATTACHED)
        text += form.format(name=chance.choice("fgh"), field=chance.choice("xy"), type=chance.choice(("M", "int", "Z")))
    return text


def edit(root: Path, path: str, chance: random.Random) -> None:
    """Write a file anew, move it to where another one is, touch it, or delete it."""
    target = root / path
    kind = chance.random()
    if kind < 0.1 and target.exists():
        target.touch()
    elif kind < 0.2 and target.exists():
        target.replace(root / chance.choice(HANDLER_FILES))
    else:
        text = chance.choice(SHARED[path]) if path in SHARED else handlers(chance)
        if text is None:
            target.unlink(missing_ok=True)
        else:
            target.write_text(text)


def said(root: Path, *, use_cache: bool) -> tuple[object, ...]:
    """Everything that a scan says, and the files that would be generated from it."""
    project = load_project(root)
    scanned, findings = scan(project, use_cache=use_cache)
    contract, disagreements = contracts(scanned)
    outputs = plan(contract, root, targets(project), scanned.importable, (*findings, *disagreements))
    # What was parsed differs, and what was looked at on the way to the same result may.
    own = {"files_parsed", "state"}
    parts = [getattr(scanned, name) for name in Scan.__dataclass_fields__ if name not in own]
    return (findings, disagreements, *parts, *(output.text for output in outputs))


@pytest.mark.parametrize(
    ("seed", "processes", "others"), [(1, 1, 0), (2, 1, 0), (3, 1, 0), (4, 1, 0), (5, 1, 200), (6, 1, 200), (7, 2, 200)]
)
def test_a_scan_with_a_cache_says_what_one_without_says_after_any_edits(
    seed: int, processes: int, others: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With many other files, what has changed is kept beside the cache; with few, the cache is mostly written anew."""
    if processes > 1:
        monkeypatch.setattr("upnext_codegen.files.pool._WORTH_IT", 1)
    chance = random.Random(seed)
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "pkg" / "deep").mkdir(parents=True)
    for number in range(others):
        (tmp_path / f"other_{number}.py").touch()
    everything = [*SHARED, *HANDLER_FILES]
    for path in everything:
        edit(tmp_path, path, chance)
    for _ in range(STEPS // processes):  # whatever is read is then read in processes of its own
        assert said(tmp_path, use_cache=True) == said(tmp_path, use_cache=False)
        for path in chance.sample(everything, chance.randrange(1, 3)):
            edit(tmp_path, path, chance)
    assert (tmp_path / ".upnext" / "scan.delta").exists() or not others
