"""Servers that `upnext gen --against` is given: several of them, other projects on them, and what cannot be read."""

from __future__ import annotations

import json
import re
import socket
import textwrap
import threading
from contextlib import suppress

import pytest
from redis import Redis

from tests.cli.deploying import HEAD, KEYS, MAIL, Change, checked, declared, deploy, prepare, publish, queue, told
from tests.cli.projects import Shell
from tests.cli.test_explain import write_example
from tests.servers import Server
from upnext.broker.contracts import HandlerContract
from upnext.cli import deployed
from upnext.registry import declarations
from upnext_codegen.rules import rule


def test_the_example_of_the_rule_about_jobs_is_what_gen_says_of_it(empty: Shell, valkey_url: str) -> None:
    found = rule("UPN432")
    write_example(empty, found)
    (contract,) = json.loads(empty.text("deployed.json"))["contracts"]
    publish(valkey_url, "shop", [HandlerContract("shop|order.placed|mail", contract["module"], contract["schema"])])
    queue(valkey_url, "shop|order.placed|mail", ((json.loads(empty.text("queued.json")), "waiting"),))
    empty.run("gen")
    done = empty.run("gen", "--check", "--against", valkey_url)
    assert (done.code, done.err) == (1, "")
    assert done.out.partition("\n\n")[0] == textwrap.dedent(found.output)
    assert (
        "note: compared with the contracts of 1 process (1 handlers and tasks) and the payloads of 1 of 1" in done.out
    )


