"""What a scan of many files does differently: it keeps changes beside its cache, and lists files while it starts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.codegen.reading import HEAD, write
from upnext_codegen.files import ahead, cache, pool
from upnext_codegen.files.ahead import discover_ahead
from upnext_codegen.files.discover import Discovery, discover
from upnext_codegen.project import Project, load_project
from upnext_codegen.scan import scan

HANDLER = "from events import placed\n@placed.on\ndef a(x: int): ...\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with so many files that one change is little beside them."""
    # On a slow machine all files would come of age in the middle of a test, which is a change of each.
    monkeypatch.setattr(cache, "_SETTLED", 10**18)
    write(tmp_path, {f"other_{number}.py": "" for number in range(400)} | {"events.py": HEAD, "app.py": HANDLER})
    for path in tmp_path.glob("*.py"):
        os.utime(path, ns=(1, 1))
    scan(load_project(tmp_path))
    return tmp_path


def held(root: Path, name: str) -> bytes:
    return (root / ".upnext" / name).read_bytes()


def fields(root: Path) -> list[list[str]]:
    """The fields of each handler by the cache, which must be those without it."""
    warm, cold = scan(load_project(root)), scan(load_project(root), use_cache=False)
    assert (warm[0].handlers, warm[1]) == (cold[0].handlers, cold[1])
    return [[each.name for each in handler.parameters] for handler in warm[0].handlers]


def change(root: Path, field: str) -> list[list[str]]:
    (root / "app.py").write_text(HANDLER.replace("x:", f"{field}:"))
    return fields(root)


def test_one_change_is_kept_beside_the_cache_and_the_next_scan_reads_both(root: Path) -> None:
    before = held(root, "scan.cache")
    assert change(root, "y") == [["y"]]
    assert held(root, "scan.cache") == before
    assert len(held(root, "scan.delta")) < len(before) / 8
    assert fields(root) == [["y"]]
    assert scan(load_project(root))[0].files_parsed == 0


def test_changes_add_up_until_a_new_cache_is_written(root: Path) -> None:
    before, sizes = held(root, "scan.cache"), list[int]()
    for number in range(400):
        (root / f"other_{number}.py").write_text("import upnext\n")
        scan(load_project(root))
        if held(root, "scan.cache") != before:
            break
        sizes.append(len(held(root, "scan.delta")))
    assert sizes == sorted(sizes)
    assert 3 < len(sizes) < 400
    assert fields(root) == [["x"]]


def test_files_that_come_and_go_are_kept_beside_the_cache(root: Path) -> None:
    (root / "app.py").unlink()
    assert fields(root) == []
    (root / "more.py").write_text(HANDLER)
    assert fields(root) == [["x"]]
    (root / "more.py").unlink()
    assert change(root, "y") == [["y"]]
    assert scan(load_project(root))[0].files_parsed == 0


