"""Sources that would take for ever if every way through them were gone."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.codegen.reading import read, write
from tests.contract.counting import lines_run
from upnext_codegen import analyze_file, cycles, incremental, reached_files, relevance
from upnext_codegen.handlers import hidden_events
from upnext_codegen.names import candidates, evaluator, exports, name_set, tainted_names
from upnext_codegen.project import load_project
from upnext_codegen.reading.imports import imports_of
from upnext_codegen.reading.source import SourceText
from upnext_codegen.scan import scan
from upnext_codegen.sources import Sources
from upnext_codegen.unread import missing, report, takers, used

_LEVELS = 20
_WORKER = 'import upnext\nworker = upnext.Worker("w")\nplaced = worker.event("a")\n'
_ATTACHED = "@found.on\ndef h(x: int): ...\n"


def test_functions_that_call_one_another_are_each_asked_once(tmp_path: Path) -> None:
    calls = [f"def f{n}():\n    return f{n + 1}() or f{n + 1}() or f{n + 1}() or f0()\n" for n in range(12)]
    source = f"{_WORKER}{''.join(calls)}def f12():\n    return placed\nfound = f0()\n{_ATTACHED}"
    scanned, findings = read(tmp_path, {"app.py": source})
    assert [handler.event for handler in scanned.handlers] == ["a"]
    assert findings == ()


def test_classes_that_meet_again_at_every_level_are_each_asked_once(tmp_path: Path) -> None:
    levels = "".join(
        f"class L{n}(B{n - 1}): ...\nclass R{n}(B{n - 1}): ...\nclass B{n}(L{n}, R{n}): ...\n"
        for n in range(1, _LEVELS)
    )
    source = f"{_WORKER}class B0(upnext.Worker): ...\n{levels}found = B{_LEVELS - 1}('v').event('b')\n{_ATTACHED}"
    scanned, _ = read(tmp_path, {"app.py": source})
    assert [(handler.worker, handler.event) for handler in scanned.handlers] == [("v", "b")]


def _analyses(root: Path, sources: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> int:
    """Count how often files are worked out in a scan, in which every handler is found."""
    count = 0
    plain = analyze_file.analyze_file

    def counted(sources: Sources, around: analyze_file.Surroundings, file: str) -> analyze_file.Analysis:
        nonlocal count
        count += 1
        return plain(sources, around, file)

    with monkeypatch.context() as patch:
        patch.setattr(analyze_file, "analyze_file", counted)
        scanned, _ = read(root, sources)
    assert [handler.event for handler in scanned.handlers] == ["a"]
    return count


@pytest.mark.parametrize(
    "passed_on",
    ["from m{before} import placed\n", "from m{before} import *\n", "import m{before}\nplaced = m{before}.placed\n"],
)
def test_files_that_pass_an_event_on_are_each_worked_out_once(
    passed_on: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the chain is."""
    counts: list[int] = []
    for length in (10, 20, 40):
        chain = {f"m{number}.py": passed_on.format(before=number - 1) for number in range(1, length)}
        use = f"from m{length - 1} import placed as found\n{_ATTACHED}"
        sources = {"m0.py": _WORKER, **chain, "use.py": use}
        counts.append(_analyses(tmp_path / str(length), sources, monkeypatch))
    assert counts == [11, 21, 41]


