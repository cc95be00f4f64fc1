"""Modules that pass one another on in cycles: whatever is edited, the next scan says what one without a cache says."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from upnext_codegen import analyze_file
from upnext_codegen.project import load_project
from upnext_codegen.scan import scan
from upnext_codegen.sources import Sources

EVENTS = "import upnext\n\nworker = upnext.Worker('shop')\nplaced = worker.event('order.placed')\n"
TABLE = "table = {}\ndef add(event):\n    table['x'] = event\ndef get(name):\n    return table[name]"
STEPS = 8


def imports(chance: random.Random, other: str, another: str) -> tuple[str, str]:
    """An import of another module, and what it binds."""
    return chance.choice(
        [
            (f"from pkg import {other}", other),
            (f"import pkg.{other} as {other}_", f"{other}_"),
            (f"from pkg.{other} import {another}", another),
            (f"from pkg.{other} import bus", "bus"),
            (f"from pkg.{other} import *", "bus"),
            (f"from pkg.{other} import placed", "placed"),
            ("from shop import events as bus", "bus"),
            ("import shop.events", "shop.events"),
            (f"def __getattr__(name):\n    from pkg import {other}\n    return getattr({other}, name)", "bus"),
        ]
    )


def module(chance: random.Random, name: str, others: list[str]) -> str:
    """A module that imports others, and attaches to, keeps or passes on what it has of them."""
    found = [imports(chance, chance.choice(others), chance.choice(others)) for _ in range(chance.randrange(1, 4))]
    lines = [line for line, _ in found]
    for number in range(chance.randrange(3)):
        way = chance.choice(found)[1]
        for _ in range(chance.choice((0, 0, 1, 2))):
            way += f".{chance.choice([*others, 'bus'])}"
        event = way if way.endswith("placed") else f"{way}.placed"
        attached = f"@{event}.on\ndef {name}_{number}(x: int, **kwargs: object): ..."
        other = chance.choice(others)
        fills = [
            f"import pkg.{other}\npkg.{other}.placed = {event}",
            f"from pkg.{other} import table as their\ntheir['x'] = {event}",
            f"from pkg.{other} import add\nadd({event})",
            f"@get('x').on\ndef {name}_{number}(x: int, **kwargs: object): ...",
        ]
        held = f"held = {event.rpartition('.')[0] or event}"
        lines.append(chance.choice([attached, attached, f"own = {event}", held, *fills]))
    lines += [TABLE] if chance.random() < 0.5 else []
    if chance.random() < 0.03:
        lines.append("def broken(:")
    return "\n".join(lines) + "\n"


def said(root: Path, *, use_cache: bool) -> tuple[object, ...]:
    """What a scan finds, and the files that it has read for it."""
    scanned, findings = scan(load_project(root), use_cache=use_cache)
    return scanned.handlers, scanned.declarations, findings, scanned.read, scanned.hidden, scanned.sends


@pytest.mark.parametrize("seed", range(6))
def test_what_is_found_never_depends_on_what_an_earlier_scan_read(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "pkg").mkdir()
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "events.py").write_text(EVENTS)
    names = [f"m{number}" for number in range(chance.randrange(3, 10))]
    (tmp_path / "pkg" / "__init__.py").write_text(chance.choice(["", "from pkg.m0 import *\n", "from . import m1\n"]))
    fresh = set(names)
    for _ in range(STEPS):
        for name in sorted(fresh):
            others = [each for each in names if each != name]
            (tmp_path / "pkg" / f"{name}.py").write_text(module(chance, name, others))
        assert said(tmp_path, use_cache=True) == said(tmp_path, use_cache=False)
        fresh = {chance.choice(names)}


def test_what_a_module_has_since_another_one_was_edited_is_asked_for_where_it_was_not_before(tmp_path: Path) -> None:
    attached = "@{}.on\ndef {}(x: int, **kwargs: object): ...\n"
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "events.py").write_text(EVENTS)
    (tmp_path / "given.py").write_text("from events import placed\n")
    (tmp_path / "made.py").write_text("from given import *\nown = bus.placed\n")
    handlers = attached.format("placed", "first") + attached.format("made.own", "second")
    (tmp_path / "use.py").write_text("import made\nfrom events import placed\n" + handlers)
    assert [each.name for each in scan(load_project(tmp_path))[0].handlers] == ["first"]
    (tmp_path / "given.py").write_text("import events as bus\nfrom events import placed\n")
    assert said(tmp_path, use_cache=True) == said(tmp_path, use_cache=False)
    assert [each.name for each in scan(load_project(tmp_path))[0].handlers] == ["first", "second"]


def test_what_a_file_gives_away_that_nobody_comes_upon_any_more_is_forgotten(tmp_path: Path) -> None:
    """It was read for what another file exported, and names nothing of upnext by itself."""
    sources = {
        "app.py": "import bus  # of upnext\n",
        "kit.py": "import app\n",
        "use.py": "import kit\nregister(kit, bus.placed)\n",
        "bus.py": f"import use\n{EVENTS}",
        "pyproject.toml": "",
    }
    for name, text in sources.items():
        (tmp_path / name).write_text(text)
    assert len(scan(load_project(tmp_path))[0].hidden) == 1
    (tmp_path / "bus.py").write_text("")
    assert said(tmp_path, use_cache=True) == said(tmp_path, use_cache=False)
    assert scan(load_project(tmp_path))[0].hidden == frozenset()


def test_what_imports_a_forgotten_file_is_not_analyzed_again_for_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scan after one that forgot 16 of 10,000 files began with 18 others, and ended with thousands."""
    sources = {
        "app.py": "import bus  # of upnext\n",
        "kit.py": "import app\n",
        "use.py": "import kit\nregister(kit, bus.placed)\ndef found():\n    return bus.placed\n",
        "bus.py": f"import use\n{EVENTS}",
        "user.py": "import upnext\nfrom use import found\n",
        "other.py": EVENTS,
        "pyproject.toml": "",
    }
    for name, text in sources.items():
        (tmp_path / name).write_text(text)
    scan(load_project(tmp_path))
    (tmp_path / "bus.py").write_text("")
    assert "use.py" not in scan(load_project(tmp_path))[0].read
    (tmp_path / "other.py").write_text(f"{EVENTS}shipped = worker.event('order.shipped')\n")
    analyzed = list[str]()
    plain = analyze_file.analyze_file

    def noted(sources: Sources, around: analyze_file.Surroundings, path: str) -> analyze_file.Analysis:
        analyzed.append(path)
        return plain(sources, around, path)

    monkeypatch.setattr(analyze_file, "analyze_file", noted)
    scan(load_project(tmp_path))
    assert analyzed == ["other.py"]
