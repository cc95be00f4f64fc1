"""Progress: on a terminal, of what takes long, and gone when it ends."""

from __future__ import annotations

import io
import subprocess
import sys
import time

import pytest

from upnext.cli.progress import Progress
from upnext_codegen.files.pool import spread
from upnext_codegen.progress import observed

ON_TERMINAL = """
import os, pty, sys
sys.exit(os.waitstatus_to_exitcode(pty.spawn([sys.executable, "-c", sys.argv[1]])))
"""
WORK = """
from upnext.cli import progress
from upnext.cli.progress import Progress
from upnext.cli.terminal import escaped_streams
progress._FIRST = progress._BETWEEN = 0.0
with escaped_streams(), Progress("files read") as shown:
    shown.show(1, 2000)
    shown.show(2000, 2000)
print("end")
"""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_one_line_that_is_cleared_at_the_end() -> None:
    """Also through the net that escapes what moves the cursor."""
    done = subprocess.run([sys.executable, "-c", ON_TERMINAL, WORK], capture_output=True, check=True)
    clear = b"\r\x1b[K"
    assert done.stdout.split(clear) == [b"", b"1 of 2,000 files read", b"2,000 of 2,000 files read", b"end\r\n"]


def test_nothing_is_written_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    """Nor by what takes no longer than half a second."""
    with Progress("files read") as progress:
        assert not progress.is_watched
        progress.show(1, 2)
    assert capsys.readouterr().err == ""


def test_what_is_quick_shows_nothing_and_what_is_slow_a_line_ten_times_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However often it is told."""
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(sys, "stderr", stream := Terminal())
    monkeypatch.setenv("TERM", "xterm")
    with Progress("dead letters") as progress:
        progress.show(1)
        assert stream.getvalue() == ""
        now += 0.6
        for count in range(2, 50):
            progress.show(count)
        assert stream.getvalue() == "\r\x1b[K2 dead letters"


def test_a_scan_tells_its_observer_of_every_file() -> None:
    """Within the block, and nobody after it."""
    told: list[tuple[int, int]] = []
    with observed(lambda done, total: told.append((done, total))):
        assert list(spread(str.upper, ["a", "b"], 2)) == [("a", "A"), ("b", "B")]
    assert list(spread(str.upper, ["a"], 1)) == [("a", "A")]
    assert told == [(1, 2), (2, 2)]
