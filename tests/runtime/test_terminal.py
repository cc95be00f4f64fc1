"""No command prints a character that could move a cursor, whether a sender, another program or the user wrote it."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from upnext import cli
from upnext.broker.claims import DeadLetter
from upnext.broker.job_failure import JobFailure
from upnext.broker.job_ids import QueueEntry, new_event_id
from upnext.broker.keys import Keys
from upnext.cli import main, terminal

BAD = "\x1b]0;t\x07\x1b[2J\x9b31m\u202e\u2066\u200b\u2028\x7f\r\x08\ud800"
WRITTEN = BAD[:-1]  # a lone surrogate cannot be written
STORED = f"{WRITTEN}\udcff"  # on a server can be a byte that is not UTF-8
JOB, DEAD = f"{new_event_id()}.0", f"{new_event_id()}.0"

COMMANDS = {
    "status": [["status"], ["status", "--format", "json"], ["status", f"x{BAD}.py"]],
    "doctor": [["doctor"], ["doctor", "--format", "json"]],
    "dead": [
        *(["dead", "list"], ["dead", "list", "--format", "json"], ["dead", "list", "--since", BAD]),
        *(["dead", "show", DEAD, "--payload"], ["dead", "show", f"j{STORED}.0"], ["dead", "show", BAD]),
        *(["dead", "replay", f"j{STORED}.0", BAD], ["dead", "purge", f"j{STORED}.0", BAD, "--yes"], ["dead", BAD]),
        ["dead", "replay", DEAD, "--edit", f"missing{BAD}"],
    ],
    "jobs": [
        *(["jobs", "list"], ["jobs", "list", "--format", "json"], ["jobs", "list", "--state", "done"]),
        *(["jobs", "list", "--limit", BAD], ["jobs", "show", JOB, "--payload"], ["jobs", "show", BAD]),
        ["jobs", "cancel", BAD, JOB],
    ],
    "handlers": [
        *(["handlers", "list"], ["handlers", "list", "--format", "json"], ["handlers", "pause", BAD]),
        *(["handlers", "pause", f"shop{STORED}|e{STORED}|h{STORED}"], ["handlers", "resume", f"h{STORED}"]),
    ],
    "outbox": [["outbox", "list", f"x{BAD}.py"], ["outbox", "retry", "x.py", BAD]],
    "unsubscribe": [["unsubscribe", BAD], ["unsubscribe", f"h{STORED}"]],
    "send": [
        *(["send", BAD], ["send", "e", BAD], ["send", "e", f"{BAD}=1", "--unchecked", "--key", BAD]),
        *(["send", "e", "--lock", f"x{BAD}"], ["send", f"e{BAD}", "--unchecked"], ["send", "e", "--json", BAD]),
    ],
    "gen": [["gen", "--against", f"x{BAD}"], ["gen", f"no{BAD}"], ["gen", "--out", BAD], ["gen"]],
    "rename": [["rename", "event", "order.placed", BAD], ["rename", "event", BAD, "x"]],
    "graph": [["graph"], ["graph", f"x{BAD}"], ["graph", "--format", BAD]],
    "export": [
        *(["export", "jsonschema"], ["export", "asyncapi"], ["export", BAD]),
        *(["export", "jsonschema", "--lock", f"x{BAD}"], ["export", "asyncapi", "--out", f"no{BAD}/file", "--check"]),
    ],
    "pull": [["pull", BAD], ["pull", f"x{BAD}.lock"], ["pull", f"git:x{BAD}#y"], ["pull", "--remove", BAD]],
    "contracts": [
        *(["contracts", "list"], ["contracts", "list", "--format", "json"], ["contracts", "show", BAD]),
        *(["contracts", "show", f"h{STORED}"], ["contracts", "diff", "--lock", f"x{BAD}"]),
    ],
    "schedules": [["schedules"], ["schedules", "--format", "json"], ["schedules", f"x{BAD}.py"]],
    "explain": [["explain", f"x{BAD}"]],
    "top": [["top"], ["top", "--once", f"x{BAD}.py"], ["top", "--interval", BAD]],
    "exporter": [["exporter", "--once"], ["exporter", "--listen", BAD]],
    "dashboard": [["dashboard", "--host", BAD], ["dashboard", "--port", BAD], ["dashboard", f"x{BAD}.py"]],
    "init": [["init"], ["init", BAD]],
    "celery": [["celery", "check", f"no{BAD}"], ["celery", "gen", "--format", BAD]],
    "completion": [["completion", BAD]],
    "run": [["run", f"x{BAD}.py"], ["run", "--processes", BAD, "x.py"], ["run"]],
}
EVERY = [words for listed in COMMANDS.values() for words in listed]


def put_everywhere(url: str) -> None:
    """Put the characters wherever another program, or a sender, could."""
    keys, handler = Keys("default"), f"shop{STORED}|e{STORED}|h{STORED}"
    worker_id = f"aa{STORED}.10000"
    record = {
        "worker": f"w{STORED}",
        "host": f"h{STORED}",
        "version": f"9{STORED}",
        "pid": 1,
        "handlers": [f"e|h{STORED}"],
    }
    record["blocked"] = {"what": STORED, "since": 1, "handler": f"e|{STORED}", "job": STORED, "frame": STORED}
    record["running"] = [{"job": STORED, "handler": f"e|{STORED}", "since": 1}]
    record["unimported"] = {f"e|x{STORED}": STORED}
    with redis.Redis.from_url(url) as client:

        def put(*words: str | float) -> None:
            client.execute_command(*(str(word).encode(errors="surrogateescape") for word in words))

        put("SADD", keys.queues, handler, STORED)
        put("RPUSH", keys.queue(handler), JOB, f"{JOB[:-2]}.1:1:1:0", STORED)
        put("ZADD", keys.scheduled, 1e15, f"{handler} {new_event_id()}.0:1:1:0", 1, STORED)
        put("SET", keys.failure(f"{JOB[:-2]}.1"), JobFailure.of(STORED, STORED, STORED, 1, STORED).to_json())
        put("HSET", keys.events, JOB[:-2], f'1\n{{"a": "{WRITTEN[-4:-3]}", "\\u001b": 1}}')
        put("HSET", keys.versions, f"ev{STORED}", "")
        put("RPUSH", keys.unrouted(f"ev{STORED}"), f"{new_event_id()} 0")
        put("ZADD", keys.leases, 1e14, worker_id)
        put("HSET", keys.workers, worker_id, json.dumps(record))
        put("HSET", keys.claims(worker_id), f"a|b|c{STORED} {new_event_id()}.0", "1:0:0:1")
        put("HSET", keys.paused, handler, 1)
        put("SET", keys.result(f"{new_event_id()}.0"), STORED)
        for job_id in (DEAD, f"j{STORED}.0"):
            letter = DeadLetter.of(handler, QueueEntry(job_id, 1), f"failed{STORED}", f"boom{STORED}: x\n::error::x")
            put("HSET", keys.dead, job_id, letter.to_json())
            put("ZADD", keys.dead_index, 1, job_id)
        put("HSET", keys.events, DEAD[:-2], '1\n{"\\u001b[2J": "\\u202e"}')


@pytest.fixture
def hostile(valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give a server and a project that are full of them."""
    put_everywhere(valkey_url)
    monkeypatch.setenv("UPNEXT_REDIS_URL", valkey_url)
    monkeypatch.chdir(tmp_path)
    lock = {
        "events": {"e": {"fields": {}, "extras": None, "handlers": {}}, f"e{STORED}": {"fields": {}, "extras": None}}
    }
    lock["events"]["e"]["handlers"] = {"a": {"worker": f"w{STORED}", "name": f"n{STORED}", "module": STORED}}
    (tmp_path / "upnext.lock").write_text(json.dumps(lock))
    event = f"e{WRITTEN}".replace("\r", "")
    source = f"import upnext\nw = upnext.Worker('shop')\n@w.event('{event}').on\ndef h(x: Nope): ...\n"
    (tmp_path / "shop.py").write_text(source)
    yield
    logging.getLogger().handlers.clear()  # `run` configures logging


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize("debug", [False, True], ids=["", "debug"])
@pytest.mark.parametrize("words", EVERY, ids=map(str, range(len(EVERY))))
def test_a_command_escapes_what_others_wrote(
    words: list[str], capsys: pytest.CaptureFixture[str], *, debug: bool
) -> None:
    """On standard output and standard error, as text and as JSON, in its findings and its faults."""
    capsys.readouterr()
    code = main([*words, "--debug"] if debug else words)
    out, err = capsys.readouterr()
    assert code in {0, 1, 2, 3}
    assert out + err
    assert [character for character in out + err if not character.isprintable() and character != "\n"] == []


