"""An hour in an editor, made short: look at a send, write two more, and change what a handler asks for."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

from tests.conformance.projects import SHOP, generate
from tests.editors.client import Editor
from tests.editors.servers import SERVERS
from tests.installed import Installed

ENVIRONMENT = ".venv"
FIELDS = ("email", "items", "order_id", "placed_at", "ship_to", "total", "coupon")
RECEIVERS = ("charge_card", "record_sale", "reserve_stock", "send_confirmation")
EVENTS = ("user.registered", "order.placed", "order.shipped", "payment.failed")

SENDER, HANDLERS = "shop/api.py", "shop/email.py"
SEND = "from shop.events import order_placed\n\n\nasync def place() -> None:\n    await order_placed.send("
EVENT = 'from shop.events import worker\n\nplaced = worker.event("'


def project(folder: Path, installed: Installed) -> Path:
    """Copy the example application, with the environment linked into its folder, where pyrefly's server looks."""
    generate(SHOP, folder, installed)
    # What is asked of the servers is what they do without settings.
    (folder / "pyproject.toml").write_text('[project]\nname = "shop"\nversion = "1.0"\n', encoding="utf-8")
    (folder / ENVIRONMENT).symlink_to(installed.folder, target_is_directory=True)
    return folder


def column(server: str, folder: Path, installed: Installed) -> dict[str, str]:
    """Spend the session with one server, and return what stands below its name, by row.

    Raises:
        AssertionError: If the server does not report the send that a handler's new parameter has broken.
    """
    with SERVERS[server](folder, folder / ENVIRONMENT / "bin" / "python") as editor:
        editor.open(SENDER)
        editor.diagnostics(SENDER, lambda messages: not messages)
        hover = editor.hover(SENDER, "order_placed.send")
        editor.open("shop/sending.py", SEND)
        offered = [each.removesuffix("=") for each in editor.completions("shop/sending.py", SEND)]
        signature = editor.signature("shop/sending.py", SEND)
        editor.open("shop/naming.py", EVENT)
        events = [each.strip("\"'") for each in editor.completions("shop/naming.py", EVENT)]
        ask_for_more(editor, folder, installed)
    return {
        "version": version(server),
        "hover over `send`: its fields": _cell(
            FIELDS, re.findall(r"^ +(\w+) *: ", hover.partition("Received by:")[0], re.MULTILINE)
        ),
        "hover over `send`: the handlers that receive the event, a line each": _cell(RECEIVERS, _listed(hover)),
        "behind `order_placed.send(`: its fields are offered": _cell(FIELDS, offered),
        "behind `order_placed.send(`: help with all fields and handlers": _cell(
            (*FIELDS, *RECEIVERS), re.findall(r"\w+", signature.replace("\\", ""))
        ),
        'behind `worker.event("`: the events of the project are offered': _cell(EVENTS, events),
        "a handler asks for one more field, `upnext gen`: an error where the event is sent": "✔",
    }


def ask_for_more(editor: Editor, folder: Path, installed: Installed) -> None:
    """Give a handler one more required parameter, save, and wait until the open send is reported for it."""
    path = folder / HANDLERS
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("total: Money, **kwargs", "total: Money, language: str, **kwargs"), encoding="utf-8")
    editor.changed(HANDLERS)
    answer = installed.run("upnext", "gen", cwd=folder)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    editor.changed("upnext_catalog.pyi", "upnext.lock")
    editor.diagnostics(SENDER, lambda messages: any("language" in message for message in messages))


def table(columns: dict[str, dict[str, str]]) -> list[tuple[str, ...]]:
    """Return the lines of the table, its head first."""
    rows = list(dict.fromkeys(row for each in columns.values() for row in each))
    head = [("in the editor", *columns), ("---", *("---" for _ in columns))]
    return [*head, *((row, *(each[row] for each in columns.values())) for row in rows)]


def _listed(hover: str) -> list[str]:
    """Return the first words of the lines below "Received by:", as they are shown."""
    shown = re.sub(r"(?<!  )\n(?=\S)", " ", hover).replace("&nbsp;", " ").replace("\\", "")
    return re.findall(r"^ +(\w+)", shown.partition("Received by:")[2].partition("Fields:")[0], re.MULTILINE)


def _cell(expected: tuple[str, ...], found: list[str]) -> str:
    missing = len(set(expected) - set(found))
    if missing == len(expected):
        return "no"
    return f"{missing} of {len(expected)} missing" if missing else "✔"