def test_files_that_import_one_another_are_analyzed_in_full_once_it_is_settled_what_they_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each hears of an event after the one before it, and all ask all others for theirs."""
    every = range(8)
    imports = "".join(f"import m{other}\n" for other in every)
    asking = "".join(f"    m{other}.p{other}\n" for other in every)
    asks = f"def ask():\n{asking}"
    sources = {f"m{each}.py": f"{imports}p{each} = m{each - 1}.p{each - 1}\n{asks}" for each in every[1:]}
    sources["m0.py"] = f"{_WORKER}{imports}p0 = placed\n{asks}"
    sources["use.py"] = f"from m7 import p7 as found\n{_ATTACHED}"
    assert _analyses(tmp_path, sources, monkeypatch) <= 2 * len(sources)


def test_a_second_look_for_an_import_that_is_not_found_works_out_what_it_concerns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 2,000 files that a scan had read, 595 were worked out again since they say `.base` of something else."""
    others = {f"o{each}.py": "import own\nprint(own.found.name)\nx.bus\nx.kit\nx.placed\n" for each in range(40)}
    sources = {
        "lib/bus.py": _WORKER,
        "kit.py": "import bus\n",
        "use.py": f"from kit import bus\nfound = bus.placed\n{_ATTACHED}",
        "own.py": f"from lib.bus import placed as found\n{_ATTACHED}",
    }
    assert _analyses(tmp_path, sources | others, monkeypatch) <= len(sources | others) + 4
    assert [each.code for each in read(tmp_path, {})[1]] == ["UPN006"]


@pytest.mark.parametrize(
    "first",
    [
        "from importlib import import_module\n\nclass C0: ...\n\ndef load(name): return import_module(name)\n",
        "from django.utils.module_loading import import_string\n\nclass C0: ...\nstorage = import_string('a.b')()\n",
        "import pkg.tasks\n\nclass C0: ...\n",
    ],
)
def test_what_passes_nothing_on_has_nobody_read_that_imports_it(first: str, tmp_path: Path) -> None:
    """Of 3,091 files of a shop 871 were read, because a package used `import_string` and a setting said `.tasks`."""
    models = {
        f"pkg/m{number}.py": f"from pkg.m{number - 1} import C{number - 1}\n\nclass C{number}(C{number - 1}): ...\n"
        for number in range(1, 30)
    }
    tasks = "from bus import placed\n@placed.on()\ndef h(x: int): ...\n"
    settings = "from pkg.m29 import C29\nTASKS = {'nightly': 'pkg.tasks.h', 'placed': 'bus.placed.h'}\n"
    sources = {"bus.py": _WORKER, "pkg/__init__.py": "", "pkg/m0.py": first, "pkg/tasks.py": tasks, **models}
    scanned, _ = read(tmp_path, {**sources, "settings.py": settings})
    assert [each.name for each in scanned.handlers] == ["h"]
    assert scanned.files_parsed <= 4  # of 34


def test_what_a_file_at_the_end_of_a_long_chain_is_used_for_beside_that_is_not_read_ahead(tmp_path: Path) -> None:
    """Of 10,000 files a chain of ten had 3,767 read, which get something else from the tenth."""
    chain = {f"m{number}.py": f"from m{number - 1} import placed\n" for number in range(1, 14)}
    chain["m10.py"] += "class C0: ...\n"
    models = {
        f"models/m{number}.py": f"from {f'models.m{number - 1}' if number > 1 else 'm10'} import C{number - 1}\n"
        f"class C{number}(C{number - 1}): ...\n"
        for number in range(1, 100)
    }
    use = f"from m13 import placed as found\n{_ATTACHED}"
    scanned, _ = read(tmp_path, {"m0.py": _WORKER, "models/__init__.py": "", **chain, **models, "use.py": use})
    assert [each.name for each in scanned.handlers] == ["h"]
    assert scanned.files_parsed <= 30  # of 115