def test_every_command_is_among_them() -> None:
    """A command that comes later has to be added above."""
    assert set(cli.COMMANDS) == set(COMMANDS)


def test_what_is_escaped_can_be_read() -> None:
    """Letters of every script stay as they are; an escape has as many digits as it needs."""
    assert terminal.visible("größe 漢字 \U0001f600") == "größe 漢字 \U0001f600"
    assert terminal.visible("a\x1bb\x9bc\u202ed\U000e0001\n\t") == "a\\x1bb\\x9bc\\u202ed\\U000e0001\\n\\t"
    assert terminal.visible_lines("a\nb\x00") == "a\nb\\x00"


@pytest.mark.parametrize(("wanted", "styled"), [(True, True), (False, False)])
def test_colours_reach_a_terminal_that_wants_them_and_nothing_else_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, wanted: bool, styled: bool
) -> None:
    """The net lets them pass only there."""
    monkeypatch.setattr("upnext.cli.terminal._wants_colour", lambda _: wanted)
    with terminal.escaped_streams():
        sys.stdout.write(terminal.coloured("ok", terminal.visible("x\x1b[2J")) + "\x1b[2J")
    out = capsys.readouterr().out
    assert ("\x1b[32m" in out) == styled
    assert "\x1b[2J" not in out


def put_shop(url: str) -> None:
    """Put there what a shop may have: a worker, a job that waits, one that died."""
    keys, handler = Keys("default"), "shop|order.placed|charge_the_card_of_the_customer"
    record = {"worker": "shop", "host": "warehouse-3.example", "pid": 4711, "handlers": [handler[5:]]}
    letter = DeadLetter.of(handler, QueueEntry(DEAD, 3), "failed", "ConnectionError: payments: 503 Service Unavailable")
    with redis.Redis.from_url(url, encoding_errors="surrogateescape") as client:
        client.sadd(keys.queues, handler)
        client.rpush(keys.queue(handler), JOB)
        client.hset(keys.workers, "aa.10000", json.dumps(record))
        client.zadd(keys.leases, {"aa.10000": 1e14})
        client.hset(keys.dead, DEAD, letter.to_json())
        client.zadd(keys.dead_index, {DEAD: 1})


LISTS = (["dead", "list"], ["handlers", "list"], ["jobs", "list"], ["schedules"], ["status"], ["contracts", "list"])


@pytest.mark.parametrize(
    ("columns", "handler"), [(40, "charge_the_car..._the_customer"), (80, "charge_the_card_of_the_customer")]
)
def test_a_row_that_does_not_fit_into_the_terminal_takes_a_line_for_each_cell(
    columns: int, handler: str, valkey_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a table would be wrapped in the middle of its cells."""
    put_shop(valkey_url)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True)
    for words in LISTS:
        assert main([*words, "--redis-url", valkey_url]) == 0
        out = capsys.readouterr().out
        assert max((len(line) for line in out.splitlines() if "  " in line), default=0) <= columns, out
        if words == ["dead", "list"]:
            assert f"\nevent     order.placed\nhandler   {handler}\nattempts  3\n" in out
