"""What a second scan takes from the first, and that it never shows."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.codegen.reading import HEAD, write
from upnext_codegen import file_words
from upnext_codegen.files import cache, file_index
from upnext_codegen.files.cache import TOOL, is_settled, tool_digest
from upnext_codegen.files.discover import SourceFile
from upnext_codegen.incremental import Incremental
from upnext_codegen.names.words_in_bytes import attributes_in
from upnext_codegen.project import load_project
from upnext_codegen.reading.imports import imports_of
from upnext_codegen.scan import scan

HANDLER = "from events import placed\nfrom models import M\n@placed.on\ndef a(x: M): ...\n"
SOURCES = {
    "events.py": HEAD,
    "app.py": HANDLER,
    "models.py": "import pydantic\nclass M(pydantic.BaseModel): ...\n",
    "bad.py": "import upnext\ndef f(:\n",
    "quiet.py": "import upnext\nx = 1  # upnext: ignore[UPN001]\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, SOURCES)
    for name in SOURCES:
        os.utime(tmp_path / name, ns=(1, 1))
    return tmp_path


def agrees(root: Path) -> int:
    """Scan with and without the cache, check that they say the same, and return how many files were parsed."""
    warm, warm_findings = scan(load_project(root))
    cold, cold_findings = scan(load_project(root), use_cache=False)
    assert warm_findings == cold_findings
    parts = ("declarations", "handlers", "refused", "classes", "importable", "shared", "files_scanned", "ignores")
    assert [getattr(warm, part) for part in parts] == [getattr(cold, part) for part in parts]
    return warm.files_parsed


def test_a_second_scan_parses_nothing_and_says_the_same(root: Path) -> None:
    assert agrees(root) == 5
    assert agrees(root) == 0


def test_one_changed_file_is_parsed_with_those_that_its_names_lead_to_and_no_other(root: Path) -> None:
    agrees(root)
    (root / "app.py").write_text(HANDLER.replace("x: M", "y: M"))
    assert agrees(root) == 3


def test_a_class_that_only_annotations_name_is_noticed_when_it_changes(root: Path) -> None:
    agrees(root)
    (root / "models.py").write_text("class M: ...\n")
    agrees(root)
    assert [finding.code for finding in scan(load_project(root))[1]] == ["UPN106", "UPN001"]


def test_new_and_removed_files_are_noticed(root: Path) -> None:
    agrees(root)
    (root / "more.py").write_text(HANDLER.replace("def a", "def b"))
    agrees(root)
    (root / "models.py").unlink()
    agrees(root)


def test_of_what_leads_to_nothing_of_upnext_any_more_nothing_is_said(root: Path) -> None:
    late = "import sys\nlooked_up = sys.modules['app']\n@looked_up.placed.on\ndef late(x: int): ...\n"
    (root / "late.py").write_text(late)
    agrees(root)
    for name in SOURCES:
        (root / name).write_text("from elsewhere import placed\n")
    agrees(root)


@pytest.mark.parametrize("given", ["C as D", "anything", "worker as mine"])
def test_a_module_that_has_something_of_upnext_at_last_is_asked_by_who_says_its_name_alone(
    given: str, tmp_path: Path
) -> None:
    made_up = "def __getattr__(name):\n    import importlib\n    return importlib.import_module('shop.' + name)\n"
    late = "import shop\n@shop.bus.placed.on\ndef late(x: int): ...\n"
    write(tmp_path, {"shop/events.py": HEAD + made_up, "shop/bus.py": "from .nothing import *\n", "shop/late.py": late})
    agrees(tmp_path)
    (tmp_path / "shop" / "bus.py").write_text(f"from .events import {given}\n")
    agrees(tmp_path)


def test_of_a_new_name_the_imports_are_read_again_where_a_file_imports_it_alone(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that nothing in the project had made all files be read again."""
    monkeypatch.setattr(cache, "_SETTLED", -1)  # As if these files had been there for long.
    (root / "early.py").write_text("from later import placed\n@placed.on\ndef b(x: int): ...\n")
    (root / "far.py").write_text("import decimal\nimport json.decoder\n")
    agrees(root)
    read: list[bytes] = []

    def counted(data: bytes, *, of_package: bool) -> list[str]:
        read.append(data)
        return imports_of(data, of_package=of_package)

    monkeypatch.setattr(file_index, "imports_of", counted)
    (root / "later.py").write_text(HEAD)
    scanned, _ = scan(load_project(root))
    assert {each.name for each in scanned.handlers} == {"a", "b"}
    assert read == [HEAD.encode(), (root / "early.py").read_bytes()]
    (root / "later.py").unlink()
    read.clear()
    scanned, _ = scan(load_project(root))
    assert {each.name for each in scanned.handlers} == {"a"}
    assert read == [(root / "early.py").read_bytes()]
    agrees(root)


