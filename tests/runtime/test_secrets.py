"""What must never be shown, and what must never be done with what others wrote: no passwords, no pickles."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from upnext.settings import without_password

ROOT = Path(__file__).parents[2]
RUNS_CODE = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "yaml", "eval", "exec", "compile"}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:pw-x@host:6379/0", "redis://host:6379/0"),
        ("redis://:p@pw-x@host", "redis://host"),
        ("redis://:p/pw-x@host", "redis://host"),
        ("redis://:p?pw-x@host", "redis://host"),
        ("redis://:p#pw-x@host", "redis://host"),
        ("redis//:pw-x@host:6379", "host:6379"),
        ("user:pw-x@host:6379", "host:6379"),
        ("redis://host?password=pw-x", "redis://host"),
        ("redis://host?db=1&PASSWORD=pw@pw-x", "redis://host?db=1"),
        ("rediss://host/1?username=u&password=pw-x&ssl_ca_certs=/ca", "rediss://host/1?ssl_ca_certs=/ca"),
        ("unix://user:pw-x@/run/redis.sock", "unix:///run/redis.sock"),
        ("unix:///run/a@b.sock?password=pw-x", "unix:///run/a@b.sock"),
    ],
)
def test_an_address_is_shown_without_its_credentials_however_badly_it_is_written(url: str, shown: str) -> None:
    """A password that should have been escaped is the one that is most likely to be shown in an error."""
    assert without_password(url) == shown


@pytest.mark.parametrize("package", ["upnext", "plugins/upnext_pytest"])
def test_payloads_are_never_unpickled_nor_evaluated(package: str) -> None:
    """Write access to the server is not the right to run code."""
    found = []
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or "", *(alias.name for alias in node.names)]
            elif isinstance(node, ast.Name):
                names = [node.id]
            found += [f"{path.name}:{node.lineno} {name}" for name in names if name.split(".")[0] in RUNS_CODE]
    assert found == []
    assert list((ROOT / package).rglob("*.py"))
