"""What axe-core says of every page of the dashboard, in a real browser, light and dark, wide and narrow."""

from __future__ import annotations

import asyncio
import contextlib
import json
import queue
import subprocess
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from docs import screenshots
from tests.dashboard.browser import browsing
from tests.dashboard.test_dashboard import PAGES, TOKEN, stage
from tests.npm import unpack

WIDTHS = (1280, 390)
BAD = {"serious", "critical"}
DRIVER = """<!doctype html><html lang="en"><title>axe</title><body><script>
async function look(page, width) {
  const frame = document.createElement("iframe");
  frame.style = `width: ${width}px; height: 900px`;
  frame.src = page;
  const loaded = new Promise(resolve => { frame.onload = resolve; });
  document.body.append(frame);
  await loaded;
  const script = frame.contentDocument.createElement("script");
  script.src = "/axe.min.js";
  const ready = new Promise(resolve => { script.onload = resolve; });
  frame.contentDocument.head.append(script);
  await ready;
  const found = await frame.contentWindow.axe.run({iframes: false});
  const dark = frame.contentWindow.matchMedia("(prefers-color-scheme: dark)").matches;
  frame.remove();
  const violations = found.violations.map(each => ({
    id: each.id, impact: each.impact, nodes: each.nodes.map(node => node.html + " " + node.failureSummary)}));
  return {page, width, dark, passes: found.passes.length, violations};
}
(async () => {
  const reports = [];
  try {
    for (const page of PAGES) for (const width of WIDTHS) reports.push(await look(page, width));
  } catch (error) { reports.push(String(error)); }
  await fetch("/", {method: "POST", body: JSON.stringify(reports)});
})();
</script>"""


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script of axe-core, in a release that is pinned here."""
    source = unpack(tmp_path_factory.mktemp("npm"), "axe-core@4.14.1") / "axe.min.js"
    return source.read_text(encoding="utf-8")


@pytest.fixture
def chromium() -> str:
    found = screenshots.chromium()
    if found is None:
        pytest.skip("Chromium is not installed: axe-core does not look at the dashboard")
    return found


@contextlib.contextmanager
def served(folder: Path) -> Iterator[tuple[str, queue.Queue[Any]]]:
    """Serve the files of a folder; give the address, and what is posted to it."""
    posted = queue.Queue[Any]()

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(folder))

        def do_POST(self) -> None:
            posted.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002  # its name there

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", posted
        finally:
            server.shutdown()
            thread.join()


async def save_pages(url: str, folder: Path) -> list[str]:
    """Write every page as it is now to files, with what it loads; return their names."""
    pages: dict[str, str] = {}
    (folder / "static").mkdir()
    async with stage(url) as at:
        browser = at.browser
        for name in ("dashboard.css", "dashboard.js", "icon.svg"):
            (folder / "static" / name).write_bytes((await browser.client.get(f"/static/{name}")).content)
        for path in (*PAGES, f"/dead/{at.dead}", f"/jobs/{at.running}", f"/jobs/{at.retrying}", "/events?event=none"):
            await browser.get(path)
            pages[path] = browser.page
        await browser.get("/dead")
        await browser.post("/dead/purge", {"id": at.dead})
        pages["confirm"] = browser.page
        await browser.get("/nothing", 404)
        pages["missing"] = browser.page
    async with browsing(url, TOKEN) as browser:
        await browser.get("/login")
        pages["login"] = browser.page
    for number, page in enumerate(pages.values()):
        (folder / f"{number}.html").write_text(page, encoding="utf-8")
    return [f"/{number}.html" for number in range(len(pages))]


def reports_of(chromium: str, address: str, posted: queue.Queue[Any], profile: Path, *options: str) -> list[Any]:
    command = [chromium, *screenshots.FLAGS, f"--user-data-dir={profile}", *options]
    # With a port to be debugged at, it stays until it is ended.
    browser = subprocess.Popen(
        [*command, "--remote-debugging-port=0", f"{address}/driver.html"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        reports: list[Any] = posted.get(timeout=120)
    finally:
        browser.terminate()
        browser.wait(30)
    return reports


@pytest.mark.xdist_group("npm")
@pytest.mark.timeout(300)
async def test_axe_has_nothing_serious_against_any_page(
    valkey_url: str, tmp_path: Path, axe: str, chromium: str
) -> None:
    """Nor critical; each page was looked at in both schemes of colour and at both widths."""
    folder = tmp_path / "pages"
    folder.mkdir()
    pages = await save_pages(valkey_url, folder)
    (folder / "axe.min.js").write_text(axe, encoding="utf-8")
    driver = DRIVER.replace("of PAGES", f"of {json.dumps(pages)}").replace("of WIDTHS", f"of {json.dumps(WIDTHS)}")
    (folder / "driver.html").write_text(driver, encoding="utf-8")
    with served(folder) as (address, posted):
        reports = [
            report
            for scheme in ((), ("--blink-settings=preferredColorScheme=0",))
            for report in await asyncio.to_thread(
                reports_of, chromium, address, posted, tmp_path / f"profile{len(scheme)}", *scheme
            )
        ]
    looks = {(report["page"], report["width"], report["dark"]) for report in reports}
    assert looks == {(page, width, dark) for page in pages for width in WIDTHS for dark in (False, True)}
    assert min(report["passes"] for report in reports) > 10
    found = [
        (report["page"], report["width"], report["dark"], each)
        for report in reports
        for each in report["violations"]
        if each["impact"] in BAD
    ]
    assert found == []
