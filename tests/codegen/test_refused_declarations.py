"""What the runtime refuses when a module is imported, or when its worker starts, `gen` reports, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.codegen.reading import read
from upnext.broker.address import SCHEMES
from upnext.errors import ConfigError
from upnext.registry import declarations

_HEAD = """\
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import upnext

worker = upnext.Worker("refused")
event = worker.event("refused.event")
HOUR = timedelta(hours=1)


def plain(debug: bool = False) -> int: ...
@asynccontextmanager
async def managed(given: Annotated[int, upnext.Provide(plain)], ctx: upnext.Context, *more: int): yield 1
def asking(dsn: str) -> int: ...
def circular(given: "Annotated[int, upnext.Provide(circular)]") -> int: ...


"""


def _on(options: str) -> str:
    return f"@event.on({options})\nasync def handle(field: int, **more: object) -> None: ...\n"


def _cron(options: str) -> str:
    return f"@worker.cron({options})\nasync def nightly() -> None: ...\n"


def _provided(provider: str) -> str:
    return (
        f"@event.on\nasync def handle(given: Annotated[int, upnext.Provide({provider})], **more: object) -> None: ...\n"
    )


def _default(default: str, annotation: str = "int", decorator: str = "event.on") -> str:
    imports = "import dataclasses, fastapi\nfrom pydantic import Field as F\nMOST = F(le=9)\n"
    return f"{imports}@{decorator}\nasync def handle(*, field: {annotation} = {default}) -> None: ...\n"


_PROVIDED = "Annotated[int, upnext.Provide(plain)]"
REFUSED = {
    **{
        f"on {options}": _on(options)
        for options in (
            "retries=-1",
            "retries=1 - 2",
            "timeout=HOUR",
            "timeout=timedelta(minutes=5)",
            "limit=10**9",
            "limit=0",
            "rate='5/week'",
            "by='field'",
            "unique='other'",
            "retry_on=ValueError()",
            "give_up_on=(OSError, int)",
            "name='a b'",
            "colour=1",
        )
    },
    **{
        f"cron {options}": _cron(options)
        for options in (
            "",
            "'0 3 * *'",
            "'61 * * * *'",
            "'0 0 31 2 *'",
            "'@daily'",
            "3",
            "plain",
            "print",
            "None",
            "None, every=None",
            "'0 3 * * *', catch_up=0",
            "'0 3 * * *', catch_up=None",
            "'0 3 * * *', tz='Europe/Berlim'",
            "'0 3 * * *', tz=3",
            "'0 3 * * *', every=HOUR",
            "'0 3 * * *', catch_up='yes'",
            "every=60",
            "every=timedelta(0)",
            "every=timedelta(days=367)",
            "every=timedelta(microseconds=1_000_001)",
            "every=HOUR, tz='UTC'",
            "'0 3 * * *', retries=-1",
        )
    },
    "cron without a call": "@worker.cron\nasync def nightly() -> None: ...\n",
    "cron of a function": "worker.cron(plain)\n",
    **{
        f"worker {options}": f"other = upnext.Worker('other', {options})\n"
        for options in (
            "concurrency=0",
            "concurrency=10_001",
            "concurrency='3'",
            "concurrency=None",
            "partitions=65",
            "lease=0.1",
            "grace=-1",
            "redis_url='http://127.0.0.1'",
            "redis_url=3",
            "name='a b'",
        )
    },
    **{f"provided by {provider}": _provided(provider) for provider in ("3", "asking", "circular", "[]")},
    **{
        f"event formerly {names}": f"OLD = ['a']\nworker.event('b', formerly={names})\n"
        for names in ("['a']", "'a'", "None", "OLD", "(3,)", "('a b',)", "('b',)")
    },
    **{
        f"default {default}": _default(default)
        for default in (
            "F(gt=0)",
            "MOST",
            "fastapi.Query()",
            "fastapi.Body(...)",
            "fastapi.Depends(plain)",
            "dataclasses.field(default=1)",
            "upnext.Provide(plain)",
            "upnext.Formerly('a')",
            "upnext.PROVIDED",
        )
    },
    "default of a task": _default("F(gt=0)", decorator="worker.task"),
    "default of a provider": f"import fastapi\ndef needs(of: int = fastapi.Depends(plain)): ...\n{_provided('needs')}",
    "formerly nothing": _on("").replace("field: int", "field: Annotated[int, upnext.Formerly()]"),
    "formerly a number": _on("").replace("field: int", "field: Annotated[int, upnext.Formerly(3)]"),
    "formerly another field": _on("").replace("field: int", "field: Annotated[int, upnext.Formerly('b')], b: int"),
    "formerly the same": _on("").replace(
        "field: int", "a: Annotated[int, upnext.Formerly('c')], b: Annotated[int, upnext.Formerly('c')]"
    ),
}

TAKEN = {
    **{
        f"on {options}": _on(options)
        for options in (
            "timeout=5 * 60, retries=2**3",
            "limit=5, by='field', rate='10/second', unique='field'",
            "retries=1, retry_on=OSError, give_up_on=(ValueError, KeyError)",
        )
    },
    **{
        f"cron {options}": _cron(options)
        for options in (
            "'0 3 * * *'",
            "'*/5 8-18 * * MON-FRI', tz='Europe/Berlin', catch_up=True",
            "'0 0 3 * * *'",
            "'0 3 * * *', tz=None, every=None",
            "None, every=HOUR, tz=None",
            "'0 3 * * *', tz=ZoneInfo('America/New_York')",
            "every=HOUR",
            "every=timedelta(milliseconds=1500)",
            "every=timedelta(days=366)",
            "**{'every': HOUR}",
        )
    },
    **{
        f"worker {options}": f"other = upnext.Worker('other', {options})\n"
        for options in (
            "concurrency=10_000, partitions=64, lease=0.5, grace=0",
            "redis_url='redis+sentinel://:secret@host:26379/main/0'",
            *(f"redis_url='{scheme}://host:7000/name'" for scheme in SCHEMES if "sentinel" in scheme),
            *(f"redis_url='{scheme}://host:7000/0'" for scheme in SCHEMES if "sentinel" not in scheme),
            "redis_url=None, lease=None, grace=None, partitions=None",
        )
    },
    "worker of a class with options of its own": (
        "class Regional(upnext.Worker):\n"
        "    def __init__(self, name: str, *, region: str) -> None: super().__init__(name)\n"
        "other = Regional('other', region='eu')\n"
    ),
    **{f"provided by {provider}": _provided(provider) for provider in ("plain", "managed", "lambda: 3", "int")},
    **{f"default {default}": _default(default) for default in ("3", "int(3)", "dataclasses.MISSING and 3")},
    "default of a limited field": _default("3", "Annotated[int, F(gt=0)]"),
    **{
        f"default {default} of what is provided": _default(default, _PROVIDED)
        for default in ("upnext.PROVIDED", "fastapi.Depends(plain)")
    },
    "default of a context": _default("fastapi.Depends(plain)", "upnext.Context"),
    "formerly": _on("").replace("field: int", "field: Annotated[int, upnext.Formerly('a', 'b')], c: int"),
}


@pytest.mark.parametrize("written", [pytest.param(text, id=name) for name, text in REFUSED.items()])
def test_what_the_runtime_refuses_is_a_finding(written: str, tmp_path: Path) -> None:
    assert _refused(written)
    found = [each for each in read(tmp_path, _HEAD + written)[1] if each.code != "UPN003"]
    assert [each.severity for each in found] == ["error"], found
    assert found[0].code in {"UPN109", "UPN110", "UPN201", "UPN202", "UPN004"}
    assert "secret" not in str(found)


@pytest.mark.parametrize("written", [pytest.param(text, id=name) for name, text in TAKEN.items()])
def test_what_the_runtime_takes_is_no_finding(written: str, tmp_path: Path) -> None:
    assert not _refused(written)
    found = read(tmp_path, _HEAD + written)[1]
    assert [each for each in found if each.code not in {"UPN003", "UPN102", "UPN301"}] == []


def _refused(written: str) -> bool:
    """Whether a module with these declarations cannot be imported, or its worker cannot start."""
    before = list(declarations)
    try:
        exec(_HEAD + written, {"__name__": "refused"})  # as an import does
        for registry in declarations:
            for handler in () if registry in before else registry.handlers.values():
                handler.signature.prepare()
    except (ConfigError, TypeError):  # the second for arguments that a signature does not have
        return True
    finally:
        for registry in list(declarations):
            if registry not in before:
                declarations.forget(registry)
    return False
