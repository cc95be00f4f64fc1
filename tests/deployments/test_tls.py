"""TLS: what is delivered over it, and which certificates are not trusted."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

import pytest
import trustme
from redis.asyncio import Redis

import upnext
from tests.runtime.proxy import Proxy
from tests.runtime.running import ServiceFile, running
from tests.servers import Server
from upnext.cli import main


class Authority:
    """Whoever signs certificates, and the file by which clients trust it."""

    def __init__(self, file: Path) -> None:
        self._ca = trustme.CA()
        self.file = file
        self._ca.cert_pem.write_to_path(str(file))

    def certificate(self, host: str) -> trustme.LeafCert:
        """Sign a new certificate."""
        return self._ca.issue_cert(host)

    def server(self, host: str = "127.0.0.1") -> ssl.SSLContext:
        """Return how a server speaks TLS that is called so."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.certificate(host).configure_cert(context)
        return context


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Give the one that is trusted."""
    return Authority(tmp_path / "ca.pem")


async def test_jobs_are_delivered_over_tls(server: Server, authority: Authority) -> None:
    """Large ones too, later ones, and their results."""
    async with Proxy(server.url, authority.server()).serving() as proxy:
        url = f"{proxy.url}?ssl_ca_certs={authority.file}"
        worker = upnext.Worker("shop", redis_url=url)

        @worker.event("order.placed").on
        async def handle(text: str) -> str:
            return text

        sender = upnext.Worker("till", redis_url=url).event("order.placed")
        async with running(worker):
            large = "x" * 500_000
            assert await (await sender.send(text=large)).results(timeout=20) == {"handle": large}
            later = await sender.options(delay=0.05).send(text="later")
            assert await later.results(timeout=20) == {"handle": "later"}
            many = await asyncio.gather(*(sender.send(text=str(n)) for n in range(300)))
            assert [await one.results(timeout=20) for one in many] == [{"handle": str(n)} for n in range(300)]


async def test_a_server_that_asks_for_a_certificate_gets_it(
    valkey_url: str, authority: Authority, tmp_path: Path
) -> None:
    """The client's own one and its key come from two files."""
    tls = authority.server()
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_verify_locations(authority.file)
    own = authority.certificate("client")
    own.cert_chain_pems[0].write_to_path(str(tmp_path / "client.pem"))
    own.private_key_pem.write_to_path(str(tmp_path / "client.key"))
    async with Proxy(valkey_url, tls).serving() as proxy:
        url = f"{proxy.url}?ssl_ca_certs={authority.file}&ssl_certfile={tmp_path}/client.pem"
        event = upnext.Worker("till", redis_url=f"{url}&ssl_keyfile={tmp_path}/client.key").event("order.placed")
        await event.send(n=1)
    async with Redis.from_url(valkey_url) as client:
        assert await client.keys("*unrouted:order.placed") != []


async def test_a_certificate_of_an_unknown_authority_is_refused(
    valkey_url: str, authority: Authority, tmp_path: Path
) -> None:
    """A send and a worker say so at once; the process ends with 3, and shows no password."""
    stranger = Authority(tmp_path / "stranger.pem")
    async with Proxy(valkey_url, stranger.server()).serving() as proxy:
        url = f"{proxy.url}?ssl_ca_certs={authority.file}".replace("//", "//:hunter2@", 1)
        with pytest.raises(upnext.BrokerRefusedError, match="certificate is not trusted") as refused:
            await upnext.Worker("till", redis_url=url).event("order.placed").send(n=1)
        assert "hunter2" not in str(refused.value)
        service = ServiceFile(tmp_path, url, "worker = upnext.Worker('shop')\n")
        with service.process() as process:
            out, err = await asyncio.to_thread(process.communicate, timeout=40)
    assert process.returncode == 3
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith(f"upnext: The server at {proxy.url}?ssl_ca_certs={authority.file} cannot be used: ")
    assert "its certificate is not trusted: " in err
    assert "hunter2" not in err