def test_every_flipped_byte_of_what_has_changed_is_noticed(root: Path) -> None:
    change(root, "y")
    whole = held(root, "scan.delta")
    for place in range(0, len(whole), max(len(whole) // 20, 1)):
        (root / ".upnext" / "scan.delta").write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert fields(root) == [["y"]]


@pytest.mark.parametrize("damage", ["", "x", "\n", "{}", "\x00" * 100])
def test_what_has_changed_is_found_again_where_that_is_damaged(damage: str, root: Path) -> None:
    change(root, "y")
    (root / ".upnext" / "scan.delta").write_text(damage)
    assert fields(root) == [["y"]]


def test_what_has_changed_since_another_cache_is_not_believed(root: Path) -> None:
    change(root, "y")
    stale = held(root, "scan.delta")
    for name in ("scan.cache", "scan.delta"):
        (root / ".upnext" / name).unlink()
    change(root, "z")
    (root / ".upnext" / "scan.delta").write_bytes(stale)
    assert fields(root) == [["z"]]


def test_a_link_in_the_place_of_what_has_changed_is_not_followed(root: Path, tmp_path: Path) -> None:
    (root / ".upnext" / "scan.delta").symlink_to(tmp_path / "made by a link")
    assert change(root, "y") == [["y"]]
    assert not (tmp_path / "made by a link").exists()


@pytest.fixture
def forking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let other processes be forked, whatever the machine and this process are like."""
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("other processes are used where they can be forked")
    monkeypatch.setattr(ahead, "processors", lambda: 2)
    monkeypatch.setattr(pool, "processors", lambda: 2)
    # Threads that tests of other things have left in this process are none of a command's.
    monkeypatch.setattr(threading, "active_count", lambda: 1)


@pytest.fixture
def beside(forking: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files be listed in another process, however few there are."""
    monkeypatch.setattr(ahead, "_WORTH_IT", 1)


@pytest.mark.usefixtures("beside")
def test_files_listed_in_another_process_are_those_of_this_one(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "linked.py").symlink_to(root / "app.py")
    (root / "deep").mkdir()
    os.link(root / "events.py", root / "deep" / "same.py")
    (root / "a\udcffb.py").write_text("")
    listed, own = list[Project](), os.getpid()

    def noticed(project: Project) -> Discovery:
        if os.getpid() == own:
            listed.append(project)
        return discover(project)

    monkeypatch.setattr(ahead, "discover", noticed)
    with discover_ahead(load_project(root)) as listing:
        found = listing()
    assert found == discover(load_project(root))
    assert [type(each) for each in found.files] == [type(each) for each in discover(load_project(root)).files]
    assert found.aliases
    assert listed == []


@pytest.mark.usefixtures("beside")
def test_no_files_at_all_can_be_listed_in_another_process(root: Path) -> None:
    for path in root.glob("*.py"):
        path.unlink()
    with discover_ahead(load_project(root)) as listing:
        assert listing().files == ()


@pytest.mark.usefixtures("beside")
@pytest.mark.parametrize("fate", ["killed", "raises"])
def test_files_are_listed_here_where_the_other_process_did_not_come_to_its_end(
    fate: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = os.getpid()

    def stopped(project: Project) -> Discovery:
        if os.getpid() == own:
            return discover(project)
        if fate == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        raise KeyboardInterrupt

    monkeypatch.setattr(ahead, "discover", stopped)
    with discover_ahead(load_project(root)) as listing:
        assert listing() == discover(load_project(root))


LISTED = """
import os, signal, sys
from pathlib import Path
from upnext_codegen.files import ahead, pool
from upnext_codegen.project import load_project
ahead._WORTH_IT, ahead.processors = 1, lambda: 2
signal.signal(signal.SIGINT, signal.default_int_handler)  # A shell has what it starts in the background ignore it.
with ahead.discover_ahead(load_project(Path("."))) as listing:
    STOP
"""


@pytest.mark.usefixtures("beside")
@pytest.mark.parametrize(
    ("stop", "code"),
    [
        ("sys.exit(7)", 7),
        ("os.kill(os.getpid(), signal.SIGINT)", -signal.SIGINT),
        ("os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
    ],
)
def test_however_a_run_ends_before_it_asks_no_process_is_left(stop: str, code: int, root: Path) -> None:
    """The other one has more to say than a pipe holds, and the output of the run as well: it must not wait for ever."""
    for number in range(1500):
        (root / f"a_file_with_a_name_that_is_so_long_that_many_of_them_fill_a_pipe_{number}.py").touch()
    done = subprocess.run(
        [sys.executable, "-c", LISTED.replace("STOP", stop)], cwd=root, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == code


@pytest.mark.usefixtures("beside")
def test_files_are_listed_here_where_no_process_can_be_started(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refused)
    monkeypatch.setattr("upnext_codegen.files.pool._WORTH_IT", 1)
    with discover_ahead(load_project(root)) as listing:
        found, findings = scan(load_project(root), use_cache=False, listing=listing)
    assert findings == ()
    assert [each.name for each in found.handlers] == ["a"]


WAITED_FOR = """
try:
    LISTED
except ValueError:
    pass
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    sys.exit(7)
"""


@pytest.mark.usefixtures("beside")
@pytest.mark.parametrize("stop", ["pass", "listing()", "raise ValueError"])
def test_the_other_process_is_waited_for_whether_it_was_asked_or_not(stop: str, root: Path) -> None:
    """No zombie is left in a process that goes on, as `--watch` does."""
    listed = LISTED.replace("STOP", stop).strip().replace("\n", "\n    ")
    code = "import os, sys\n" + WAITED_FOR.replace("LISTED", listed)
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (7, b"")


@pytest.mark.usefixtures("forking")
def test_what_a_killed_process_had_in_hand_is_done_here(tmp_path: Path) -> None:
    """As where memory runs out: the scan waited for ever."""
    parent, killed = os.getpid(), tmp_path / "killed"

    def job(path: str) -> str:
        if path == "7" and os.getpid() != parent:
            killed.write_text("")
            os.kill(os.getpid(), signal.SIGKILL)
        return path * 2

    paths = [str(number) for number in range(1_000)]
    assert list(pool.spread(job, paths, 10_000_000)) == [(path, path * 2) for path in paths]
    assert killed.exists()
