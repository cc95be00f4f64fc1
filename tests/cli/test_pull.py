"""`upnext pull`: what is sent to the handlers of another project is typed without their code."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.checkers import CHECKERS, USUALLY, marked
from tests.cli.deploying import declared, deploy, store
from tests.cli.projects import ORDERS, SERVICES, Shell
from tests.installed import Installed
from upnext.broker.contracts import Published
from upnext.cli import main

HERE = "storefront/checkout.py"
SENDS = """
from enum import Enum
from typing import TypedDict

from storefront.checkout import order_placed, thank


class Old(TypedDict):
    number: str


class Speed(Enum):
    FAST = "express"
    SLOW = "standard"


class OtherSpeed(Enum):
    FAST = "express"
    SLOW = "slow"


@order_placed.upcast
def renamed(old: Old) -> dict[str, object]:
    return {"order_id": old["number"]}


async def in_time(old: Old) -> dict[str, object]:
    return {}


def in_text(old: Old) -> str:
    return old["number"]


async def good(more: dict[str, object], speed: Speed) -> None:
    await order_placed.send(order_id="1", items=[])
    await thank.send(order_id="1", items=[{"sku": "a"}, {"sku": "b", "amount": 2}], shipping="standard")
    order_placed.send_sync(order_id="1", items=[], note="any other")
    await order_placed.send(order_id="1", items=[], shipping=Speed.FAST.value)
    await order_placed.send(order_id="1", items=[], shipping=speed.value)


async def bad(other: OtherSpeed) -> None:
    await order_placed.send(order_id="1")  # E
    await order_placed.send(order_id=1, items=[])  # E
    await order_placed.send(order_id="1", items=[{"amount": 2}])  # E
    await order_placed.send(order_id="1", items=[{"sku": "a", "amount": "2"}])  # E
    await order_placed.send(order_id="1", items=[{"sku": "a", "colour": "red"}])  # E
    await order_placed.send(order_id="1", items=[], shipping="slow")  # E
    await order_placed.send(order_id="1", items=[], shipping=other.value)  # E
    await order_placed.send(order_id="1", items=[], shipping=Speed.FAST)  # E
    await order_placed.options(delay=1).send(order_id="1", items=[], not_before="today")  # E
    thank.send_sync(order_id="1")  # E
    order_placed.upcast(in_time)  # E
    thank.upcast(in_text)  # E
    renamed({"number": 1})  # E
"""


@pytest.fixture(scope="module")
def sending(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The service with sends that are right and sends that are wrong, as its catalog types them."""
    root = tmp_path_factory.mktemp("services")
    shutil.copytree(SERVICES, root, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".upnext"))
    folder = root / "storefront"
    (folder / "upnext_catalog.pyi").unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["pull", "../orders/upnext.lock"]) == 0
        assert main(["gen"]) == 0
    (folder / "sends.py").write_text(SENDS, encoding="utf-8")
    return folder


@pytest.mark.parametrize("checker", USUALLY)
def test_a_wrong_send_to_another_project_is_an_error_in_every_checker(
    checker: str, sending: Path, installed: Installed
) -> None:
    verdict = CHECKERS[checker](sending, installed)
    assert verdict.errors == marked(sending), verdict.output