def test_a_module_has_another_name_once_the_import_roots_have_changed(root: Path) -> None:
    (root / "src" / "n").mkdir(parents=True)
    (root / "src" / "n" / "__init__.py").write_text(HEAD + "@placed.on\ndef b(x: int): ...\n")
    agrees(root)
    (root / "pyproject.toml").write_text("[tool.upnext]\nsrc = ['other']\n")
    (root / "other").mkdir()
    agrees(root)


@pytest.mark.parametrize("damage", ["", "x", "{}", "\x00" * 100, "upnext scan 1 a b\n[]"])
def test_a_damaged_cache_is_rebuilt(damage: str, root: Path) -> None:
    agrees(root)
    (root / ".upnext" / "scan.cache").write_text(damage)
    assert agrees(root) == 5


WORDS_DAMAGED: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda data: data,
    "nothing": lambda data: b"",
    "cut off in its first line": lambda data: data[:20],
    "cut off": lambda data: data[: len(data) // 2],
    "cut off at a line": lambda data: data[: data.rindex(b"\n")],
    "noise": lambda data: bytes(range(256)),
    "of another version": lambda data: data.replace(b"upnext scan", b"upnext scan 1", 1),
    "other words": lambda data: data.replace(b"other", b"third"),
    "something behind it": lambda data: data + b"\nx.py\t1 2 3",
}


