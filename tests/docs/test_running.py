"""What docs/running.md shows and claims."""

from __future__ import annotations

import asyncio
import re
import sys
import textwrap
from pathlib import Path

import pytest

import upnext
from tests.docs.story import ROOT
from upnext import settings
from upnext.runner.service import Service
from upnext.runner.service_loader import load_services
from upnext.settings import Settings

PAGE = (ROOT / "docs" / "running.md").read_text(encoding="utf-8")
SERVICE, RESULTS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


async def test_the_service_and_the_results_are_what_the_page_shows(
    tmp_path: Path, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPNEXT_REDIS_URL", valkey_url)
    file = tmp_path / "running_page_service.py"
    file.write_text(SERVICE)
    monkeypatch.syspath_prepend(str(tmp_path))
    services = load_services(file)
    expected = re.findall(
        r"^(await receipt.results|await nightly_report.wait).*?# (\{.*?\}|\d+)", RESULTS, re.MULTILINE
    )
    assert expected == [
        ("await receipt.results", '{"send_confirmation": True}'),
        ("await nightly_report.wait", "42"),
    ]
    module = sys.modules["running_page_service"]
    lines = RESULTS.replace("await receipt.results", "shown = await receipt.results")
    lines = lines.replace("await nightly_report.wait", "waited = await nightly_report.wait")
    lines = lines.replace("await job.result", "value = await job.result")
    names: dict[str, object] = {"order_placed": module.order_placed, "nightly_report": module.nightly_report}
    source = f"async def page():\n{textwrap.indent(lines, '    ')}    return shown, waited, value\n"
    exec(source, names)  # the page's own code

    service = Service(services)
    running = asyncio.create_task(service.run())
    await service.ready()
    page = names["page"]
    assert callable(page)
    assert await page() == ({"send_confirmation": True}, 42, 42)
    service.stop()
    await running


def test_the_table_of_settings_has_the_defaults_of_the_code() -> None:
    rows = dict(re.findall(r"`(UPNEXT_\w+)` \| ([^|]+?) \|", PAGE))
    default = Settings()
    assert rows.pop("UPNEXT_REDIS_URL") == "the embedded server"
    assert rows == {
        "UPNEXT_NAMESPACE": f"`{default.namespace}`",
        "UPNEXT_LEASE": f"{default.lease:g} s",
        "UPNEXT_GRACE": f"{default.grace:g} s",
        "UPNEXT_RESULT_TTL": f"{default.result_ttl:g} s",
        "UPNEXT_MAX_PAYLOAD": f"{default.max_payload:,}",
        "UPNEXT_MAX_RESULT": f"{default.max_result:,}",
        "UPNEXT_RESULT_TIMEOUT": f"{default.result_timeout:g} s",
        "UPNEXT_SEND_DEADLINE": f"{default.send_deadline:g} s",
        "UPNEXT_PARTITIONS": f"{default.partitions}",
    }
    assert upnext.Worker("w").concurrency == 100


@pytest.mark.parametrize(
    "name",
    ["lease", "grace", "result_ttl", "max_payload", "max_result", "result_timeout", "send_deadline", "partitions"],
)
def test_every_setting_is_read_from_its_variable(name: str) -> None:
    read = settings.load(
        environ={f"UPNEXT_{name.upper()}": "7", "UPNEXT_NAMESPACE": "n", "UPNEXT_REDIS_URL": "redis://h"}
    )
    assert (getattr(read, name), read.namespace, read.redis_url) == (7, "n", "redis://h")
    with pytest.raises(upnext.ConfigError, match=f"UPNEXT_{name.upper()}='x' cannot be used"):
        settings.load(environ={f"UPNEXT_{name.upper()}": "x"})


def test_every_error_that_the_page_names_can_be_caught() -> None:
    for name in re.findall(r"`(\w+Error)`", PAGE):
        assert issubclass(getattr(upnext, name), upnext.UpnextError)
