# ruff: noqa: E501 - reports are written as they are printed
from __future__ import annotations

import json
import sys
from dataclasses import replace

from tests.contract.writing import MODELS, handlers
from upnext_codegen.findings import Finding, Related
from upnext_codegen.merging.contracts import contracts
from upnext_codegen.output.as_github import as_github
from upnext_codegen.output.as_json import as_json
from upnext_codegen.output.as_sarif import as_sarif
from upnext_codegen.output.as_text import as_text
from upnext_codegen.output.paint import Paint
from upnext_codegen.records import Declaration, Place, Scan
from upnext_codegen.report import Report
from upnext_codegen.rules import CODES

ERROR = Finding(
    code="UPN101",
    severity="error",
    message='field "amount" of "order.placed" is str here but int in handler "charge"',
    place=Place("shop/billing.py", 9, 23),
    help="make both handlers take the same type",
    related=(Related(Place("shop/email.py", 14, 5), "int here"),),
)
HOSTILE = Finding(
    code="UPN004",
    severity="error",
    message='event name "a\x1b[31m\r\nb%\u202e" is not allowed',
    place=Place("shop/a b,c:d\x1b.py", 1, 1),
    help="use 100% plain\nletters",
)


def report(
    *findings: Finding, changed: tuple[str, ...] = (), checked: bool = False, diffs: tuple[str, ...] = ()
) -> Report:
    found = handlers(
        """
        confirm(order_id: str, note: str | None = None, **kwargs)
        charge(order_id: str, amount: Price, **kwargs: object)
        """
    )
    declarations = (Declaration("user.gone", "shop", None, Place("shop/events.py", 1, 1)),)
    scan = Scan(declarations, tuple(found), classes=dict(MODELS.classes))
    return Report(
        findings=findings,
        contract=contracts(scan)[0],
        checked=checked,
        files=("src/upnext_catalog.pyi", "upnext.lock"),
        changed=changed,
        stale=any(finding.code == "UPN301" for finding in findings),
        diffs=diffs,
        files_scanned=41,
        files_parsed=6,
    )


def test_text_shows_the_events_what_is_wrong_and_what_was_written() -> None:
    assert (
        as_text(report(ERROR, changed=("src/upnext_catalog.pyi", "upnext.lock")), Paint())
        == """\
event         field        type                  asked for by
order.placed  amount       Price       required  charge
              order_id     str         required  charge, confirm
              note         str | None  optional  confirm
              (any other)  object      optional  **kwargs of every handler
user.gone                                        no handler found: sends are not checked

shop/billing.py:9:23: error[UPN101]: field "amount" of "order.placed" is str here but int in handler "charge"
  shop/email.py:14:5: int here
  help: make both handlers take the same type

wrote src/upnext_catalog.pyi, upnext.lock
2 events, 2 handlers in 41 files: 1 error
"""
    )


def test_text_of_a_check_shows_no_table_but_the_difference() -> None:
    stale = Finding("UPN301", "error", "upnext.lock is out of date", Place("upnext.lock", 1, 1), "run `upnext gen`")
    assert (
        as_text(report(stale, checked=True, diffs=("--- a\n+++ b\n-\x1b",)), Paint())
        == """\
upnext.lock:1:1: error[UPN301]: upnext.lock is out of date
  help: run `upnext gen`

--- a
+++ b
-\\x1b

wrote nothing
2 events, 2 handlers in 41 files: 1 error
"""
    )


def test_text_of_a_clean_check_is_two_lines() -> None:
    assert as_text(report(checked=True), Paint()) == (
        "up to date: src/upnext_catalog.pyi, upnext.lock\n2 events, 2 handlers in 41 files: nothing to report\n"
    )


def test_text_never_lets_a_source_speak_to_the_terminal() -> None:
    text = as_text(report(HOSTILE), Paint())
    assert all(line.isprintable() for line in text.split("\n"))
    assert 'shop/a b,c:d\\x1b.py:1:1: error[UPN004]: event name "a\\x1b[31m\\r\\nb%\\u202e" is not allowed' in text


def test_text_on_a_terminal_is_the_same_with_colour_around_it() -> None:
    plain, colourful = (as_text(report(ERROR), Paint(colour=colour)) for colour in (False, True))
    assert "\x1b[1;31merror[UPN101]\x1b[0m" in colourful
    for code in ("1;31", "1;33", "36", "1", "2", "0"):
        colourful = colourful.replace(f"\x1b[{code}m", "")
    assert colourful == plain