@pytest.mark.parametrize("damage", WORDS_DAMAGED)
def test_the_words_of_files_are_looked_for_again_where_what_is_kept_of_them_is_damaged(
    damage: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And only there: an event that is new is found in each file that takes it of the module."""
    monkeypatch.setattr(cache, "_SETTLED", -1)  # These files are as old as they ever get.
    handler = "import events\n@events.other.on\ndef {}(x: int): ...\n"
    (root / "first.py").write_text(handler.format("b"))
    (root / ("odd_\udcff.py" if sys.platform == "linux" else "odd.py")).write_text(handler.format("c"))
    for each in root.glob("*.py"):
        os.utime(each, ns=(1, 1))
    scan(load_project(root))
    kept = root / ".upnext" / "scan.words"
    kept.write_bytes(WORDS_DAMAGED[damage](kept.read_bytes()))
    looked: list[bytes] = []

    def counted(data: bytes) -> set[bytes]:
        looked.append(data)
        return attributes_in(data)

    monkeypatch.setattr(file_words, "attributes_in", counted)
    (root / "events.py").write_text(f"{HEAD}other = worker.event('order.other')\n")
    scanned, _ = scan(load_project(root))
    assert {each.name for each in scanned.handlers} == {"a", "b", "c"}
    assert (len(looked) < 2) is (damage == "as it is")
    agrees(root)


def test_every_flipped_byte_is_noticed(root: Path) -> None:
    agrees(root)
    path = root / ".upnext" / "scan.cache"
    whole = path.read_bytes()
    for place in range(0, len(whole), max(len(whole) // 20, 1)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        agrees(root)


def test_a_cache_that_others_can_write_is_not_believed(root: Path) -> None:
    agrees(root)
    (root / ".upnext").chmod(0o777)
    assert agrees(root) == 5
    assert agrees(root) == 5


def test_a_cache_folder_that_is_a_link_is_neither_read_nor_written(root: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / ".elsewhere"
    elsewhere.mkdir()
    (root / ".upnext").symlink_to(elsewhere)
    agrees(root)
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("name", [".gitignore", "scan.cache"])
def test_a_link_in_the_cache_folder_is_not_followed(name: str, root: Path, tmp_path: Path) -> None:
    (root / ".upnext").mkdir()
    (root / ".upnext" / name).symlink_to(tmp_path / "made by a link")
    agrees(root)
    assert not (tmp_path / "made by a link").exists()


def test_a_pipe_in_the_place_of_the_cache_is_not_waited_for(root: Path) -> None:
    (root / ".upnext").mkdir()
    os.mkfifo(root / ".upnext" / "scan.cache")
    assert agrees(root) == 5
    assert agrees(root) == 0


def test_a_cache_that_cannot_be_written_is_done_without(root: Path) -> None:
    (root / ".upnext").write_text("a file")
    assert agrees(root) == 5


def test_a_fresh_file_is_read_again_until_its_times_can_be_believed() -> None:
    now = time.time_ns()
    assert not is_settled(SourceFile("a.py", 1, now, now), now)
    assert is_settled(SourceFile("a.py", 1, now, now), now + 3_000_000_000)


def test_a_warm_scan_does_not_load_libcst(root: Path) -> None:
    (root / "bad.py").write_text("import upnext\ntype X = int\n")
    scan(load_project(root))
    code = (
        "import sys; from pathlib import Path; from upnext_codegen.project import load_project;"
        "from upnext_codegen.scan import scan; scan(load_project(Path('.')));"
        "sys.exit(any(name in sys.modules for name in ('libcst', 'jinja2', 'upnext')))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root, check=False)
    assert done.returncode == 0


def test_a_scan_says_the_same_for_any_hash_seed_and_folder(root: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from upnext_codegen.project import load_project;"
        "from upnext_codegen.scan import scan; from upnext_codegen.files.record_json import dumps;"
        "print(dumps(scan(load_project(Path(sys.argv[1])), use_cache=False)))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code, str(root)],
            cwd=folder,
            env=os.environ | {"PYTHONHASHSEED": seed, "LC_ALL": "C"},
            check=True,
            capture_output=True,
        ).stdout
        for seed, folder in [("0", root), ("1", root.parent), ("2", root)]
    }
    assert len(said) == 1


def test_a_change_anywhere_in_the_scanner_makes_every_cache_old(tmp_path: Path) -> None:
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "a.py").write_text("x = 1")
    before = tool_digest(tmp_path)
    assert tool_digest(tmp_path) == before
    (tmp_path / "room" / "a.py").write_text("x = 12")
    assert tool_digest(tmp_path) != before


def test_what_a_process_keeps_is_of_the_scanner_that_it_runs_though_another_stands_there_by_now(root: Path) -> None:
    """As when an update is installed while `upnext gen --watch` or mypy's daemon goes on."""
    tool = shutil.copytree(TOOL, root.parent / "installed" / TOOL.name, ignore=shutil.ignore_patterns("__pycache__"))
    scanned = (
        "import sys; from pathlib import Path; from upnext_codegen.project import load_project;"
        "from upnext_codegen.scan import scan; parsed = lambda: print(scan(load_project(Path('.')))[0].files_parsed);"
    )
    updated = "Path(sys.argv[1]).write_text('# more'); Path('app.py').unlink(); parsed()"

    def run(code: str) -> list[str]:
        variables = os.environ | {"PYTHONPATH": str(tool.parent)}
        command = [sys.executable, "-c", scanned + code, str(tool / "more.py")]
        return subprocess.run(
            command, cwd=root, check=True, stdout=subprocess.PIPE, text=True, env=variables
        ).stdout.split()

    assert run(f"parsed(); {updated}") == ["5", "0"]
    assert run("parsed(); parsed()") == ["3", "0"]


def test_the_whole_scanner_counts() -> None:
    assert (TOOL / "scan.py").is_file()
    assert (TOOL / "names" / "evaluator.py").is_file()


@pytest.mark.parametrize("seen", ["broken = (\n", "import upnext\n", HANDLER.replace("x: M", "y: M")])
def test_a_file_that_changes_while_it_is_scanned_is_looked_at_again(
    seen: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agrees(root)
    (root / "app.py").write_text(seen)

    def work_out_later(self: Incremental) -> None:
        (root / "app.py").write_text(HANDLER)
        work_out(self)

    work_out = Incremental.work_out
    with monkeypatch.context() as patch:
        patch.setattr(Incremental, "work_out", work_out_later)
        scan(load_project(root))
    agrees(root)
    assert [each.name for each in scan(load_project(root))[0].handlers] == ["a"]
