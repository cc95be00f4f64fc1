from __future__ import annotations

import re

import pytest

from tests.cli.projects import Outcome, Shell
from upnext_codegen.rules import CODES, PLUGIN_CODES, RETIRED_CODES, Rule, former_codes, rule

_FILE = re.compile(r"^# (\S+(?: \(before\))?)$", re.MULTILINE)


def write_example(shell: Shell, found: Rule) -> tuple[str, ...]:
    """Write the files of an example, and return the options that the command needs for it."""
    text = re.sub(r"^    ", "", found.example, flags=re.MULTILINE)
    _, *pairs = _FILE.split(text)
    files = {name: source.strip("\n") + "\n" for name, source in zip(pairs[::2], pairs[1::2], strict=True)}
    before = {name.removesuffix(" (before)"): text for name, text in files.items() if name.endswith(" (before)")}
    shell.write({"shop/__init__.py": "", **before})
    if before:
        shell.run("gen")
        (shell.root / "upnext.lock").rename(shell.root / "before.lock")
    shell.write({name: text for name, text in files.items() if not name.endswith(" (before)")})
    if "deployed.json" in files:
        return ("--against", "deployed.json")
    return ("--against", "before.lock") if before else ()


@pytest.mark.parametrize("code", sorted({*CODES} - {"UPN432"}))  # about jobs on a server: test_deployed.py
def test_the_example_of_a_rule_is_what_gen_says_of_it(empty: Shell, code: str) -> None:
    found = rule(code)
    options = write_example(empty, found)
    if code != "UPN302":
        empty.run("gen")
    if found.reporter == "`upnext gen`":
        done = empty.run("gen", "--check", *options) if code != "UPN301" else checked_without_files(empty)
    else:
        done = empty.run(*found.reporter.strip("`").split()[1:])
    said = re.sub(r"^    ", "", found.output, flags=re.MULTILINE)
    reported, _, _ = done.out.partition("\n\n")
    assert reported == said
    codes = re.findall(r"(\w+)\[(UPN\d+)\]", said)
    assert code in {each for _, each in codes}
    assert any((severity, code) in codes for severity in found.severities)


def checked_without_files(shell: Shell) -> Outcome:
    for path in shell.root.glob("upnext*"):
        path.unlink()
    return shell.run("gen", "--check")


def test_a_rule_is_printed_with_its_reasons_its_example_and_its_output(empty: Shell) -> None:
    done = empty.run("explain", "upn108")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("UPN108 (warning): a field that can never be sent\n\nEvery handler of an event receives")
    assert "\nExample:\n\n    # shop/events.py\n" in done.out
    assert "\n`upnext gen` says:\n\n    shop/stock.py:" in done.out


def test_a_retired_code_says_what_is_reported_in_its_place(empty: Shell) -> None:
    done = empty.run("explain", "UPN401")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("UPN401 (retired): a change that breaks earlier senders\n\n")
    assert "\nReported now as:\n\n    UPN411 (error): a new field is required\n" in done.out
    for code in RETIRED_CODES:
        assert code not in CODES
        assert rule(code).successors
        assert all(former_codes(each) == (code,) for each in rule(code).successors)


def test_a_code_that_does_not_exist_is_refused_with_those_that_do(empty: Shell) -> None:
    done = empty.run("explain", "UPN7")
    assert (done.code, done.out) == (2, "")
    assert done.err == f"upnext: there is no code 'UPN7'; the codes are {', '.join((*CODES, *PLUGIN_CODES))}\n"


def test_the_rights_are_those_of_the_namespace_in_use(empty: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPNEXT_NAMESPACE", "staging")
    done = empty.run("explain", "rights")
    assert (done.code, done.err) == (0, "")
    assert "    ACL SETUSER upnext on >PASSWORD ~upnext:{staging:[0-9]}:* " in done.out
    more = done.out.partition("Some commands need more")[2]
    for right in ("+config|get", "+lset", "+scan"):
        assert right in more, "what a refusal that leads here may name"
