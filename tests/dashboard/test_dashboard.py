"""The dashboard: what its pages show, what they change, and whom they let in."""

from __future__ import annotations

import asyncio
import html
import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
import redis

import upnext
from tests.cli.projects import Shell
from tests.dashboard.browser import ORIGIN, Browser, browsing
from tests.runtime.running import running
from tests.runtime.test_terminal import DEAD, JOB, STORED, put_everywhere
from tests.servers import Server, free_port, valkey_binary
from tests.waiting import wait_until
from upnext.broker.broker import Broker
from upnext.broker.claims import DeadLetter
from upnext.broker.job_ids import QueueEntry, new_event_id, partition_of
from upnext.broker.keys import Keys
from upnext.cli import main

PAGES = ("/", "/dead", "/workers", "/jobs", "/handlers", "/schedules", "/events")
FOREIGN = quote(f"j{STORED}.0", safe="", errors="surrogateescape")
TOKEN = "a-token-of-32-characters-or-so.."


CHAIN = """\
import upnext

worker = upnext.Worker("stock")
reserved = worker.event("stock.reserved")
gone = worker.event("stock.gone")

async def place() -> None:
    await reserved.send(sku="a")

async def again() -> None:
    await reserved.send(sku="a")

@reserved.on
async def reserve(sku: str) -> None:
    await again()
    await gone.send(sku=sku)
"""


class RefusedError(Exception): ...


@dataclass
class Stage:
    """A worker at work: one job of it has died, one runs, and one is to be retried.

    Attributes:
        browser: Looks at it.
        dead: The job that died.
        running: The job that runs.
        retrying: The job that waits for its retry.
    """

    browser: Browser
    dead: str
    running: str
    retrying: str


@asynccontextmanager
async def stage(url: str) -> AsyncIterator[Stage]:
    worker = upnext.Worker("shop", redis_url=url)
    order_placed = worker.event("order.placed")
    started, release, fails = asyncio.Event(), asyncio.Event(), asyncio.Event()
    fails.set()

    @order_placed.on(retries=0)
    async def charge_card(order_id: str) -> None:
        if fails.is_set():
            fails.clear()
            raise RefusedError(f"<script>alert(1)</script> for {order_id}")

    @worker.task(limit=1, rate="9/day")
    async def reindex() -> None:
        started.set()
        await release.wait()

    @worker.task(retries=3, retry_delay=600)
    async def fetch() -> None:
        raise RefusedError("no route")

    @worker.cron("0 3 * * *", tz="Europe/Berlin")
    async def nightly() -> None: ...

    async with running(worker), browsing(url) as browser:
        dead = f"{(await order_placed.send(order_id='secret-order')).event_id}.0"
        job, retried = await reindex.submit(), await fetch.submit()
        await started.wait()
        await wait_for(browser, f"/dead/{dead}", "RefusedError")
        await wait_for(browser, f"/jobs/{retried.id}", "retrying")
        try:
            yield Stage(browser, dead, job.id, retried.id)
        finally:
            release.set()


async def wait_for(browser: Browser, path: str, text: str) -> str:
    async with asyncio.timeout(20):
        while True:
            said = (await browser.client.get(path)).text
            if text in said:
                return said


async def test_the_pages_show_what_a_namespace_does(valkey_url: str) -> None:
    async with stage(valkey_url) as at:
        browser = at.browser
        overview = await browser.get("/")
        assert f"namespace default on {valkey_url}" in overview
        assert "dead 1 dead letter see upnext dead list , then replay or purge" in overview
        assert re.search(r"order\.placed charge_card shop 0 0 0 0 - \S+ \S+ \d served", overview)
        assert re.search(r"shop .* alive running \d of 100 .* handlers \d", await browser.get("/workers"))
        listed = await browser.get("/jobs")
        assert f"{at.running} - reindex running 1" in listed
        assert f"{at.retrying} - fetch retrying 1 due in" in listed
        assert at.running not in await browser.get("/jobs?state=retrying")
        assert "RefusedError: no route" in await browser.get(f"/jobs/{at.retrying}")
        assert "shop nightly 0 3 * * * (Europe/Berlin)" in await browser.get("/schedules")
        assert "order.placed charge_card shop 1 process" in await browser.get("/events")
        assert "reindex" not in await browser.get("/events?event=order.placed")
        assert "served 1 of 1 in use, 1 of 9/day started" in await browser.get("/handlers")
        assert at.dead in await browser.get("/dead?reason=failed&since=1h&handler=charge_card")
        assert at.dead not in await browser.get("/dead?reason=crashed")
        assert "must be an age" in await browser.get("/dead?since=soon", 400)
        assert "There is no such page" in await browser.get("/nothing", 404)
        assert "No dead letter with id x.0" in await browser.get("/dead/x.0", 404)
        assert "No job with id x.0" in await browser.get("/jobs/x.0", 404)


