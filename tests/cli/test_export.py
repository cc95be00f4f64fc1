"""`upnext export`: judged by a library that knows nothing of upnext, on what workers take."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import jsonschema
import pytest

from tests.cli.deploying import declared
from tests.cli.projects import Shell
from tests.cli.test_payload_check import MODELS, TYPES
from tests.docs.story import ROOT
from tests.npm import unpack
from upnext.errors import PayloadError


def test_a_schema_takes_what_a_worker_takes(empty: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for what no sender writes, and what JSON Schema has no words for."""
    lines = [
        f"    @worker.event('e{number}').on\n    async def h(value: {text}) -> None: ...\n"
        for number, text in enumerate(TYPES)
    ]
    (registry,) = declared("every_type", MODELS + "".join(lines), empty, monkeypatch)
    empty.write({"every_type.py": MODELS + "".join(lines)})
    empty.run("gen")
    assert empty.run("export", "jsonschema").out == f"schemas: {len(TYPES)} schemas, wrote {len(TYPES)}, removed 0\n"
    assert empty.run("export", "asyncapi").out == "asyncapi.json: wrote 1, removed 0\n"
    document = json.loads(empty.text("asyncapi.json"))
    stricter, looser = list[str](), list[str]()
    for number, (text, values) in enumerate(TYPES.items()):
        schema = json.loads(empty.text(f"schemas/e{number}.schema.json"))
        validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
        validator.check_schema(schema)
        payload = {**document, "$ref": f"#/components/messages/e{number}/payload"}
        older = jsonschema.Draft7Validator(payload, format_checker=jsonschema.FormatChecker())
        older.check_schema(document["components"]["messages"][f"e{number}"]["payload"])
        for value in [*({"value": each} for each in values), {}, {"value": values[0], "other": 1}]:
            is_valid = validator.is_valid(value)
            assert older.is_valid(value) == is_valid
            try:
                registry.handlers[f"shop|e{number}|h"].signature.decode(json.dumps(value).encode())
            except PayloadError:
                looser += [f"{text}: {value}"] * is_valid
            else:
                stricter += [f"{text}: {value}"] * (not is_valid)
    assert stricter == [
        "int: {'value': True}",
        "float: {'value': True}",
        "Number: {'value': True}",
        "set[int]: {'value': [1, 1]}",
        "Point: {'value': {'x': 1, 'y': 2}}",
    ]
    assert looser == [
        "int: {'value': 1.0}",
        "datetime: {'value': '2026-01-01'}",
        "datetime: {'value': 'soon'}",
        "time: {'value': 'soon'}",
        "timedelta: {'value': 'soon'}",
        "complex: {'value': 'x'}",
        "Decimal: {'value': 'x'}",
        "dict[int, int]: {'value': {'a': 1}}",
    ]


def test_schemas_are_kept_up_to_date_by_the_command_that_check_names(shop: Shell) -> None:
    shop.run("gen")
    stale = shop.run("export", "jsonschema", "--out", "api", "--check")
    assert (stale.code, stale.out) == (1, "")
    assert stale.err == "api/order.placed.schema.json is out of date\nRun: upnext export jsonschema --out api\n"
    assert not (shop.root / "api").exists()
    assert shop.run("export", "jsonschema", "--out", "api").out == "api: 1 schema, wrote 1, removed 0\n"
    assert shop.run("export", "jsonschema", "--out", "api").out == "api: 1 schema, up to date\n"
    (path,) = (shop.root / "api").iterdir()
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert shop.run("export", "jsonschema", "--out", "api", "--check").code == 0, "git may check out other line ends"
    assert shop.run("export", "jsonschema", "--out", "api").out == "api: 1 schema, up to date\n"
    shop.write({"shop/events.py": shop.text("shop/events.py").replace("order.placed", "order/placed:now")})
    shop.run("gen")
    assert shop.run("export", "jsonschema", "--out", "api", "--check").code == 1
    assert shop.run("export", "jsonschema", "--out", "api").out == "api: 1 schema, wrote 1, removed 1\n"
    (path,) = (shop.root / "api").iterdir()
    assert path.name == "order%2Fplaced%3Anow.schema.json"
    schema = json.loads(path.read_text(encoding="utf-8"))
    assert (schema["title"], schema["required"]) == ("order/placed:now", ["order_id", "user_id"])


