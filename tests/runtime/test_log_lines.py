"""What `upnext run` writes to its log: with UPNEXT_LOG=json a JSON object a line, whatever is logged."""

from __future__ import annotations

import json
import logging
import logging.config
import signal
from pathlib import Path
from typing import Any, Never

import pytest

import upnext
from tests.runtime.running import ServiceFile, running
from upnext.log import SafeLogger

ODD = """
worker = upnext.Worker("shop")
order_placed = worker.event("order.placed")

class Odd:
    def __repr__(self):
        raise SystemExit(3)

class Liar(Odd):
    __class__ = str

class Text(str):
    def __str__(self):
        raise ValueError
    __repr__ = __str__

class Badly(Exception):
    def __str__(self):
        raise ValueError

circle = {"n": 1}
circle["again"] = [circle]
deep = []
for _ in range(100_000):
    deep = [deep]
VALUES = {
    "nan": float("nan"), "infinite": [float("-inf")], "tuple_key": {("de", "EUR"): 1}, "keys": {1: 1, "1": 2, None: 3},
    "circle": circle, "deep": deep, "odd": Odd(), "odd_key": {Odd(): 1}, "liar": Liar(), "set": {3}, "bytes": b"\\xff",
    "surrogate": "\\udcff", "huge": [10**5000, 2**70, -1], "text": Text("kept"),
    "odd_text_key": {Text("kept"): Text("x")}, "emoji": "\\U0001f600",
    "lines": "a\\nb\\u2028c", "pair": (1, 2.5, True, None),
}

@order_placed.on(retries=0)
async def confirm() -> None:
    import logging
    log = logging.getLogger("shop")
    for name, value in VALUES.items():
        log.info("logged %s", name, extra={name: value})
    log.info("no %d", "number")
    log.info("says %s", Odd())
    log.info(Odd())
    log.info("\\udcff %s", "surrogate")
    try:
        raise Badly
    except Badly:
        log.exception("badly")
    note("logged")
"""


def test_every_line_is_one_json_object_whatever_was_logged(valkey_url: str, tmp_path: Path) -> None:
    """Nothing that a handler logs costs the line, or makes it one that a log store cannot read."""
    service = ServiceFile(tmp_path, valkey_url, ODD, UPNEXT_LOG="json")
    with service.process() as process:
        upnext.Worker("shop", redis_url=valkey_url).event("order.placed").send_sync()
        service.ledger.wait_for("logged")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    lines = [parsed(line) for line in err.splitlines()]
    shop = [line for line in lines if line["logger"] == "shop"]
    found = {name: line[name] for line in shop for name in line if line["message"] == f"logged {name}"}
    deep, circle = found.pop("deep"), found.pop("circle")
    assert found == {
        "nan": None,
        "infinite": [None],
        "tuple_key": {"('de', 'EUR')": 1},
        "keys": {"1": 1, "1_": 2, "null": 3},
        "odd": "<Odd that cannot be shown>",
        "odd_key": {"<Odd that cannot be shown>": 1},
        "liar": "<Liar that cannot be shown>",
        "set": [3],
        "bytes": "b'\\xff'",
        "surrogate": "\\udcff",
        "huge": ["<int of 16610 bits>", "1180591620717411303424", -1],
        "text": "kept",
        "odd_text_key": {"kept": "x"},
        "emoji": "\U0001f600",
        "lines": "a\nb\u2028c",
        "pair": [1, 2.5, True, None],
    }
    assert circle == {"n": 1, "again": ["..."]}
    assert json.dumps(deep).strip("[]") == '"..."'
    said = [line["message"] for line in shop if not line["message"].startswith("logged ")]
    assert said == [
        "no %d (arguments that cannot be formatted: ('number',))",
        "says %s (arguments that cannot be formatted: <tuple that cannot be shown>)",
        "<Odd that cannot be shown>",
        "\\udcff surrogate",
        "badly",
    ]
    assert "Badly" in shop[-1]["exception"]


def parsed(line: str) -> dict[str, Any]:
    def refuse(word: str) -> Never:
        raise ValueError(word)

    found = json.loads(line, parse_constant=refuse)
    assert isinstance(found, dict)
    line.encode("utf-8")
    json.dumps(found, ensure_ascii=False).encode("utf-8")  # no lone surrogate, which many parsers refuse
    return found


DISABLING = {
    "dictConfig": "logging.config.dictConfig({'version': 1})",
    "fileConfig": "logging.config.fileConfig('logging.ini')",
}
LOGGING_INI = """
[loggers]
keys=root
[handlers]
keys=err
[formatters]
keys=
[logger_root]
level=INFO
handlers=err
[handler_err]
class=StreamHandler
args=(sys.stderr,)
"""


@pytest.mark.parametrize("way", DISABLING)
@pytest.mark.parametrize("where", ["at import", "in a hook"])
def test_a_worker_is_heard_although_a_configuration_of_logging_disabled_its_logger(
    valkey_url: str, tmp_path: Path, way: str, where: str
) -> None:
    """Which is what both do by default with every logger that they do not name; dead letters were lost in silence."""
    (tmp_path / "logging.ini").write_text(LOGGING_INI)
    service = ServiceFile(
        tmp_path,
        valkey_url,
        f"""
        import logging.config
        worker = upnext.Worker("shop")
        order_placed = worker.event("order.placed")

        def configure():
            {DISABLING[way]}

        if {where == "at import"}:
            configure()

        class Letters(upnext.Hooks):
            def worker_started(self, worker):
                if {where != "at import"}:
                    configure()
            def buried(self, letter):
                note("buried")

        worker.add_hooks(Letters())

        @order_placed.on(retries=0)
        async def confirm() -> None:
            raise ValueError("no stock")
        """,
    )
    with service.process() as process:
        upnext.Worker("shop", redis_url=valkey_url).event("order.placed").send_sync()
        service.ledger.wait_for("buried")
        process.terminate()
        log = process.communicate(timeout=60)[1]
    assert log.count("The logger 'upnext' was disabled") == 1
    assert "disable_existing_loggers=False" in log
    assert "no stock" in log


async def test_a_worker_within_an_application_is_heard_and_a_level_silences_it(
    valkey_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Outside of its block the application's word on its loggers holds."""
    worker = upnext.Worker("shop", redis_url=valkey_url)
    logger = logging.getLogger("upnext")
    try:
        logger.disabled = True
        async with running(worker):
            assert not logger.disabled
            assert sum("was disabled" in text for text in caplog.messages) == 1
        logger.disabled = True
        SafeLogger("upnext").warning("said by a sender")
        assert "said by a sender" not in caplog.messages
        caplog.clear()
        logger.setLevel(logging.CRITICAL)
        async with running(worker):
            assert not caplog.messages
    finally:
        logger.disabled = False
        logger.setLevel(logging.NOTSET)