async def test_errors_are_escaped_and_payloads_are_shown_where_they_are_asked_for(valkey_url: str) -> None:
    async with stage(valkey_url) as at:
        browser = at.browser
        shown = await browser.get(f"/dead/{at.dead}")
        assert "RefusedError: <script>alert(1)</script> for secret-order" in shown
        assert "in charge_card" in shown
        assert "<script>alert" not in browser.page
        assert '"order_id"' not in shown
        assert '"order_id": "secret-order"' in await browser.get(f"/dead/{at.dead}?payload=show")


async def test_whatever_others_wrote_is_shown_as_text(valkey_url: str) -> None:
    """Control characters and those that turn a text around are escaped, and nothing is markup."""
    put_everywhere(valkey_url)
    async with browsing(valkey_url) as browser:
        for path in (*PAGES, f"/dead/{DEAD}?payload=show", f"/jobs/{JOB}?payload=show", f"/jobs/{FOREIGN}"):
            response = await browser.client.get(path)
            assert response.status_code in {200, 404}, path
            text = re.sub(r'value="[^"]*"', "", response.text)  # comes back to us as it is
            assert [each for each in text if not each.isprintable() and each != "\n"] == [], path
        assert f'href="/dead/{FOREIGN}"' in (await browser.client.get("/dead")).text
        assert "Open the dead letter" not in await browser.get(f"/dead/{FOREIGN}")
        done = await post_after(browser, f"/dead/{FOREIGN}", "/dead/purge", {"id": FOREIGN, "confirmed": "yes"})
        assert "1 dead letter deleted." in done
        assert FOREIGN not in (await browser.client.get("/dead")).text


async def test_a_dead_letter_runs_again_and_a_purged_one_is_gone(valkey_url: str) -> None:
    async with stage(valkey_url) as at:
        browser = at.browser
        assert "Select dead letters first" in await post_after(browser, "/dead", "/dead/replay", {}, 400)
        assert "Nothing was selected." in await post_after(browser, "/dead", "/jobs/cancel", {}, 400)
        many: dict[str, str | list[str]] = {"id": [at.dead] * 501}
        for path in ("/dead/replay", "/jobs/cancel"):
            assert "501 were selected, and 500 can be" in await post_after(browser, "/dead", path, many, 400)
        done = await post_after(browser, "/dead", "/dead/replay", {"id": [at.dead], "back": "/dead?reason=failed"})
        assert "1 dead letter will run again." in done
        await wait_for(browser, "/dead", "No dead letters.")
        done = await post_after(browser, f"/jobs/{at.retrying}", "/jobs/cancel", {"id": at.retrying})
        assert "is cancelled: it is a dead letter now" in done
        refused = await post_after(browser, "/handlers", "/jobs/cancel", {"id": at.running})
        assert f"{at.running} runs already and cannot be cancelled." in refused
        asked = await post_after(browser, "/dead", "/dead/purge", {"id": at.retrying, "back": "//evil.example"})
        assert "Purge dead letters?" in asked
        assert at.retrying in await browser.get("/dead")
        done = await browser.post("/dead/purge", {"id": at.retrying, "confirmed": "yes", "back": "//evil.example"})
        assert "1 dead letter deleted." in done
        assert "No dead letters." in await browser.get("/dead")


