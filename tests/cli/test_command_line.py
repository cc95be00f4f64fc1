"""The command line as a whole: what it says of a wrong command, and how it ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_the_shell_has_closed_is_no_fault(closed: str) -> None:
    """What would be written there goes nowhere."""
    done = subprocess.run(
        ["sh", "-c", f'"$0" -m upnext explain UPN101 {closed}', sys.executable], capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_ctrl_c_while_the_command_line_is_being_loaded_is_exit_code_130_too() -> None:
    """Without a traceback."""
    code = (
        "import sys\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'upnext.cli': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\n"
        "from upnext.__main__ import run\n"
        "sys.exit(run())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_ctrl_c_is_exit_code_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a word."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("upnext.cli.status.ask", interrupted)
    assert main(["status"]) == 130
    assert capsys.readouterr() == ("", "")


@pytest.fixture
def deleted_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the current folder deleted, as a script that cleans up does."""
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()


@pytest.mark.usefixtures("deleted_folder")
@pytest.mark.parametrize(
    "command",
    [
        *("gen", "gen --check", "gen --files", "gen --watch", "graph", "doctor types", "init", "send order.placed"),
        *("pull redis://127.0.0.1:1", "rename event a.b a.c", "export asyncapi", "contracts diff", "status"),
    ],
)
def test_a_command_that_needs_the_current_folder_says_that_it_is_gone(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one plain line; `status` needs it where no server is configured, to find the project's own."""
    monkeypatch.delenv("UPNEXT_REDIS_URL", raising=False)
    assert main(command.split()) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("upnext: The current folder does not exist any more")
    assert "change to one that does" in err


@pytest.mark.usefixtures("deleted_folder")
def test_python_minus_m_starts_in_a_folder_that_is_gone() -> None:
    """What needs no folder works there."""
    done = subprocess.run([sys.executable, "-m", "upnext", "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"upnext {upnext.__version__}\n", "")


SLOW = (
    *("asyncio", "fastapi", "json", "libcst", "opentelemetry", "opentelemetry.sdk", "prometheus_client", "pydantic"),
    *("redis", "shtab", "upnext_codegen"),
)


@pytest.mark.parametrize(
    ("words", "loaded"),
    [
        (("--version",), ""),
        (("--help",), "asyncio json"),
        (("status", "--redis-url", "redis://127.0.0.1:1"), "asyncio json redis"),
    ],
    ids=str,
)
def test_a_command_loads_only_what_it_needs(
    words: tuple[str, ...], loaded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which is most of the time that it takes; redis-py alone would load OpenTelemetry with its SDK.

    Nor has it Python look through all that for garbage at its end, which is a quarter of the time.
    """
    monkeypatch.delenv("PYTHONPATH")  # the SDK can be found
    code = (
        "import gc, sys\nfrom upnext.__main__ import run\nrun()\nleft = len(gc.get_objects())\n"
        f"print(left, *set({SLOW!r}) & sys.modules.keys(), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    left, *found = done.stderr.splitlines()[-1].split()
    assert set(found) <= {*loaded.split()}
    assert int(left) < 100


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
@pytest.mark.parametrize("command", [["explain", "UPN101"], ["--help"], ["--version"], ["completion", "bash"]])
def test_an_output_that_cannot_be_written_is_said_in_a_line_and_no_wrong_usage(
    command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full, perhaps; a script can tell that from a command that it has written wrongly."""
    with Path("/dev/full").open("wb") as full:
        words = [sys.executable, "-m", "upnext", *command]
        monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)  # what is written is noticed later without it
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, check=False)
        assert (done.returncode, done.stderr) == (4, b"upnext: The output cannot be written: No space left on device\n")
        # Where nothing can be said, the exit code says it all.
        assert subprocess.run(words, stdout=full, stderr=full, check=False).returncode == 4
        assert subprocess.run([*words, "--nonsense"], stdout=full, stderr=full, check=False).returncode in {2, 4}
