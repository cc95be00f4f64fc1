"""A secret in a payload takes every way that a job can take, and is looked for in everything that was printed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import psutil
import redis

from tests.runtime.running import ServiceFile
from tests.waiting import wait_until

CANARY = "canary-4711-canary"
PASSWORD = "pw-0815-pw"
PREFIX = "upnext:{default:0}:"
Command: TypeAlias = "Callable[..., tuple[int, str, str]]"

SERVICE = """
import logging
logging.getLogger().setLevel(logging.DEBUG)
worker = upnext.Worker("shop")
@worker.event("ok").on
async def ok(secret: str): note("ok")
@worker.event("fails").on(retries=1, retry_delay=0.01)
async def fails(secret: str): raise ValueError("no")
@worker.event("fails").on
def fails_in_a_thread(secret: str): raise KeyError("no")
@worker.event("late").on(timeout=0.05)
async def late(secret: str): await asyncio.sleep(60)
@worker.event("invalid").on
async def invalid(secret: int): ...
@worker.event("closed").on
async def closed(): ...
@worker.event("strange").on
async def strange(secret: str): return object()
@worker.event("crashes").on
async def crashes(secret: str): os._exit(9)
"""

SENDER = """
import sys, upnext
worker = upnext.Worker("sender")
secret = sys.argv[1]
for name in ("ok", "fails", "late", "invalid", "closed", "strange", "crashes", "nobody.listens"):
    worker.event(name).send_sync(secret=secret)
strict = upnext.Worker("strict").event("strict")
@strict.on
def take(secret: int): ...
for fields in ({"secret": secret}, {"secret": 1, "other": secret}):
    try: strict.send_sync(**fields)
    except upnext.PayloadError as error: print("refused", error, repr(error), error.problems)
for value in (secret * 100_000, {secret: object()}, [float("nan"), secret], {1: secret}):
    try: worker.event("loose").send_sync(secret=value)
    except upnext.PayloadError as error: print("refused", error, repr(error), error.problems)
worker.event("strict").send_sync(secret=secret)
"""


def test_no_payload_is_in_anything_that_is_printed(tmp_path: Path, valkey_url: str, command: Command) -> None:
    """Logs at their lowest level, process titles, status, dead letters, errors of a send with its traceback.

    What a handler's own exception says is logged and listed: its author chose the words.
    """
    service = ServiceFile(tmp_path, valkey_url, SERVICE)
    printed: list[str] = []
    sender = subprocess.run(
        [sys.executable, "-c", SENDER.replace("sys.argv[1]", "sys.stdin.read()")],
        input=CANARY,
        env=service.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    printed += [sender.stdout, sender.stderr]
    assert sender.stdout.count("refused") == 6, printed
    assert "PayloadError" in sender.stderr

    log = tmp_path / "log"
    arguments = [sys.executable, "-m", "upnext", "run", str(service.file), "--processes", "2"]
    with log.open("wb") as file, redis.Redis.from_url(valkey_url) as client:
        process = subprocess.Popen(arguments, env=service.environment, cwd=tmp_path, stdout=file, stderr=file)
        try:
            wait_until(lambda: client.zcard(f"{PREFIX}dead:index") == 6, 60, "six dead letters")
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            printed += [" ".join(member.cmdline()) for member in family]
            printed += command("status", url=valkey_url)[1:]
            printed += command("status", "--format", "json", url=valkey_url)[1:]
            reasons = {letter["reason"] for letter in _dead(command, valkey_url, printed)}
            assert reasons == {"failed", "timeout", "payload", "crashed"}
            printed += command("dead", "replay", "--handler", "invalid", "--debug", url=valkey_url)[1:]
            wait_until(lambda: client.zcard(f"{PREFIX}dead:index") == 6, 60, "the replayed one to be dead again")
        finally:
            process.terminate()
            process.wait(30)
        printed += [log.read_text()]
        assert "it becomes a dead letter" in printed[-1]
        assert any(CANARY.encode() in envelope for envelope in client.hvals(f"{PREFIX}events"))
    assert [text for text in printed if CANARY in text] == []


def _dead(command: Command, url: str, printed: list[str]) -> list[dict[str, str]]:
    printed += command("dead", "list", url=url)[1:]
    code, out, err = command("dead", "list", "--format", "json", url=url)
    printed += [out, err]
    assert code == 0
    dead_letters: list[dict[str, str]] = json.loads(out)["dead_letters"]
    return dead_letters


def test_no_password_is_in_anything_that_is_printed(tmp_path: Path, command: Command) -> None:
    """Of a server that is away, and of an address that cannot be used; a traceback too."""
    (tmp_path / "service.py").write_text("import upnext\nworker = upnext.Worker('shop')\n")
    for url in (f"redis://user:{PASSWORD}@127.0.0.1:1", f"redis//:{PASSWORD}@127.0.0.1:1", f"http://:{PASSWORD}@h"):
        for arguments in (("status",), ("dead", "list"), ("status", "--debug"), ("dead", "show", "x", "--debug")):
            code, out, err = command(*arguments, url=url)
            assert code in {2, 3}
            assert out == ""
            assert PASSWORD not in err