async def test_all_that_a_filter_selects_is_changed_once_that_is_confirmed(valkey_url: str) -> None:
    async with stage(valkey_url) as at:
        browser = at.browser
        form: dict[str, str | list[str]] = {"all": "yes", "reason": "crashed"}
        asked = await post_after(browser, "/dead", "/dead/purge", form)
        assert "that this filter selects: reason crashed" in asked
        form |= {"confirmed": "yes", "before": browser.field("before")}
        assert "0 dead letters deleted." in await browser.post("/dead/purge", form)
        form["reason"] = "failed"
        assert "0 dead letters deleted." in await post_after(browser, "/dead", "/dead/purge", {**form, "before": ""})
        assert "1 dead letter deleted." in await post_after(browser, "/dead", "/dead/purge", form)


async def test_a_handler_is_paused_and_resumed(valkey_url: str) -> None:
    async with stage(valkey_url) as at:
        browser, form = at.browser, {"handler": "shop|order.placed|charge_card", "back": "/handlers"}
        done = await post_after(browser, "/handlers", "/handlers/pause", dict(form))
        assert "Handler 'charge_card' of 'order.placed' (worker 'shop') is paused." in done
        assert "paused for" in done
        assert "paused: shop|order.placed|charge_card" in await browser.get("/")
        assert "is resumed." in await post_after(browser, "/handlers", "/handlers/resume", dict(form))
        refused = await post_after(browser, "/handlers", "/handlers/pause", {"handler": "chrge_card"})
        assert "Did you mean 'charge_card'?" in refused


async def post_after(
    browser: Browser, page: str, path: str, fields: dict[str, str | list[str]], code: int = 200
) -> str:
    await browser.get(page)
    return await browser.post(path, fields, code)