def test_a_path_that_is_empty_or_a_stream_is_refused(shop: Shell) -> None:
    """The one is a variable of a script that is not set; of the other a file of that name would be made."""
    commands = [
        f"export {form} {option}"
        for form in ("jsonschema", "asyncapi", "cloudevents", "typescript")
        for option in ("--out", "--lock")
    ]
    commands += ["contracts diff --lock", "send order.placed --lock", "dashboard --graph", "run", "status --service"]
    for command in commands:
        argument = "file" if command == "run" else command.rpartition(" ")[2]
        for path, why in (("", "it is empty"), ("-", "'-' does not mean a standard stream; write ./- for a file")):
            done = shop.run(*command.split(), path)
            assert (done.code, done.out) == (2, ""), command
            assert f"argument {argument}: {why}" in done.err, command
    assert [each.name for each in shop.root.iterdir() if each.suffix in {".json", ".ts"} or each.name == "-"] == []


def test_files_that_upnext_did_not_write_are_left_alone(shop: Shell) -> None:
    shop.run("gen")
    shop.write({"schemas/order.placed.schema.json": "{}", "schemas/other.schema.json": "{}", "file": ""})
    done = shop.run("export", "jsonschema")
    assert (done.code, done.out) == (2, "")
    assert "'schemas' has files that upnext did not write: order.placed.schema.json" in done.err
    assert shop.text("schemas/order.placed.schema.json") == "{}"
    (shop.root / "schemas/order.placed.schema.json").unlink()
    assert shop.run("export", "jsonschema").code == 0
    assert shop.text("schemas/other.schema.json") == "{}"
    assert shop.run("export", "jsonschema", "--out", "file").code == 2
    (shop.root / "schemas/order.placed.schema.json").unlink()
    (shop.root / "schemas/order.placed.schema.json").symlink_to(shop.root / "elsewhere")
    assert shop.run("export", "jsonschema").code == 2
    assert not (shop.root / "elsewhere").exists()
    (shop.root / "upnext.lock").write_text("junk")
    assert shop.run("export", "jsonschema").code == 2


def test_an_asyncapi_document_has_a_channel_an_event_and_says_who_receives_and_who_sends(shop: Shell) -> None:
    shop.write({
        "pyproject.toml": '[project]\nname = "the-shop"\nversion = "1.2"\n',
        "shop/api.py": """
            from shop.events import order_placed


            async def buy() -> None:
                await order_placed.send(order_id="1", user_id="2")
        """,
    })  # fmt: skip
    shop.run("gen")
    assert shop.run("export", "asyncapi", "--out", "docs/shop.json", "--check").code == 1
    assert shop.run("export", "asyncapi", "--out", "docs/shop.json").code == 0
    assert shop.run("export", "asyncapi", "--out", "docs/shop.json", "--check").code == 0
    document = json.loads(shop.text("docs/shop.json"))
    assert (document["asyncapi"], document["info"]["title"], document["info"]["version"]) == (
        "3.1.0",
        "the-shop",
        "1.2",
    )
    assert document["channels"]["order.placed"]["address"] == "order.placed"
    assert {name: each["action"] for name, each in document["operations"].items()} == {
        "receive.order.placed.shop.send_confirmation": "receive",
        "receive.order.placed.shop.update_inventory": "receive",
        "send.order.placed": "send",
    }
    assert document["components"]["messages"]["order.placed"]["payload"]["required"] == ["order_id", "user_id"]
    assert "send.order.placed" not in shop.run("export", "asyncapi", "--lock", "upnext.lock", "--out", "x.json").out
    assert len(json.loads(shop.text("x.json"))["operations"]) == 2
    shop.write({"mine.json": "{}"})
    assert shop.run("export", "asyncapi", "--out", "mine.json").code == 2


JUDGE = """
globalThis.self = globalThis;
const Parser = require("./browser/index.js");
const { readFileSync } = require("fs");
(async () => {
  for (const name of process.argv.slice(2)) {
    const { document, diagnostics } = await new Parser().parse(readFileSync(name, "utf8"));
    const found = diagnostics.map((each) => `${each.path.join(".")}: ${each.message}`);
    console.log(JSON.stringify([document === undefined ? "not read" : "read", ...found]));
  }
})();
"""
ODD_NAMES = (
    "order/placed",
    "order:placed",
    "order_placed",
    "order.placed",
    "__proto__",
    "constructor",
    "x-1",
    "A-b.C:d/e",
)