def test_a_server_and_a_lock_give_the_same_catalog(
    storefront: Shell, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(valkey_url, declared("orders.events", ORDERS, storefront, monkeypatch))
    catalogs: list[str] = []
    for source in ("../orders/upnext.lock", valkey_url):
        (storefront.root / "upnext.imports.lock").unlink(missing_ok=True)
        assert storefront.run("pull", source).code == 0
        assert storefront.run("gen").code == 0
        catalogs.append(storefront.text("upnext_catalog.pyi"))
    assert catalogs[0] == catalogs[1]
    assert catalogs[0] == (SERVICES / "storefront" / "upnext_catalog.pyi").read_text(encoding="utf-8")


def test_a_check_says_when_what_is_deployed_is_not_what_was_pulled(
    storefront: Shell, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error where sends break, a warning where they do not, a warning where it cannot be known."""

    def deployed(source: str) -> list[str]:
        deploy(valkey_url, declared("orders.events", source, storefront, monkeypatch))
        done = storefront.run("gen", "--check", "--format", "json")
        found = json.loads(done.out)["diagnostics"]
        assert done.code == any(each["severity"] == "error" for each in found)
        return [f"{each['severity']} {each['code']} {each['message']}" for each in found]

    def changed(before: str, after: str) -> str:
        assert before in ORDERS
        return ORDERS.replace(before, after)

    where = f"{valkey_url} (namespace default)"
    deploy(valkey_url, declared("orders.events", ORDERS, storefront, monkeypatch))
    storefront.run("pull", valkey_url)
    storefront.run("gen")
    assert deployed(ORDERS) == []
    optional = changed("not_before: datetime", "note: str = '', not_before: datetime")
    (found,) = deployed(optional)
    assert found == (
        f'warning UPN440 {where} has other contracts now for "order.placed" than were pulled; the sends of this '
        "project suit both"
    )
    required = changed("items: list[Item],", "items: list[Item], currency: str,")
    (found,) = deployed(required)
    assert found.startswith(f"error UPN440 {where} has another contract now than was pulled: ")
    assert 'field "currency" of "order.placed" is required now' in found
    (found,) = deployed(changed('    EXPRESS = "express"\n', ""))
    assert found.startswith("error UPN440")
    (found,) = deployed(changed("amount: int = 1", "amount: int"))
    assert found.startswith("error UPN440")
    assert storefront.run("pull").code == 0
    assert storefront.run("gen").code == 0
    assert storefront.run("gen", "--check").code == 0

    imports = storefront.text("upnext.imports.lock").replace(valkey_url, "redis://localhost:1/0")
    (storefront.root / "upnext.imports.lock").write_text(imports, encoding="utf-8")
    assert storefront.run("gen").code == 0
    done = storefront.run("gen", "--check")
    assert (done.code, "warning[UPN441]" in done.out) == (0, True)


def test_contracts_come_from_a_repository_as_it_is_committed(storefront: Shell) -> None:
    orders = storefront.root.parent / "orders"
    for command in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "1"]):
        subprocess.run(["git", *command], cwd=orders, check=True)
    done = storefront.run("pull", "git:../orders#upnext.lock")
    assert done.code == 0, done.err
    assert done.out.startswith("git:../orders#upnext.lock: 1 event, 2 handlers\n  order.placed(items: list[Item], ")
    (orders / "upnext.lock").unlink()
    storefront.run("gen")
    assert storefront.run("gen", "--check").code == 0
    done = storefront.run("pull", "git:../orders#other.lock")
    assert (done.code, done.out) == (2, "")
    assert "other.lock' does not exist" in done.err


def test_one_project_that_was_pulled_from_two_sources_is_named_with_the_way_out(storefront: Shell) -> None:
    """Its file and its repository, say: nobody here can rename its functions."""
    shutil.copy(storefront.root.parent / "orders" / "upnext.lock", storefront.root.parent / "copy.lock")
    for source in ("../orders/upnext.lock", "../copy.lock"):
        assert storefront.run("pull", source).code == 0
    done = storefront.run("gen")
    assert done.code == 1
    assert 'error[UPN107]: "order.placed" already has a handler "plan_delivery" on worker "orders"' in done.out
    assert "  help: two sources have it: drop one of them, `upnext pull SOURCE --remove`" in done.out
    assert "rename one" not in done.out
    storefront.run("pull", "../copy.lock", "--remove")
    assert storefront.run("gen").code == 0


def test_handlers_here_and_there_are_merged_by_what_their_json_is(storefront: Shell) -> None:
    """A class of this project suits a model of the other one, if its JSON does."""
    own = """
        from dataclasses import dataclass
        from typing import Literal

        from storefront.checkout import order_placed

        @dataclass
        class Line:
            sku: str
            amount: int

        @dataclass
        class Other:
            name: str

        @order_placed.on
        async def count(items: list[{item}], shipping: Literal["express"] = "express", **kwargs: object) -> None: ...
    """
    storefront.run("pull", "../orders/upnext.lock")
    storefront.write({"storefront/count.py": own.replace("{item}", "Line")})
    assert storefront.run("gen").code == 0
    stub = storefront.text("upnext_catalog.pyi")
    assert "        items: list[_storefront_count.Line],\n" in stub
    assert '        shipping: _Literal["express"] = ...,\n' in stub
    storefront.write({"storefront/count.py": own.replace("{item}", "Other")})
    done = storefront.run("gen")
    assert done.code == 1
    assert re.search(
        r'^storefront/count\.py:\d+:\d+: error\[UPN101\]: field "items" of "order\.placed"', done.out, re.MULTILINE
    )
    assert '; "order.placed" belongs to @orders-team\n' in done.out


def test_a_server_gives_the_handlers_of_other_projects_only(
    storefront: Shell, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of this one are as its sources have them, also if an earlier release of them is deployed."""
    deploy(valkey_url, declared("orders.events", ORDERS, storefront, monkeypatch))
    checkout = storefront.text(HERE).replace("order_id: str, **", "order_id: str, customer: str, **")
    deploy(valkey_url, declared("storefront.checkout", checkout, storefront, monkeypatch))
    storefront.run("pull", valkey_url)
    storefront.run("gen")
    assert "customer" not in storefront.text("upnext_catalog.pyi")
    assert storefront.run("gen", "--check").code == 0


@pytest.mark.parametrize("levels", [200, 400, 900])
def test_a_schema_that_is_nested_too_deeply_is_left_out_with_a_word(
    storefront: Shell, valkey_url: str, levels: int
) -> None:
    """No worker publishes one; it may be anybody's."""
    items = '{"items": ' * levels + "{}" + "}" * levels
    handler = f'{{"module": "m", "schema": {{"properties": {{"x": {items}}}}}}}'
    text = f'{{"version": 1, "worker": "o", "handlers": {{"o|order.placed|h": {handler}}}}}'
    store(valkey_url, "o", Published("0123456789abcdef" * 2, text), "1.0", 1_790_000_000)
    done = storefront.run("pull", valkey_url)
    assert (done.code, done.err.splitlines()[0]) == (
        0,
        "upnext: o|order.placed|h does not say what it takes, so it is left out.",
    )
    assert "is too large or nested too deeply" in storefront.run("gen", "--check", "--against", valkey_url).out
    saved = f'{{"namespace": "default", "silent": {{}}, "contracts": [{items}]}}'
    storefront.write({"saved.json": saved})
    done = storefront.run("pull", "saved.json")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("upnext: saved.json cannot be read: ")


def test_payloads_of_two_projects_with_one_name_and_keys_that_are_no_identifiers(storefront: Shell) -> None:
    for name, key in (("one", "class"), ("two", "other-key")):
        source = f"""
            from typing_extensions import TypedDict
            import upnext

            Item = TypedDict("Item", {{"{key}": int, "next": "Item | None"}})

            @upnext.Worker("{name}").event("{name}.done").on
            async def take(item: Item) -> None: ...
        """
        other = Shell(storefront.root.parent / name, storefront.capsys)
        other.write({"pyproject.toml": "", "events.py": source})
        assert other.run("gen", str(other.root)).code == 0
        assert storefront.run("pull", f"../{name}/upnext.lock").code == 0
    storefront.write({"storefront/more.py": """
        from storefront.checkout import worker

        one, two = worker.event("one.done"), worker.event("two.done")
    """})  # fmt: skip
    assert storefront.run("gen").code == 0
    stub = storefront.text("upnext_catalog.pyi")
    names = re.findall(r"^(ItemPayload\w*) = _TypedDict\(", stub, re.MULTILINE)
    assert len(set(names)) == 2
    assert all(f'"next": {name} | None' in stub for name in names)


def test_the_catalog_holds_what_the_project_declares_of_all_that_was_pulled(storefront: Shell) -> None:
    """A name that is near to one of the others is an error all the same."""
    storefront.run("pull", "../orders/upnext.lock")
    storefront.write({HERE: storefront.text(HERE).replace("order.placed", "order.plased")})
    done = storefront.run("gen")
    assert 'error[UPN003]: event "order.plased" has no handler\n  help: did you mean "order.placed"?' not in done.out
    storefront.write({HERE: storefront.text(HERE).split("@order_placed.on")[0]})
    done = storefront.run("gen")
    assert 'error[UPN003]: event "order.plased" has no handler\n  help: did you mean "order.placed"?' in done.out
    assert "ItemPayload" not in storefront.text("upnext_catalog.pyi")


def test_a_source_is_kept_without_its_password_and_read_with_that_of_the_environment(
    storefront: Shell, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(valkey_url, declared("orders.events", ORDERS, storefront, monkeypatch))
    secret = valkey_url.replace("redis://", "redis://default:secret@")
    assert storefront.run("pull", secret).code in {0, 2}  # a server without a password rejects one
    monkeypatch.setenv("UPNEXT_REDIS_URL", valkey_url)
    assert storefront.run("pull", valkey_url).code == 0
    assert "secret" not in storefront.text("upnext.imports.lock")


REFUSED = {
    (): "Nothing was pulled before: name a SOURCE.",
    ("",): "SOURCE is empty; it is the address of a server, a file, or git:REPOSITORY#PATH.",
    ("--remove",): "--remove and --namespace need the SOURCE that they are about.",
    ("other.lock", "--remove"): "Nothing was pulled from other.lock; upnext.imports.lock has nothing.",
    ("other.lock", "--namespace", "a"): "--namespace belongs to a server, and 'other.lock' is none.",
    ("other.lock",): "other.lock cannot be read: No such file or directory. It is an upnext.lock, or what "
    "`upnext contracts list --format json` prints.",
    ("upnext.lock",): "upnext.lock is this project's own: what it has is in the sources. SOURCE is that of another "
    "project.",
    ("https://example.com/a#upnext.lock",): "https://example.com/a#upnext.lock cannot be pulled: SOURCE is the address "
    "of a server (redis://...), a file, or git:REPOSITORY#PATH, as in git:https://example.com/a#upnext.lock.",
    ("pyproject.toml",): "pyproject.toml cannot be read: it was not written by upnext. It is an upnext.lock, or what "
    "`upnext contracts list --format json` prints.",
}


@pytest.mark.parametrize("arguments", REFUSED)
def test_what_cannot_be_pulled_is_refused_and_changes_nothing(storefront: Shell, arguments: tuple[str, ...]) -> None:
    done = storefront.run("pull", *arguments)
    assert (done.code, done.out, done.err) == (2, "", f"upnext: {REFUSED[arguments]}\n")
    assert not (storefront.root / "upnext.imports.lock").exists()


def test_a_namespace_without_workers_is_refused_and_a_source_can_be_dropped(storefront: Shell, valkey_url: str) -> None:
    done = storefront.run("pull", valkey_url, "--namespace", "empty")
    assert (done.code, done.out) == (2, "")
    assert "has no contracts: no worker runs there" in done.err
    storefront.run("pull", "../orders/upnext.lock")
    assert storefront.run("pull", "../orders/upnext.lock", "--remove").code == 0
    storefront.run("gen")
    assert "items" not in storefront.text("upnext_catalog.pyi")


OWNERS = {
    '{ "order.*" = "@a", "order.placed" = "@b" }': "@b",
    '{ "order.placed" = "@b", "*" = "@all" }': "@all",
    '{ "order_*" = "@a" }': "",
}


@pytest.mark.parametrize("setting", OWNERS)
def test_a_finding_says_who_owns_the_event(empty: Shell, setting: str) -> None:
    source = """
        import upnext

        order_placed = upnext.Worker("shop").event("order.placed")

        @order_placed.on
        async def one(order_id: int) -> None: ...

        @order_placed.on
        async def two(order_id: str) -> None: ...
    """
    empty.write({"pyproject.toml": f"[tool.upnext]\nowner = {setting}\n", "events.py": source})
    out = empty.run("gen").out
    owner = OWNERS[setting]
    assert re.findall(r'; "order\.placed" belongs to (\S+)$', out, re.MULTILINE) == ([owner] if owner else [])
    assert json.loads(empty.text("upnext.lock"))["events"]["order.placed"].get("owner", "") == owner


def test_an_owner_that_is_no_text_is_refused(empty: Shell) -> None:
    empty.write({"pyproject.toml": "[tool.upnext]\nowner = ['a']\n"})
    assert empty.run("gen").err == (
        "upnext: owner in [tool.upnext] is ['a']; it is a table of event names or patterns, each with an owner: "
        'owner = {"order.*" = "@orders-team"}.\n'
    )