@pytest.mark.parametrize("partitions", [1, 3])
async def test_every_dead_letter_is_on_one_page(valkey_url: str, partitions: int) -> None:
    """Also those that died in the same millisecond, and in several partitions."""
    wanted = {f"{new_event_id(n % partitions)}.0": 1_000 + n // 70 for n in range(180)}
    with redis.Redis.from_url(valkey_url) as client:
        if partitions > 1:
            client.hset(Keys("default").partitions, "served", partitions)
        for job_id, died in wanted.items():
            keys, letter = (
                Keys("default", partition_of(job_id)),
                DeadLetter.of("shop||t", QueueEntry(job_id), "failed", ""),
            )
            client.hset(keys.dead, job_id, letter.to_json())
            client.zadd(keys.dead_index, {job_id: died})
    async with browsing(valkey_url) as browser:
        await browser.get("/dead")
        seen = found = re.findall(r'name="id" value="([^"]+)"', browser.page)
        while older := re.search(r'rel="next" href="([^"]+)"', browser.page):
            await browser.get(older[1].replace("&amp;", "&"))
            found = re.findall(r'name="id" value="([^"]+)"', browser.page)
            seen = [*seen, *found]
    assert len(seen) == len(set(seen))
    assert set(seen) == set(wanted)
    assert [wanted[job_id] for job_id in seen] == sorted(wanted.values(), reverse=True)


async def test_of_many_handlers_and_events_pages_are_shown_and_those_that_are_looked_for(valkey_url: str) -> None:
    """A page that is fetched again every two seconds has to stay small, however many handlers there are."""
    broker = Broker(valkey_url, Keys("default"))
    for number in range(130):
        await broker.publisher.subscribe(f"event.{number}", [f"worker-{number % 3}|event.{number}|handle{number}"])
    await broker.close()
    async with browsing(valkey_url) as browser:
        for path in ("/handlers", "/events"):
            await browser.get(path)
            seen = found = re.findall(r'href="/jobs\?handler=([^"]+)"', browser.page)
            assert len(browser.page) < 60_000
            while following := re.search(r'rel="next" href="([^"]+)"', browser.page):
                await browser.get(html.unescape(following[1]))
                found = re.findall(r'href="/jobs\?handler=([^"]+)"', browser.page)
                assert len(found) <= 50
                seen = [*seen, *found]
            assert len(seen) == len(set(seen)) == 130
            assert "Previous 101 to 130 of 130" in await browser.get(f"{path}?page=99")
            assert "handle77" in await browser.get(f"{path}?find=HANDLE77")
            assert "handle78" not in browser.page
            assert "1 to 50 of 130" in await browser.get(f"{path}?find=event+handle&page=x")
            assert "Nothing has all of these words in its name." in await browser.get(f"{path}?find=event+nothing")
        await browser.get("/handlers?find=event.100")
        fields: dict[str, str | list[str]] = {"handler": "worker-1|event.100|handle100", "back": browser.field("back")}
        assert "paused for" in await browser.post("/handlers/pause", fields)
        assert "handle101" not in browser.page


async def test_the_graph_shows_who_sends_an_event_and_what_its_handlers_send(
    valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `upnext graph --format json` says, whatever runs; a click leads to the event."""
    monkeypatch.chdir(tmp_path)
    shop = Shell(tmp_path, capsys)
    shop.write({"pyproject.toml": "", "stock.py": CHAIN})
    file = tmp_path / "graph.json"
    file.write_text(shop.run("graph", "--format", "json").out, encoding="utf-8")
    async with browsing(valkey_url, graph=str(file)) as browser:
        said = await browser.get("/events")
        assert "stock.reserved sent by place in stock.py, again in stock.py" in said
        assert "reserve stock · stock in the sources only sends stock.gone stock.reserved" in said
        assert "stock.gone sent by reserve in stock.py no handler so far" in said
        await browser.get(re.findall(r'href="(/events\?event=stock.gone)"', browser.page)[0])
        assert "stock.reserved" not in browser.page
    for text in (
        "[]",
        '{"events": [{}]}',
        "{",
        '{"events": [{"name": "a", "handlers": [{}], "sends": []}], "tasks": []}',
    ):
        file.write_text(text, encoding="utf-8")
        done = shop.run("dashboard", "--graph", "graph.json", "--redis-url", "redis://127.0.0.1:1")
        assert (done.code, done.out) == (2, "")
        assert "does not hold what `upnext graph --format json` of this release prints" in done.err
    endless = shop.run("dashboard", "--graph", "/dev/zero", "--redis-url", "redis://a:1").err
    assert "--graph '/dev/zero' cannot be read: it holds more than 100 MB." in endless
    assert "cannot be read: No such file" in shop.run("dashboard", "--graph", "x", "--redis-url", "redis://a:1").err


async def test_a_lost_server_is_said_and_a_server_that_is_back_is_seen(tmp_path: Path) -> None:
    binary = valkey_binary()
    assert binary is not None
    with Server(binary, tmp_path, tcp=True) as server:
        async with browsing(server.url) as browser:
            assert "No handler has ever connected." in await browser.get("/")
            server.kill()
            await wait_for(browser, "/", "No answer from the server.")
            for path in PAGES:
                assert "No answer from the server." in await browser.get(path, 503)
            server.start()
            await wait_for(browser, "/", "No handler has ever connected.")
            assert "No dead letters." in await browser.get("/dead")


async def test_a_password_is_shown_nowhere() -> None:
    async with browsing("redis://:hunter2@127.0.0.1:1/0") as browser:
        await browser.get("/", 503)
        assert "hunter2" not in browser.page


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("127.0.0.1:8765", 200),
        ("localhost", 200),
        ("[::1]:8765", 200),
        ("192.0.2.7:8765", 200),
        ("Dash.Example:443", 200),
        ("evil.example", 421),
        ("evil.example:8765", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost@evil.example", 421),
        ("[::1", 421),
        ("", 421),
    ],
)
async def test_it_answers_to_addresses_and_known_names_only(host: str, code: int) -> None:
    """Another name may be one that a site has pointed at this machine."""
    async with browsing("redis://127.0.0.1:1") as browser:
        response = await browser.client.get("/login", headers={"Host": host})
        assert response.status_code == code


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": ORIGIN},
        {"Origin": ORIGIN},
        {},
    ],
    ids=str,
)
async def test_no_other_site_can_change_anything(headers: dict[str, str]) -> None:
    """What comes from our own origin needs what only our own pages know."""
    async with browsing("redis://127.0.0.1:1") as browser:
        for path in ("/dead/purge", "/dead/replay", "/jobs/cancel", "/handlers/pause", "/login", "/logout"):
            response = await browser.client.post(path, data={"id": "x", "form_token": "guess"}, headers=headers)
            assert response.status_code == 403, path


async def test_without_the_token_nobody_enters() -> None:
    async with browsing("redis://127.0.0.1:1", TOKEN) as browser:
        for path in (*PAGES, "/dead/x", "/jobs/x"):
            response = await browser.client.get(path, follow_redirects=False)
            assert (response.status_code, response.headers["location"]) == (303, "/login")
        assert "Sign in first" in await browser.post("/dead/purge", {"id": "x"}, 401)
        await browser.get("/login")
        assert "namespace" not in browser.page
        assert "That is not the token." in await browser.post("/login", {"token": TOKEN[:-1]}, 403)
        assert "No answer from the server." in await browser.post("/login", {"token": TOKEN}, 503)
        (cookie,) = browser.client.cookies.jar
        assert cookie.has_nonstandard_attr("HttpOnly")
        assert cookie.get_nonstandard_attr("SameSite") == "strict"
        await browser.get("/dead", 503)
        assert "Token" in await browser.post("/logout", {})
        assert "Token" in await browser.get("/")
        bearer = await browser.client.get("/", headers={"Authorization": f"Bearer {TOKEN}"}, follow_redirects=False)
        assert bearer.status_code == 503


async def test_a_token_of_any_letters_opens_it() -> None:
    token = "Schlüssel-für-die-Übersicht"
    async with browsing("redis://127.0.0.1:1", token) as browser:
        for written, code in ((token.encode(), 503), (token.encode("latin-1"), 503), (token[:-1].encode(), 401)):
            headers = {b"Authorization": b"Bearer " + written}
            assert (await browser.client.get("/", headers=headers, follow_redirects=False)).status_code == code
        await browser.get("/login")
        await browser.post("/login", {"token": token}, 503)


async def test_no_answer_lets_a_browser_run_or_load_anything_of_others() -> None:
    async with browsing("redis://127.0.0.1:1") as browser:
        for path in (*PAGES, "/login", "/nothing", "/static/dashboard.js", "/static/../app.py"):
            response = await browser.client.get(path)
            policy = response.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert not re.findall(r"<script(?![^>]* src=)|<style|\son\w+=|\sstyle=|https?://", response.text), path
        asked = await browser.client.post("/dead", content=b"x" * 10)
        assert asked.status_code == 405


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--host", "0.0.0.0"], "Other machines can reach '0.0.0.0'"),
        (["--host", "::"], "Other machines can reach '::'"),
        (["--host", ""], "--host '' cannot be found"),
        (["--token", "short"], "The token must have at least 16 characters"),
        (["--token", "a token with a line end\n"], "The token must be of characters that can be typed"),
        (["--token", "a token that is not text \udcff"], "The token must be of characters that can be typed"),
        (["--host", "no such host"], "--host 'no such host' cannot be found"),
        (["--port", "0"], "'0' must be a port from 1 to 65535"),
        (["--allow-host", "dash.example:443"], "'dash.example:443' must be a host name alone"),
        (["--allow-host", "https://dash.example/"], "'https://dash.example/' must be a host name alone"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_the_command_opens_to_other_machines_with_a_token_only(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UPNEXT_DASHBOARD_TOKEN", raising=False)
    assert main(["dashboard", *words, "--redis-url", "redis://127.0.0.1:1"]) == 2
    assert said in capsys.readouterr().err


def test_sigterm_ends_it_with_exit_code_0_and_a_form_that_is_cut_off_is_no_fault() -> None:
    port = free_port()
    command = [sys.executable, "-m", "upnext", "dashboard", "--port", str(port), "--redis-url", "redis://127.0.0.1:1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until(lambda: _answers(port), timeout=60)
            with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
                origin = f"Host: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\n"
                head = f"POST /dead/purge HTTP/1.1\r\n{origin}Transfer-Encoding: chunked\r\n\r\nzz\r\n"
                connection.sendall(head.encode())
                assert connection.recv(1000).startswith(b"HTTP/1.1 400 ")
            process.terminate()
            assert "Traceback" not in process.communicate(timeout=60)[1]
            assert process.returncode == 0
        finally:
            process.kill()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/login", timeout=20) as answer:
            return answer.status == 200
    except OSError:
        return False
