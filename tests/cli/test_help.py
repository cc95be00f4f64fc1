"""Help, examples, whole flags and completion: what somebody who does not know the command line finds by trying."""

from __future__ import annotations

import argparse
import asyncio
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import upnext
from tests.runtime.running import running
from upnext.cli import full_parser, main
from upnext.cli.parser import Parser, parse

LONG_RUNNING = (("run",), ("exporter",), ("dashboard",), ("doctor", "types"))
"""Commands whose examples are read and not run: they run until they are stopped, or run every type checker."""


def parsers(parser: argparse.ArgumentParser, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Parser]]:
    assert isinstance(parser, Parser)
    yield path, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, each in action.choices.items():
                yield from parsers(each, (*path, name))


EVERY = dict(parsers(full_parser()))


RELAY = """
from sqlalchemy import MetaData, NullPool, create_engine
from upnext.sqlalchemy import Outbox

metadata = MetaData()
outbox = Outbox(metadata)
engine = create_engine("sqlite:///outbox.db", poolclass=NullPool)
metadata.create_all(engine)
relay = outbox.relay(engine, worker)
"""


def examples_of(parser: Parser) -> list[list[str]]:
    _, head, listed = parser.format_help().partition("examples:\n")
    lines = [shlex.split(line, comments=True) for line in listed.splitlines() if line.strip()]
    return [line[1:] for line in lines if head and line[0] == "upnext"]


EXAMPLES = list(dict.fromkeys(tuple(line) for parser in EVERY.values() for line in examples_of(parser)))


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_the_help_of_every_command_ends_with_an_example_of_it(path: tuple[str, ...]) -> None:
    """Which begins with the command that it is of."""
    found = examples_of(EVERY[path])
    assert found
    assert all(tuple(line[: len(path)]) == path for line in found)


@pytest.mark.parametrize("line", EXAMPLES, ids=" ".join)
def test_every_example_can_be_read(line: tuple[str, ...]) -> None:
    """By the parser of its command."""
    if line[-1] == "--help":
        return
    assert callable(parse(full_parser(), line).command)


def test_every_example_works(
    tmp_path: Path, valkey_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a project whose worker has run: none of them is refused as it stands."""
    project = tmp_path / "shop"
    project.mkdir()
    monkeypatch.chdir(project)
    monkeypatch.setenv("UPNEXT_REDIS_URL", valkey_url)
    source = "import upnext\nworker = upnext.Worker('shop')\norder_placed = worker.event('order.placed')\n"
    handler = "@order_placed.on\nasync def send_confirmation(order_id: str, count: int = 1): ...\n"
    (project / "service.py").write_text(source + handler + RELAY)
    (project / "pyproject.toml").touch()
    assert main(["gen"]) == 0
    for command in ("init -q -b main", "add .", "-c user.name=a -c user.email=a@b commit -q -m shop"):
        subprocess.run(["git", *command.split()], check=True)
    shutil.copytree(project, tmp_path / "orders")  # the other project that contracts are pulled from
    worker = upnext.Worker("shop", redis_url=valkey_url)

    @worker.event("order.placed").on
    async def send_confirmation(order_id: str, count: int = 1) -> None: ...

    async def connect() -> None:
        async with running(worker):
            pass

    asyncio.run(connect())
    capsys.readouterr()
    tried = [line for line in EXAMPLES if line[:1] not in LONG_RUNNING and line[:2] not in LONG_RUNNING]
    ends = {line: (main(line), capsys.readouterr().err) for line in tried}
    assert {line: end for line, end in ends.items() if end[0] not in {0, 1} or "Traceback" in end[1]} == {}


@pytest.mark.parametrize("words", [(), ("dead",), ("jobs",), ("handlers",)], ids=" ".join)
def test_a_command_that_is_not_named_prints_the_help(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """On standard error, with the exit code of a wrong command line, as no command has been run."""
    assert main([*words, "--help"]) == 0
    asked = capsys.readouterr()
    assert main(words) == 2
    assert capsys.readouterr() == ("", asked.out)
    assert "examples:" in asked.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--versoin",), "unrecognized arguments: --versoin; did you mean '--version'?"),
        (("gen", "--chek"), "unrecognized arguments: --chek; did you mean '--check'?"),
        (("gen", "--che"), "unrecognized arguments: --che; did you mean '--check'?"),
        (("status", "--form", "json"), "unrecognized arguments: --form; did you mean '--format'?"),
        (("dead", "purge", "--al", "--ye"), "unrecognized arguments: --al --ye; did you mean '--all', '--yes'?"),
        (("run", "--prob=1"), "the following arguments are required: file; did you mean '--probe'?"),
        (("jobs", "cancle"), "did you mean 'cancel'?"),
        (("gen", "--xyzzy"), "unrecognized arguments: --xyzzy"),
    ],
    ids=str,
)
def test_a_flag_is_written_out_and_a_near_one_is_suggested(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the command that it was meant for, below its usage."""
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith(f"{said}\n")
    assert err.startswith(f"usage: {' '.join(('upnext', *[word for word in words[:1] if word.isalpha()]))} ")


def test_a_command_that_is_spelt_out_is_suggested_in_its_short_form(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate"]) == 2
    assert capsys.readouterr().err.endswith("did you mean 'gen'?\n")


def test_no_command_takes_an_abbreviated_flag() -> None:
    """Also none of a subcommand."""
    assert [path for path, parser in EVERY.items() if parser.allow_abbrev] == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("upnext", "sta"), ["status"]),
        (("upnext", "dead", "re"), ["replay"]),
        (("upnext", "dead", "list", "--re"), ["--reason", "--redis-url"]),
        (("upnext", "gen", "--format", "s"), ["sarif"]),
    ],
    ids=str,
)
def test_bash_completes_commands_flags_and_choices(words: tuple[str, ...], expected: list[str], tmp_path: Path) -> None:
    """With what `upnext completion bash` prints, as bash itself asks."""
    done = subprocess.run([sys.executable, "-m", "upnext", "completion", "bash"], capture_output=True, check=True)
    (tmp_path / "script").write_bytes(done.stdout)
    ask = 'source ./script; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _shtab_upnext; printf "%s\\n" "${COMPREPLY[@]}"'
    told = subprocess.run(["bash", "-c", ask, "-", *words], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert {line.strip() for line in told.stdout.splitlines()} == {*expected}


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In their own words; a shell that is unknown gets a suggestion."""
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert [name for (name, *_) in filter(None, EVERY) if name not in script] == []
    assert main(["completion", "bsh"]) == 2
    assert capsys.readouterr().err.endswith("did you mean 'bash'?\n")


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"FORCE_COLOR": ""}, False),
    ],
    ids=str,
)
def test_a_pipe_gets_colours_only_if_they_are_forced(
    valkey_url: str,
    variables: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    coloured: bool,
) -> None:
    """NO_COLOR wins; an empty variable says nothing."""
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert main(["status", "--redis-url", valkey_url]) == 0
    assert ("\x1b[1m" in capsys.readouterr().out) is coloured