def test_a_word_that_names_a_module_which_makes_names_up_has_nobody_read_that_says_it_of_something_else(
    tmp_path: Path,
) -> None:
    """In 10,000 files one module called `decorator` had 196 files read, of which some say `.decorator`."""
    chain = {
        f"pkg/m{number}.py": f"from pkg import own\nfrom pkg.m{number - 1} import C{number - 1}\n"
        f"class C{number}(C{number - 1}): ...\n"
        for number in range(1, 20)
    }
    loading = "def load(name): return __import__(name)\nclass C0: ...\n"
    made_up = "from importlib import import_module\nimport bus\ndef __getattr__(name):\n"
    made_up += "    return getattr(import_module(bus.TARGETS[name]), name)\n"
    sources = {"bus.py": f"{_WORKER}@placed.on\ndef h(x: int): ...\n", "pkg/__init__.py": "", "pkg/m0.py": loading}
    sources |= {"shop/__init__.py": "", "shop/decorator.py": f"{made_up}placed = bus.placed\n"}
    sources |= {"pkg/own.py": "from bus import worker\nshipped = worker.event('b')\n", **chain}
    scanned, _ = read(tmp_path, {**sources, "pkg/use.py": "from pkg.m19 import C19\nC19.decorator\n"})
    assert [each.name for each in scanned.handlers] == ["h"]
    assert scanned.files_parsed <= 6  # of 26


_PASSED_ON = {
    "a ring": "import m{after}\nplaced = m{after}.placed\n@placed.on\ndef h(x: int): ...\n",
    "a ring of names": "import m{after}\np{number} = m{after}.p{after}\n",
    "a ring within a package": "from . import m{after} as other\nplaced = other.placed\n",
    "modules in a row": "from m{before} import bus\nmine = bus.placed\n",
}


_IN_ONE_FILE = {
    "functions": ("", "def g{number}(): return g{after}()\n", "def g{number}(): return placed\n@g0().on\n"),
    "methods and attributes": (
        "class C:\n",
        "    def g{number}(self):\n        self.b{number} = self.g{after}()\n        return self.b{after}\n",
        "    def g{number}(self): return placed\n    b{number} = placed\n@placed.on\n",
    ),
    "functions in functions": (
        "",
        "{indent}def f{number}():\n{indent}    x{after} = x{number}\n",
        "{indent}return x{number}\n@placed.on\n",
    ),
}


@pytest.mark.parametrize("way", _IN_ONE_FILE)
def test_what_functions_give_is_followed_in_steps_that_grow_as_they_do(way: str, tmp_path: Path) -> None:
    """The first of them is known to give an event last."""
    head, each, last = _IN_ONE_FILE[way]

    def steps(count: int) -> int:
        lines = [each.format(number=n, after=n + 1, indent="    " * n) for n in range(count)]
        end = last.format(number=count, indent="    " * count)
        text = f"from bus import placed\nx0 = placed\n{head}{''.join(lines)}{end}def h(x: int): ...\n"
        files = {"bus.py": _WORKER, "use.py": text}
        return lines_run(lambda: read(tmp_path / str(count), files), name_set, tainted_names)

    steps(2)
    assert steps(80) < 3 * steps(40)


@pytest.mark.parametrize("way", ["from m{before} import placed\n", "import m{before}\nplaced = m{before}.placed\n"])
def test_after_an_edit_it_is_seen_in_steps_that_grow_as_the_files_do_who_still_comes_upon_an_event(
    way: str, tmp_path: Path
) -> None:
    """A scan of 10,000 files took 500 seconds: all were gone through again for each file that one leads to another."""

    def steps(count: int) -> int:
        chain = {f"m{number}.py": f"{way}give(placed)\n".format(before=number - 1) for number in range(1, count)}
        root = write(tmp_path / str(count), {"m0.py": _WORKER, **chain})
        project = load_project(root)
        assert len(scan(project)[0].hidden) == 1
        write(root, {"m0.py": f"{_WORKER}shipped = worker.event('b')\n"})
        return lines_run(lambda: scan(project), candidates, incremental, reached_files, relevance)

    steps(2)
    assert steps(60) < 2.5 * steps(30)


