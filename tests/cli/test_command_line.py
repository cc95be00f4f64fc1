"""The command line as a whole: what it says of a wrong command, and how it ends."""

from __future__ import annotations

import subprocess
import sys

import pytest

import upnext
from upnext.cli import main

READS_FIRST = "import sys; sys.stdin.read(); from upnext.cli import main; sys.exit(main(['explain', 'UPN101']))"


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [(("stats",), "status"), (("dead", "purg"), "purge"), (("dead", "list", "--format", "jsn"), "json")],
)
def test_an_unknown_word_gets_the_nearest_one_suggested(
    arguments: tuple[str, ...], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr, with the exit code of a wrong command line."""
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith(f"; did you mean {meant!r}?\n")


def test_a_word_that_is_near_none_gets_no_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    """The commands are listed as ever."""
    assert main(["xyzzy"]) == 2
    assert "did you mean" not in capsys.readouterr().err


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """Alone."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"upnext {upnext.__version__}\n"


def test_a_reader_that_has_gone_is_no_fault() -> None:
    """`upnext explain UPN101 | true` prints nothing on stderr, although the output was never read."""
    process = subprocess.Popen(
        [sys.executable, "-c", READS_FIRST],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, err = process.communicate()
    assert (process.returncode, err) == (0, b"")


def test_ctrl_c_is_exit_code_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a word."""

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("upnext.cli.status.ask", interrupted)
    assert main(["status"]) == 130
    assert capsys.readouterr() == ("", "")