async def test_a_certificate_of_another_server_is_refused(valkey_url: str, authority: Authority) -> None:
    """Although its authority is trusted."""
    async with Proxy(valkey_url, authority.server("elsewhere.example")).serving() as proxy:
        worker = upnext.Worker("shop", redis_url=f"{proxy.url}?ssl_ca_certs={authority.file}")
        with pytest.raises(upnext.BrokerRefusedError, match=r"certificate is not trusted: IP address mismatch"):
            async with running(worker):
                pass


@pytest.mark.parametrize("options", ["", "?ssl_ca_certs={}"])
async def test_tls_with_a_server_that_has_none_is_named(
    valkey_url: str, authority: Authority, options: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such a server waits for the end of a line: until now it seemed to be away."""
    async with Proxy(valkey_url).serving() as proxy:
        url = proxy.url.replace("redis://", "rediss://:hunter2@") + options.format(authority.file)
        url += f"{'&' if options else '?'}socket_connect_timeout=0.5"
        said = "it does not speak TLS: use redis:// in place of rediss://"
        with pytest.raises(upnext.BrokerRefusedError, match=said):
            await upnext.Worker("till", redis_url=url).event("order.placed").send(n=1)
        service = ServiceFile(tmp_path, url, "worker = upnext.Worker('shop')\n")
        with service.process() as process:
            _, err = await asyncio.to_thread(process.communicate, timeout=40)
        assert (process.returncode, err.count("\n")) == (3, 1)
        assert said in err
        assert await asyncio.to_thread(main, ["doctor", "--redis-url", url]) != 0
        out = "".join(capsys.readouterr())
        assert said in out
        assert "firewall" not in out


async def test_a_server_that_speaks_tls_alone_is_named(
    valkey_url: str, authority: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it answers is none of Redis."""
    async with Proxy(valkey_url, authority.server()).serving() as proxy:
        url = proxy.url.replace("rediss://", "redis://")
        said = "it speaks TLS: use rediss:// in place of redis://"
        with pytest.raises(upnext.BrokerRefusedError, match=said):
            await upnext.Worker("till", redis_url=url).event("order.placed").send(n=1)
        assert await asyncio.to_thread(main, ["doctor", "--redis-url", url]) != 0
        out = "".join(capsys.readouterr())
        assert said in out


async def test_what_speaks_neither_is_still_what_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that takes connections and says nothing, whatever it is asked: nobody accepts them but its kernel."""
    monkeypatch.setenv("UPNEXT_SEND_DEADLINE", "2")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        for scheme in ("redis", "rediss"):
            url = f"{scheme}://{host}:{port}?socket_connect_timeout=0.3&socket_timeout=0.3"
            with pytest.raises(upnext.BrokerUnavailableError) as caught:
                await upnext.Worker("till", redis_url=url).event("order.placed").send(n=1)
            assert "TLS" not in str(caught.value)


@pytest.mark.parametrize("option", ["ssl_ca_certs", "ssl_certfile", "ssl_keyfile"])
def test_a_file_that_is_missing_is_named(option: str, tmp_path: Path) -> None:
    """Before anything is dialled, with the option that names it."""
    missing = tmp_path / "missing.pem"
    with pytest.raises(upnext.ConfigError, match=rf"{option}: there is no file '.*missing\.pem'") as refused:
        upnext.Worker("shop", redis_url=f"rediss://:hunter2@127.0.0.1:1/0?{option}={missing}")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("ssl_ca_certs={0}/none.pem", r"ssl_ca_certs: '.*none\.pem' holds no certificate that can be read"),
        ("ssl_certfile={0}/ca.pem", r"ssl_certfile: '.*ca\.pem' and its key cannot be used"),
        ("ssl_keyfile={0}/ca.pem", "ssl_keyfile: the certificate that belongs to it comes as ssl_certfile"),
        ("ssl_cert_reqs=perhaps", "option .ssl_cert_reqs. must be none or optional or required"),
    ],
)
@pytest.mark.usefixtures("authority")
def test_what_no_connection_could_be_made_with_is_named(options: str, said: str, tmp_path: Path) -> None:
    """Rather than waiting for a server that seems to be away."""
    (tmp_path / "none.pem").write_text("no certificate\n")
    with pytest.raises(upnext.ConfigError, match=said):
        upnext.Worker("shop", redis_url=f"rediss://127.0.0.1:1/0?{options.format(tmp_path)}")