@pytest.mark.parametrize("way", _PASSED_ON)
def test_an_event_is_passed_on_from_file_to_file_in_steps_that_grow_as_they_do(way: str, tmp_path: Path) -> None:
    """A ring of 300 modules took the cube of that: every turn asked for each file what all others pass on."""

    def steps(count: int) -> int:
        folder = "lib/" if "package" in way else ""
        files = {
            f"{folder}m{number}.py": _PASSED_ON[way].format(
                number=number, before=max(number - 1, 0), after=(number + 1) % count
            )
            for number in range(count)
        }
        first = "import bus\n" if way == "modules in a row" else "from bus import placed\np0 = placed\n"
        files |= {f"{folder}m0.py": first, "bus.py": _WORKER}
        return lines_run(lambda: read(tmp_path / str(count), files), cycles, candidates, incremental, relevance)

    steps(2)
    assert steps(60) < 2.5 * steps(30)


_GIVING = {
    "its modules": "def __getattr__(name):\n    import importlib\n    return importlib.import_module(f'lib.{name}')\n",
    "one module": "def __getattr__(name):\n    from lib.events import bus\n    return bus\n",
    "what another has": "def __getattr__(name):\n    from lib.events import bus\n    return getattr(bus, name)\n",
    "a function of a module": "from lib.events import bus\ndef get():\n    return bus\n",
    "a star of modules": "from lib.events import *\n",
}