def test_handlers_of_other_projects_and_their_jobs_are_left_to_them(
    empty: Shell, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = Change(MAIL, MAIL, others=MAIL.replace("mail", "bill"), handler="billing|order.placed|gone")
    prepare(empty, valkey_url, change, monkeypatch)
    queue(valkey_url, change.handler, (({"order_id": 1}, "waiting"), ({"order_id": 1}, "dead")))
    assert checked(empty, valkey_url)[1] == []


def test_while_two_releases_run_the_new_handlers_have_to_take_what_both_of_them_are_sent(
    empty: Shell, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(valkey_url, declared("old", HEAD + MAIL, empty, monkeypatch), "1.0", 1)
    for registry in list(declarations):
        declarations.forget(registry)
    deploy(valkey_url, declared("new", HEAD + MAIL.replace("str,", "str, note: str,"), empty, monkeypatch), "1.1", 2)
    empty.write({"shop_events.py": HEAD + MAIL.replace("str,", "str, note: str,")})
    (line,) = told(checked(empty, valkey_url)[1])
    assert line.startswith('error UPN430 field "note" of "order.placed" is required now, and what is sent now')


def test_what_is_deployed_is_compared_together_with_git_and_with_other_servers(
    empty: Shell, valkey_url: str, valkey_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has its own say, and what two of them say alike is said once."""
    prepare(empty, valkey_url, Change(MAIL, MAIL.replace("str,", "str, note: str,")), monkeypatch)
    shell = empty
    saved = shell.run("contracts", "list", "--redis-url", valkey_url, "--format", "json").out
    (shell.root / "deployed.json").write_text(saved)
    shell.run("gen")
    (shell.root / "upnext.lock").rename(shell.root / "same.lock")
    done, found = checked(shell, valkey_url, "same.lock", "deployed.json", valkey_url)
    assert [each["code"] for each in found] == ["UPN430"]
    notes = json.loads(done.out)["notes"]
    assert [note.partition(" at ")[0] for note in notes] == [
        "compared with the contracts of 1 process (1 handlers and tasks) and no jobs that wait"
    ] * 2
    monkeypatch.setenv("UPNEXT_NAMESPACE", "other")
    assert checked(shell, valkey_url)[1] == []
    shell.run("gen")
    again = shell.run("gen", "--check", "--against", valkey_url, "--namespace", "default", "--format", "github")
    assert again.code == 1
    assert "title=UPN430::" in again.out
    sarif = json.loads(shell.run("gen", "--check", "--against", "deployed.json", "--format", "sarif").out)
    assert [each["ruleId"] for each in sarif["runs"][0]["results"]] == ["UPN430"]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://127.0.0.1:1", "127.0.0.1:1 refuses connections. Check that it runs, and that this is its address."),
        ("rediss://user:geheim@127.0.0.1:1/3", "127.0.0.1:1 refuses connections."),
        ("redis://u.invalid:1", "the host name 'u.invalid' cannot be resolved. Check how it is spelled, and that"),
        ("redis+sentinel://u.invalid:1/a", "the host name 'u.invalid' cannot be resolved."),
        ("redis+cluster://127.0.0.1:1", "127.0.0.1:1 refuses connections."),
        ("unix:///nowhere/redis.sock", "there is no socket '/nowhere/redis.sock'."),
    ],
)
def test_a_server_that_is_not_reached_is_said_with_the_reason(shop: Shell, url: str, words: str) -> None:
    """And nothing is printed or written: a check that did not look must not pass."""
    done = shop.run("gen", "--against", url)
    assert (done.code, done.out) == (2, "")
    shown = url.replace("user:geheim@", "")
    assert done.err.startswith(f"upnext: --against {shown}: No answer from the server at {shown}: {words}")
    assert not (shop.root / "upnext.lock").exists()


def test_another_program_at_the_address_is_told_from_a_server(shop: Shell) -> None:
    """A web server, for one: waiting for it would be in vain."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with suppress(OSError):  # nobody calls any more
                while True:  # connecting is tried once more, and whether it speaks TLS
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(1000)
                        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        web = threading.Thread(target=answer, daemon=True)
        web.start()
        url = f"redis://127.0.0.1:{listener.getsockname()[1]}"
        done = shop.run("gen", "--against", url)
        listener.shutdown(socket.SHUT_RDWR)
        web.join()
    assert done.code == 2
    assert f"The server at {url} cannot be used: what answers there is no Redis or Valkey server" in done.err


@pytest.mark.parametrize("url", ["redis://127.0.0.1:port", "http://127.0.0.1"])
def test_an_address_that_cannot_be_used_is_an_error_of_usage(shop: Shell, url: str) -> None:
    done = shop.run("gen", "--against", url)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"upnext: Redis URL '{url}' cannot be used")


def test_a_client_that_is_rejected_is_an_error_of_usage(shop: Shell, valkey_url: str) -> None:
    done = shop.run("gen", "--against", f"{valkey_url}?username=nobody&password=geheim")
    assert (done.code, done.out) == (2, "")
    assert "rejects this client" in done.err
    assert "geheim" not in done.err


@pytest.mark.parametrize(
    "key",
    [
        KEYS.queues,
        KEYS.queue("shop|order.placed|send_confirmation"),
        KEYS.scheduled,
        KEYS.dead_index,
        KEYS.dead,
        KEYS.events,
    ],
)
def test_data_of_another_program_is_an_error_of_usage_that_names_its_key(
    shop: Shell, valkey_url: str, key: str
) -> None:
    handler = "shop|order.placed|send_confirmation"
    payload = {"order_id": "1", "user_id": "2"}
    queue(valkey_url, handler, ((payload, "waiting"), (payload, "dead")))
    with Redis.from_url(valkey_url) as client:
        client.delete(key)
        client.set(key, "another program's")
    done = shop.run("gen", "--against", valkey_url)
    assert (done.code, done.out, done.err) == (
        2,
        "",
        f"upnext: {key} does not hold what upnext stores there: another program wrote it.\n",
    )


def test_entries_and_payloads_of_another_program_are_passed_over_or_counted(shop: Shell, valkey_url: str) -> None:
    handler = "shop|order.placed|send_confirmation"
    queue(valkey_url, handler, (({"order_id": "1", "user_id": "2"}, "waiting"), ({"order_id": "secret"}, "dead")))
    with Redis.from_url(valkey_url) as client:
        client.sadd(KEYS.queues, "junk", b"\xff|\xfe|\xfd")
        client.rpush(KEYS.queue(handler), "junk", b"\xff", "a.0:1:2:3")
        client.zadd(KEYS.scheduled, {"junk": 1, b"\xff \xff": 2})
        client.hset(KEYS.dead, "a.0", "junk")
        client.zadd(KEYS.dead_index, {"a.0": 2, "b.0": 3})
        client.hset(KEYS.events, "a", b"1\n{not JSON")
        client.hset(KEYS.events, "junk", b"9\nlater")
    _, found = checked(shop, valkey_url)
    (message,) = [each["message"] for each in found]
    assert message == (
        'handler "send_confirmation" cannot take 2 of 3 jobs of "order.placed" that wait or are dead letters '
        "(1 waiting, 1 dead): "
        'field "user_id" is missing (1); the payload is not JSON (1)'
    )


def test_of_more_jobs_than_are_looked_at_a_sample_is_and_the_report_says_so(
    shop: Shell, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages that are evenly spread over the queue."""
    monkeypatch.setattr(deployed, "MAX_JOBS_CHECKED", 1000)
    handler = "shop|order.placed|send_confirmation"
    with Redis.from_url(valkey_url) as client:
        names = [f"{number:028x}" for number in range(10_000)]
        client.sadd(KEYS.queues, handler)
        client.rpush(KEYS.queue(handler), *(f"{name}.0" for name in names))
        client.hset(KEYS.events, mapping=dict.fromkeys(names, b'1\n{"order_id": "1"}'))
    done, (finding,) = checked(shop, valkey_url)
    (note,) = json.loads(done.out)["notes"]
    counted = re.search(r"cannot take ([\d,]+) of \1 jobs", finding["message"])
    assert counted is not None
    assert 500 <= int(counted[1].replace(",", "")) <= 2000
    assert f"the payloads of {counted[1]} of 10,000 jobs that wait (a sample) at" in note
