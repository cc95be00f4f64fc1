from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from upnext_codegen.catalog.writer import Output, current, write
from upnext_codegen.errors import ConfigurationError


def test_only_files_whose_text_has_changed_are_written(tmp_path: Path) -> None:
    one, two = Output(tmp_path / "one", "1\n"), Output(tmp_path / "deep" / "two", "2\n")
    assert write([one, two], tmp_path) == (one.path, two.path)
    before = one.path.stat()
    assert write([one, Output(two.path, "3\n")], tmp_path) == (two.path,)
    assert (before.st_ino, before.st_mtime_ns) == (one.path.stat().st_ino, one.path.stat().st_mtime_ns)
    assert two.path.read_bytes() == b"3\n"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["deep", "one", "two"]


def test_a_checkout_with_windows_line_ends_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"1\r\n2\r\n")
    assert current(tmp_path / "one") == "1\n2\n"
    assert write([Output(tmp_path / "one", "1\n2\n")], tmp_path) == ()
    assert (tmp_path / "one").read_bytes() == b"1\r\n2\r\n"


def test_a_replaced_file_keeps_its_mode_and_a_new_one_obeys_the_umask(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.write_text("")
    old.chmod(0o640)
    before = os.umask(0o027)
    try:
        write([Output(old, "1\n"), Output(tmp_path / "new", "1\n")], tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


def test_a_link_out_of_the_root_is_not_followed(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    root.mkdir()
    elsewhere.write_text("precious")
    (root / "one").symlink_to(elsewhere)
    with pytest.raises(ConfigurationError) as caught:
        write([Output(root / "two", "2\n"), Output(root / "one", "1\n")], root)
    assert str(caught.value) == f"{root}/one leads out of {root}: nothing is written there."
    assert elsewhere.read_text() == "precious"
    assert sorted(path.name for path in root.iterdir()) == ["one"]


def test_a_link_inside_the_root_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("")
    (tmp_path / "one").symlink_to("real")
    write([Output(tmp_path / "one", "1\n")], tmp_path)
    assert (tmp_path / "one").is_symlink()
    assert (tmp_path / "real").read_text() == "1\n"


def test_a_link_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("one")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        write([Output(tmp_path / "one", "1\n")], tmp_path)


def test_a_folder_in_the_way_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()
    with pytest.raises(ConfigurationError) as caught:
        write([Output(tmp_path / "one", "1\n"), Output(tmp_path / "two", "2\n")], tmp_path)
    assert str(caught.value) == f"{tmp_path}/two is not a file, so it cannot be replaced: move it away."
    assert not (tmp_path / "one").exists()


def test_a_pipe_in_the_way_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "one")
    with pytest.raises(ConfigurationError, match="is not a file"):
        current(tmp_path / "one")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_to_is_a_fault_and_nothing_is_left_behind(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    with pytest.raises(ConfigurationError, match="cannot be written: Permission denied"):
        write([Output(tmp_path / "one", "1\n"), Output(folder / "two", "2\n")], tmp_path)
    assert not (tmp_path / "one").exists()


def test_many_writers_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    texts = [f"{number}\n" * 5000 for number in range(8)]
    threads = [threading.Thread(target=write, args=([Output(tmp_path / "one", text)], tmp_path)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "one").read_text() in texts
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_what_a_killed_writer_left_is_cleared_away_after_an_hour(tmp_path: Path) -> None:
    left, fresh, other = (tmp_path / name for name in (".one.0a.tmp", ".one.0b.tmp", ".two.0a.tmp"))
    for path in (left, fresh, other):
        path.touch()
    for path in (left, other):
        os.utime(path, (1, 1))
    write([Output(tmp_path / "one", "1\n")], tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".one.0b.tmp", ".two.0a.tmp", "one"]


def test_a_stub_that_is_no_python_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^catalog.pyi would not be Python: invalid syntax: b c$"):
        write([Output(tmp_path / "lock", "1\n"), Output(tmp_path / "catalog.pyi", "a = 1\nb c\n")], tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_class_that_is_no_python_is_never_written_beside_others_that_were_there(tmp_path: Path) -> None:
    whole = "import a\n\nclass A:\n    x: int\n"
    write([Output(tmp_path / "catalog.pyi", whole)], tmp_path)
    with pytest.raises(ValueError, match=r"^catalog.pyi would not be Python: duplicate argument 'x' in function"):
        write([Output(tmp_path / "catalog.pyi", f"{whole}\nclass B:\n    def f(x, x): ...\n")], tmp_path)
    assert (tmp_path / "catalog.pyi").read_text() == whole


def test_a_file_that_is_replaced_at_once_is_a_second_younger_for_tools_that_compare_seconds(tmp_path: Path) -> None:
    path = tmp_path / "upnext_catalog.pyi"
    times = []
    for text in ("a", "b", "c"):
        write([Output(path, text)], tmp_path)
        times.append(int(path.stat().st_mtime))
    assert times == sorted(set(times))