def test_the_parser_of_asyncapi_has_nothing_against_a_document(
    empty: Shell, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """That of the example, one with every type, one with names that mean something to others, and an empty one."""
    # Its own bundle for browsers has all in it that it needs: 167 other packages would take half a minute to install.
    package = unpack(tmp_path_factory.mktemp("npm"), "@asyncapi/parser@3.6.6")
    worker = "import upnext\n\nworker = upnext.Worker('my-worker')\n"
    handlers = [
        f"{name} = worker.event({event!r})\n"
        f"@{name}.on\nasync def on_{name}(value: int) -> None: ...\n"
        f"async def send_{name}() -> None:\n    await {name}.send(value=1)\n"
        for name, event in ((f"e{number}", event) for number, event in enumerate(ODD_NAMES))
    ]
    types = [
        f"    @worker.event('e{number}').on\n    async def h(value: {text}) -> None: ...\n"
        for number, text in enumerate(TYPES)
    ]
    sources = {"empty": worker, "odd": worker + "".join(handlers), "types": MODELS + "".join(types)}
    documents = [ROOT / "examples" / "shop" / "asyncapi.json"]
    for name, source in sources.items():
        empty.write({"service.py": source})
        assert empty.run("gen").code == 0
        assert empty.run("export", "asyncapi", "--out", f"{name}.json").code == 0
        documents.append(empty.root / f"{name}.json")
    script = package / "judge.js"
    script.write_text(JUDGE, encoding="utf-8")
    done = subprocess.run(["node", script, *documents], check=False, capture_output=True, text=True, timeout=120)
    assert done.stderr == ""
    assert [json.loads(line) for line in done.stdout.splitlines()] == [["read"]] * len(documents)


Tsc: TypeAlias = "Callable[[Shell, list[str]], set[int]]"


@pytest.fixture(scope="module")
def tsc(tmp_path_factory: pytest.TempPathFactory) -> Tsc:
    """Give what says which of some declarations TypeScript refuses beside `events.d.ts`."""
    package = unpack(tmp_path_factory.mktemp("npm"), "typescript@5.9.3")
    options = ("--noEmit", "--strict", "--pretty", "false", "--lib", "es2022", "--skipLibCheck")

    def wrong(project: Shell, lines: list[str]) -> set[int]:
        project.write({"sends.ts": "\n".join(['import type { Events } from "./events";', *lines, ""])})
        command = ["node", package / "bin" / "tsc", *options, "sends.ts"]
        output = subprocess.run(command, check=False, capture_output=True, text=True, cwd=project.root).stdout
        assert "events.d.ts" not in output
        return {int(line) - 2 for line in re.findall(r"^sends\.ts\((\d+),", output, re.MULTILINE)}

    return wrong


def test_typescript_takes_what_a_schema_takes(empty: Shell, tsc: Tsc) -> None:
    """But for what TypeScript has no words for."""
    lines = [
        f"    @worker.event('e{number}').on\n    async def h(value: {text}) -> None: ...\n"
        for number, text in enumerate(TYPES)
    ]
    empty.write({"every_type.py": MODELS + "".join(lines)})
    empty.run("gen")
    empty.run("export", "jsonschema")
    assert empty.run("export", "typescript").out == "events.d.ts: wrote 1, removed 0\n"
    source, expected = list[str](), list[tuple[str, bool]]()
    for number, (text, values) in enumerate(TYPES.items()):
        validator = jsonschema.Draft202012Validator(json.loads(empty.text(f"schemas/e{number}.schema.json")))
        for value in [*({"value": each} for each in values), {}, {"value": values[0], "other": 1}]:
            expected.append((f"{text}: {value}", validator.is_valid(value)))
            source.append(f'export const a{len(source)}: Events["e{number}"] = {json.dumps(value)};')
    wrong = tsc(empty, source)
    stricter = [what for number, (what, is_valid) in enumerate(expected) if is_valid and number in wrong]
    looser = [what for number, (what, is_valid) in enumerate(expected) if not is_valid and number not in wrong]
    # Keys that a model ignores are taken by whoever reads them; to write one is a mistake.
    assert stricter == [
        "Item: {'value': {'name': 'a', 'x': 1}}",
        "Address: {'value': {'street': 'a', 'x': 1}}",
        "Named: {'value': {'street': 'a', 'x': 1}}",
    ]
    assert looser == [
        "int: {'value': 1.5}",
        "int | str: {'value': 1.5}",
        "list[int]: {'value': [1.5]}",
        "set[int]: {'value': [1, 1]}",
        "Limits: {'value': {'positive': 0}}",
        "Limits: {'value': {'fives': 6}}",
        "Limits: {'value': {'short': 'abc'}}",
        "Limits: {'value': {'short': 'b'}}",
        "Limits: {'value': {'some': []}}",
        "Limits: {'value': {'ratio': 1.5}}",
    ]


EVENTS = {"order_placed": "order.placed", "order_shipped": "order.shipped", "order_audited": "order.audited"}


def written_out(path: Path) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Yield the sends of a file whose fields are literals: event, payload, and whether the line is marked as bad."""
    text = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(text)):
        sent = node.value.value if isinstance(node, ast.Expr) and isinstance(node.value, ast.Await) else None
        match sent or (node.value if isinstance(node, ast.Expr) else None):
            case ast.Call(ast.Attribute(ast.Name(event), "send" | "send_sync" as way), [], fields) as call if (
                event in EVENTS and (way == "send") == (sent is not None) and all(each.arg for each in fields)
            ):
                payload = {str(each.arg): as_json(each.value) for each in fields}
                yield EVENTS[event], payload, text.splitlines()[call.lineno - 1].endswith("# E")
            case _:
                continue


def as_json(value: ast.expr) -> Any:
    match value:
        case ast.List(items):
            return list(map(as_json, items))
        case ast.Call(ast.Name("Item"), [sku]):
            return {"sku": as_json(sku)}
        case _:
            return ast.literal_eval(value)


def test_typescript_refuses_what_type_checkers_refuse(empty: Shell, tsc: Tsc) -> None:
    """Of the sends of the conformance suite, those that are written out."""
    shutil.copytree(ROOT / "tests" / "conformance" / "project", empty.root, dirs_exist_ok=True)
    empty.run("gen")
    assert empty.run("export", "typescript").code == 0
    sends = [send for path in sorted(empty.root.rglob("send_*.py")) for send in written_out(path)]
    source = [
        f'export const a{number}: Events["{event}"] = {json.dumps(payload)};'
        for number, (event, payload, _) in enumerate(sends)
    ]
    wrong = tsc(empty, source)
    assert [send[:2] for number, send in enumerate(sends) if (number in wrong) != send[2]] == [
        # In Python it has to be an `Item`; what travels is this.
        ("order.placed", {"order_id": "1", "user_id": "2", "items": [{"sku": "a"}]}),
    ]
    assert sum(is_bad for *_, is_bad in sends) > 10


def test_a_cloud_event_is_an_envelope_around_the_payload(shop: Shell) -> None:
    shop.run("gen")
    options = ("--type-prefix", "com.example.", "--source", "urn:example:shop")
    assert shop.run("export", "cloudevents", *options).out == "cloudevents: 1 schema, wrote 1, removed 0\n"
    assert shop.run("export", "cloudevents", *options, "--check").code == 0
    stale = shop.run("export", "cloudevents", "--check")
    assert stale.err == (
        "cloudevents/order.placed.cloudevent.json is out of date\nRun: upnext export cloudevents --out cloudevents\n"
    )
    schema = json.loads(shop.text("cloudevents/order.placed.cloudevent.json"))
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    validator.check_schema(schema)
    event = {
        "specversion": "1.0",
        "id": "01a2",
        "source": "urn:example:shop",
        "type": "com.example.order.placed",
        "time": "2026-11-29T10:00:00Z",
        "datacontenttype": "application/json",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "data": {"order_id": "1", "user_id": "2"},
    }
    assert validator.is_valid(event)
    wrong = [
        *({key: value for key, value in event.items() if key != name} for name in ("specversion", "id", "data")),
        {**event, "type": "order.placed"},
        {**event, "source": "urn:example:other"},
        {**event, "data": {"order_id": "1"}},
        {**event, "Not-An-Attribute": "1"},
    ]
    assert [each for each in wrong if validator.is_valid(each)] == []

    before = schema["properties"]["dataschema"]
    shop.write({"shop/email.py": shop.text("shop/email.py").replace("user_id: str", "user_id: int")})
    shop.run("gen")
    shop.run("export", "cloudevents", *options)
    after = json.loads(shop.text("cloudevents/order.placed.cloudevent.json"))["properties"]["dataschema"]
    assert before != after