def test_long_types_and_many_events_do_not_flood_the_terminal() -> None:
    found = handlers(f"confirm(kind: Literal[{', '.join(repr(f'kind{number}') for number in range(50))}])")
    scan = Scan((), tuple(found))
    text = as_text(Report((), contracts(scan)[0], checked=False, files=("upnext.lock",)), Paint())
    assert text.splitlines()[1] == (
        'order.placed  kind   Literal["kind0", "kind1", "kind2", "kind3...  required  confirm'
    )
    many = tuple(Declaration(f"event{number}", "w", None, Place("a.py", 1, 1)) for number in range(61))
    text = as_text(Report((), contracts(Scan(many, ()))[0], checked=False, files=("upnext.lock",)), Paint())
    assert text.splitlines()[0] == "61 events: too many for a table here, upnext.lock lists them"


def test_json_is_one_object_with_everything() -> None:
    assert json.loads(as_json(report(ERROR, changed=("upnext.lock",)))) == {
        "diagnostics": [
            {
                "code": "UPN101",
                "severity": "error",
                "message": 'field "amount" of "order.placed" is str here but int in handler "charge"',
                "file": "shop/billing.py",
                "line": 9,
                "column": 23,
                "help": "make both handlers take the same type",
                "related": [{"file": "shop/email.py", "line": 14, "column": 5, "message": "int here"}],
            }
        ],
        "events": 2,
        "handlers": 2,
        "sends": 0,
        "files_scanned": 41,
        "files_parsed": 6,
        "changed": ["upnext.lock"],
    }
    assert as_json(report(HOSTILE)).isascii()


def test_github_gets_one_command_a_finding() -> None:
    assert as_github(report(ERROR, HOSTILE)) == (
        '::error file=shop/billing.py,line=9,col=23,title=UPN101::field "amount" of "order.placed" is str here but int in handler "charge"%0Ashop/email.py:14:5: int here%0Ahelp: make both handlers take the same type\n'
        '::error file=shop/a b%2Cc%3Ad\\x1b.py,line=1,col=1,title=UPN004::event name "a\\x1b[31m\\r\\nb%25\\u202e" is not allowed%0Ahelp: use 100%25 plain\\nletters\n'
    )


def test_sarif_names_every_rule_and_every_place() -> None:
    data = json.loads(as_sarif(report(ERROR, HOSTILE)))
    assert data["version"] == "2.1.0"
    (run,) = data["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == list(CODES)
    assert run["results"][0] == {
        "ruleId": "UPN101",
        "ruleIndex": 6,
        "level": "error",
        "message": {
            "text": 'field "amount" of "order.placed" is str here but int in handler "charge". Help: make both handlers take the same type'
        },
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": "shop/billing.py", "uriBaseId": "%SRCROOT%"},
                    "region": {"startLine": 9, "startColumn": 23},
                }
            }
        ],
        "relatedLocations": [
            {
                "id": 0,
                "physicalLocation": {
                    "artifactLocation": {"uri": "shop/email.py", "uriBaseId": "%SRCROOT%"},
                    "region": {"startLine": 14, "startColumn": 5},
                },
                "message": {"text": "int here"},
            }
        ],
    }
    hostile = run["results"][1]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert hostile == "shop/a%20b%2Cc%3Ad%1B.py"


def test_notes_are_in_every_format() -> None:
    """They say what was not compared: where nothing else is printed, that looks like a comparison that found nothing."""
    noted = replace(report(ERROR), notes=("100% of 'a\x1b' is new", "second"))
    assert "\nnote: 100% of 'a\\x1b' is new\nnote: second\n" in as_text(noted, Paint())
    assert json.loads(as_json(noted))["notes"] == [*noted.notes]
    assert as_github(noted).partition("\n")[2] == (
        "::notice title=upnext::100%25 of 'a\\x1b' is new\n::notice title=upnext::second\n"
    )
    ((run,), (plain,)) = (json.loads(as_sarif(each))["runs"] for each in (noted, report(ERROR)))
    assert run["invocations"] == [
        {
            "executionSuccessful": True,
            "toolExecutionNotifications": [{"level": "note", "message": {"text": each}} for each in noted.notes],
        }
    ]
    assert "invocations" not in plain


def test_names_of_files_that_are_no_text_can_be_reported_in_every_format() -> None:
    odd = Finding("UPN001", "error", "m", Place("a\udcff.py", 1, 1), "h")
    for write in (as_json, as_github, as_sarif, lambda found: as_text(found, Paint())):
        write(report(odd)).encode(sys.getfilesystemencoding(), "backslashreplace")
