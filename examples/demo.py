"""The way of an event, from the sources to every handler's result. `make demo` runs it, and every step is checked.

It works on a copy of `examples/shop` in a temporary folder, and leaves nothing behind: no files and no processes.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any, NoReturn

import httpx
from service_process import ServiceProcess

SHOP = Path(__file__).resolve().parent / "shop"
PROGRAMS = Path(sys.executable).parent
SECONDS = 120.0  # for a step; each takes a few

HANDLERS = {"charge_card", "record_sale", "reserve_stock", "send_confirmation"}

BAD_SENDS = """\
from uuid import uuid4
from shop.events import user_registered

async def import_customer(email: str) -> None:
    await user_registered.send(email=email)
    await user_registered.send(user_id="42", email=email)
    await user_registered.send(user_id=uuid4(), email=email, nmae="Ada")
    await user_registered.send(user_id=uuid4(), email=email, name="Ada")
"""
BAD_LINES = {5, 6, 7}

ORDER = {
    "email": "ada@example.org",
    "items": [
        {"sku": "teapot", "quantity": 1, "price": {"amount": "24.50"}},
        {"sku": "cup", "quantity": 4, "price": {"amount": "6.00"}},
    ],
    "ship_to": {"name": "Ada", "street": "12 St James's Square", "city": "London", "country": "GB"},
}


class StepFailedError(Exception):
    """Something that the demo is about did not happen."""


def main() -> int:
    signal.signal(signal.SIGTERM, _stop)
    sys.stdout.reconfigure(errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]
    try:
        with tempfile.TemporaryDirectory(prefix="upnext-demo-") as folder:
            shop = Path(folder).resolve() / "shop"
            shutil.copytree(SHOP, shop, ignore=shutil.ignore_patterns("upnext*", ".*", "__pycache__"))
            generate(shop)
            check(shop)
            run(shop)
    except StepFailedError as failure:
        print(f"\ndemo: failed: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    say("Every step did what it should.")
    return 0


def generate(shop: Path) -> None:
    heading("1. What every event needs, read from the sources of its handlers")
    say(
        "The shop is a small application, see examples/shop (the demo works on a copy). "
        "Its sources are read; nothing of it is imported or run yet."
    )
    output = execute(shop, 0, "upnext", "gen")
    expect(all(name in output for name in HANDLERS), "`upnext gen` did not list every handler of order.placed")
    expect((shop / "upnext_catalog.pyi").is_file(), "`upnext gen` wrote no catalog")
    say("The catalog tells every type checker what `send` takes. Commit it: the command writes the same again in CI.")


def check(shop: Path) -> None:
    heading("2. A send that some handler could not take is a type error")
    say("A field is missing in line 5, has the wrong type in line 6 and is misspelt in line 7. Line 8 is right.")
    (shop / "customers.py").write_text(BAD_SENDS, encoding="utf-8")
    command("cat -n customers.py")
    for number, line in enumerate(BAD_SENDS.splitlines(), 1):
        print(f"{number:6}  {line}")
    for checker in ("mypy", "pyright"):
        output = execute(shop, 1, checker, "customers.py")
        found = {int(line) for line in re.findall(r"customers\.py:(\d+).*error", output)}
        expect(found == BAD_LINES, f"{checker} reported lines {sorted(found)}, not {sorted(BAD_LINES)}")
    (shop / "customers.py").unlink()


def run(shop: Path) -> None:
    heading("3. An order comes in over HTTP, and every handler runs as its own job")
    say(
        "No Redis is configured, so the service starts an embedded server, for development. "
        "The shop's mail provider is told to refuse one mail, so that there is a failure to see."
    )
    port = free_port()
    command(f"SHOP_MAIL_REFUSALS=1 SHOP_PORT={port} upnext run service.py &")
    settings = {"SHOP_MAIL_REFUSALS": "1", "SHOP_PORT": str(port)}
    with ServiceProcess([str(PROGRAMS / "upnext"), "run", "service.py"], shop, environment() | settings) as service:
        expect(service.serves(port, SECONDS), f"the service did not answer on port {port}")
        answer = post(port, "/orders?wait=30", ORDER)
        expect(service.logs("send_confirmation.* failed .*retrying", SECONDS), "no handler failed and was retried")
        expect(service.logs("mail to ada@example.org", SECONDS), "the mail was not sent in the end")
        heading("4. The failed handler ran again, and here is what each of them returned")
        print(json.dumps(answer, indent=2))
        results = answer["results"]
        expect(set(results) == HANDLERS, f"not every handler returned a result: {sorted(results)}")
        heading("5. Everything stops in order")
        command("kill %1")
        code = service.stop(SECONDS)
        expect(code == 0, f"the service ended with exit code {code}")
        expect(service.is_gone(SECONDS), "the embedded server is still there")
    say("The service let its jobs end and took the embedded server along.")


def execute(shop: Path, expected: int, program: str, *arguments: str) -> str:
    """Run a command in the shop as a user would, show it and what it prints, and return that."""
    command(" ".join((program, *arguments)))
    try:
        done = subprocess.run(
            [str(PROGRAMS / program), *arguments],
            cwd=shop,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StepFailedError(f"`{program}` did not run: {error}") from error
    output = done.stdout.replace(f"{shop}{os.sep}", "").rstrip()
    print(output)
    expect(done.returncode == expected, f"`{program}` ended with exit code {done.returncode}, not {expected}")
    return output


def post(port: int, path: str, body: dict[str, Any]) -> dict[str, Any]:
    url = f"http://127.0.0.1:{port}{path}"
    command(f"curl '{url}' --json @order.json")
    try:
        answer = httpx.post(url, json=body, timeout=SECONDS, trust_env=False)
    except httpx.HTTPError as error:
        raise StepFailedError(f"the order could not be posted: {error!r}") from error
    expect(answer.status_code == 202, f"the order was answered with {answer.status_code}: {answer.text}")
    found: dict[str, Any] = answer.json()
    return found


def environment() -> dict[str, str]:
    """The user's environment with ours active, and without settings that would change what is shown."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("UPNEXT_", "MYPY", "SHOP_")) and name not in ("FORCE_COLOR", "PYTHONPATH")
    }
    path = os.pathsep.join([str(PROGRAMS), kept.get("PATH", os.defpath)])
    ours = {"PATH": path, "VIRTUAL_ENV": sys.prefix, "NO_COLOR": "1", "PYTHONUTF8": "1"}
    return kept | ours | {"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def expect(happened: object, otherwise: str) -> None:
    if not happened:
        raise StepFailedError(otherwise)


def heading(text: str) -> None:
    print(f"\n{text}\n{'-' * len(text)}")


def say(text: str) -> None:
    print("\n" + textwrap.fill(text, 100))


def command(text: str) -> None:
    print(f"\n$ {text}")


def _stop(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