@pytest.mark.parametrize("giving", _GIVING)
def test_files_that_use_something_else_of_a_package_are_not_read(
    giving: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the package gives, too, that leads to an event."""
    counts: list[int] = []
    for size in (5, 20):
        package = {
            "lib/__init__.py": f"{_GIVING[giving]}def other(): ...\n",
            "lib/events/__init__.py": "__all__ = ['bus']\nfrom lib.events import bus\n",
            "lib/events/bus.py": _WORKER,
        }
        use = (
            f"import lib as l\nfrom lib import other{', get' if 'get' in _GIVING[giving] else ''}\nother()\nl.other()\n"
        )
        uses = {f"use{number}.py": use for number in range(size)}
        handler = f"from lib.events.bus import placed as found\n{_ATTACHED}"
        counts.append(_analyses(tmp_path / str(size), {**package, **uses, "h.py": handler}, monkeypatch))
    assert counts[0] == counts[1]


def test_modules_that_import_one_another_matter_no_more_for_a_handler_in_one_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are: the others name nothing of what that one has, and it is asked again once."""
    counts: list[int] = []
    for size in (8, 16, 32):
        package = {
            f"lib/m{number}.py": (
                f"import lib\nfrom lib import m{(number + 1) % size}, m{(number + 3) % size}\n"
                f"renamed = m{(number + 1) % size}\n"
                f"class Base{number}:\n"
                f"    def get(self, name: str):\n        return getattr(self, name) or renamed.made()\n"
                f"def made():\n    return m{(number + 3) % size}.Base{(number + 3) % size}()\n"
            )
            for number in range(size)
        }
        package["lib/m0.py"] += f"from app import placed\n{_ATTACHED.replace('found', 'placed')}"
        sources = {"app.py": _WORKER, "lib/__init__.py": "", **package}
        counts.append(_analyses(tmp_path / str(size), sources, monkeypatch))
    assert counts == [3, 3, 3]


@pytest.mark.parametrize(
    "said",
    [
        "util.clean(x)",
        "util.clean(util.other.name)",
        "util . clean (x)",
        "self.util",
        "[util.clean(x) for x in util.names]",
    ],
)
def test_what_is_taken_of_a_module_matters_only_where_that_leads_to_an_event(said: str, tmp_path: Path) -> None:
    """A module of helpers is named on most lines of a large project; only what it has of upnext is followed."""
    counts: list[int] = []
    for size in (5, 50):
        uses = "".join(
            f"class C{number}(Base):\n    def m(self, x):\n        return {said}\n"
            f"def f{number}(self, x):\n    return {said}\n"
            for number in range(size)
        )
        sources = {
            "bus.py": _WORKER,
            "util.py": "from bus import placed\ndef clean(x):\n    return x\n",
            "app.py": f"import util\nclass Base: ...\n{uses}found = util.placed\n{_ATTACHED}",
        }
        counts.append(lines_run(lambda each=(size, sources): read(tmp_path / str(each[0]), each[1]), evaluator))
    assert counts[0] == counts[1]


def test_a_file_that_imports_many_modules_of_a_package_looks_at_each_once(tmp_path: Path) -> None:
    """All of them are of one name, `shop`: of 5 seconds for 228 modules, 4 went by here."""

    def steps(count: int) -> int:
        imports = "".join(f"import shop.m{number}\n" for number in range(count))
        handlers = "".join(f"@placed.on\ndef h{number}(x: shop.m{number}.Kind): ...\n" for number in range(count))
        files = {f"shop/m{number}.py": "class Kind: ...\n" for number in range(count)}
        files["shop/handlers.py"] = f"{imports}{_WORKER}{handlers}"
        return lines_run(lambda: read(tmp_path / str(count), files), name_set, exports)

    steps(2)
    assert steps(60) < 2.5 * steps(30)


@pytest.mark.parametrize(
    ("made", "taken"),
    [
        ("util = util.Holder()", "util.placed"),
        ("def use(util=util.Holder()):\n    return util.placed", "use()"),
        ("class Holder:\n    util = util.Holder()\nown = Holder()", "own.util.placed"),
        ("for util in [util.Holder()]: ...", "util.placed"),
    ],
)
def test_a_name_that_stands_for_a_module_and_something_else_is_followed_as_both(
    made: str, taken: str, tmp_path: Path
) -> None:
    """Its lines are not those of the module alone."""
    sources = {
        "bus.py": _WORKER,
        "util.py": "from bus import placed\nclass Holder:\n    placed = placed\n",
        "app.py": f"import util\n{made}\nfound = {taken}\n{_ATTACHED}",
    }
    quick = read(tmp_path / "quick", sources)
    assert [each.name for each in quick[0].handlers] + [each.code for each in quick[1]]
    (tmp_path / "slow").mkdir()
    slow = read(tmp_path / "slow", sources, prefilter=False)
    assert (quick[0].handlers, quick[1]) == (slow[0].handlers, slow[1])


@pytest.mark.parametrize("given", ["held", "held.Held"])
def test_what_is_given_away_is_not_gone_through_for_what_it_holds(given: str, tmp_path: Path) -> None:
    """Neither a module nor a class: in 10,000 files that took six of seven minutes."""

    def steps(count: int) -> int:
        events = [f"e{number} = worker.event('e{number}')\n" for number in range(count)]
        held = f"{_WORKER}{''.join(events)}class Held:\n{''.join(f'    {each}' for each in events)}"
        uses = "".join(f"register({given})\n" for _ in range(count))
        files = {"held.py": held, "use.py": f"import held\n{uses}"}
        return lines_run(lambda: read(tmp_path / str(count), files), hidden_events, evaluator, exports)

    steps(2)
    assert steps(60) < 2.5 * steps(30)


def test_modules_that_are_left_out_are_followed_once_however_they_import_one_another(tmp_path: Path) -> None:
    """Twice the modules have four times the imports: of 52 seconds for 150 of them, 45 went by here."""

    def steps(count: int) -> int:
        imports = "".join(f"from made import m{number}\n" for number in range(count))
        files = {f"made/m{number}.py": imports for number in range(count)}
        files |= {".gitignore": "made/\n", "made/bus.py": _WORKER}
        files["made/m0.py"] = f"{imports}from made.bus import placed\n"
        files["app.py"] = f"{imports}found = m1.m0.placed\n{_ATTACHED}"
        return lines_run(lambda: read(tmp_path / str(count), files), missing, report, used, takers)

    steps(2)
    assert steps(40) < 5 * steps(20)


@pytest.mark.parametrize("use", ["import kit{number}\nkit{number}.other\n", "from . import other\n"])
def test_who_takes_a_module_that_is_not_found_from_another_is_looked_up_and_not_searched_for(
    use: str, tmp_path: Path
) -> None:
    """Every file imports one of its name without a use of its own, which others might take from there."""

    def steps(count: int) -> int:
        files = {f"kit{number}/__init__.py": "import bus\n" for number in range(count)}
        files |= {f"kit{number}/use.py": use.format(number=number) for number in range(count)}
        files["app/bus.py"] = _WORKER
        return lines_run(lambda: read(tmp_path / str(count), files), missing, report, used, takers)

    steps(2)
    assert steps(40) < 2.5 * steps(20)


@pytest.mark.parametrize("annotation", ["Literal[{}]", "Literal[{}, None]"])
def test_literals_are_read_in_steps_that_grow_as_they_do(annotation: str, tmp_path: Path) -> None:
    def steps(count: int) -> int:
        members = annotation.format(", ".join(map(str, range(count))))
        source = f"{_WORKER}from typing import Literal\n@placed.on\ndef h(x: {members}): ...\n"
        return lines_run(lambda: read(tmp_path / str(count), {"app.py": source}))

    steps(2)
    assert steps(800) < 2.5 * steps(400)


def test_functions_that_give_an_event_to_one_another_are_each_followed_once(tmp_path: Path) -> None:
    """Twice the functions make four times the calls, and not each way through them."""

    def steps(count: int) -> int:
        calls = "".join(f"    f{number}(event)\n" for number in range(count))
        functions = "".join(f"def f{number}(event):\n{calls}" for number in range(count))
        files = {"events.py": _WORKER, "use.py": f"from events import placed\n{functions}f0(placed)\n"}
        return lines_run(lambda: read(tmp_path / str(count), files))

    steps(1)
    assert steps(8) < 6 * steps(4)


@given(st.text("ab_1é\xa0 .\r\n"), st.lists(st.text("ab_1é", min_size=1, max_size=2), min_size=1, max_size=3))
def test_words_are_found_in_the_same_lines_however_many_are_searched_for(text: str, words: list[str]) -> None:
    searched_often = SourceText(text)
    for _ in range(60):
        searched_often.lines_with(("other",))
    assert searched_often.lines_with(words) == SourceText(text).lines_with(words)


def _taking_everything(count: int) -> dict[str, str]:
    names = [f"m{number}" for number in range(count)]
    return {
        f"{name}.py": "".join(f"from {other} import *\n" for other in names if other != name)
        + (_WORKER if name == "m0" else "")
        + f"@placed.on\ndef h_{name}(x: int, y: str, z: float): ...\n"
        for name in names
    }


def test_modules_that_all_take_everything_from_one_another_are_each_asked_once(tmp_path: Path) -> None:
    """There are as many ways round as there are orders of them."""
    scanned, findings = read(tmp_path, _taking_everything(12))
    assert (len(scanned.handlers), findings) == (12, ())


def test_what_no_star_import_brings_is_looked_for_in_all_modules_once(tmp_path: Path) -> None:
    """And not for each name: twice the modules are four times the star imports of twice the files."""

    def steps(count: int) -> int:
        return lines_run(lambda: read(tmp_path / str(count), _taking_everything(count)))

    steps(2)
    assert steps(16) < 8 * steps(8)


@pytest.mark.parametrize(
    "text",
    [
        b"x = 'import a as " + b"import a as " * 100_000 + b"'\n",
        b"# import " + b"from a " * 200_000 + b"\n",
        b"from a import (\n" * 50_000,
        b"import from " + b". " * 500_000,
    ],
)
def test_the_imports_of_a_file_are_read_in_time_whatever_a_line_of_it_says(text: bytes) -> None:
    """Each of these took minutes, or hours, when every `import` was read on to the end of its line."""
    assert "shop:placed" in imports_of(text + b"from shop import placed\n", of_package=False)
