"""The list of public names is what the code gives, and nothing leaves it but by the policy of docs/deprecations.md."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest
from typing_extensions import deprecated

import upnext

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("public_names", DOCS / "public_names.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_list_is_what_the_code_gives(script: ModuleType) -> None:
    assert script.main(["--check"]) == 0
    listed = script.read((DOCS / "public_names.txt").read_text())
    assert {f"upnext.{name}" for name in upnext.__all__} <= set(listed)
    assert {"upnext.Worker.event", "upnext.Worker.cron(catch_up)", "upnext.Job.id", "upnext.Worker(lease)"} <= set(
        listed
    )


SAID = "Deprecated since upnext 0.2, gone in 0.4: use upnext.New."
NOTE = "0.1.0 deprecated 0.2 until 0.4"


@pytest.mark.parametrize(
    ("before", "now", "version", "names"),
    [
        ({}, {"upnext.New": ""}, "0.1.0", {"upnext.New": "next"}),
        ({"upnext.Old": "0.1.0"}, {"upnext.Old": ""}, "0.2.0", {"upnext.Old": "0.1.0"}),
        ({"upnext.Old": "0.1.0"}, {"upnext.Old": SAID}, "0.1.0", {"upnext.Old": NOTE}),
        ({"upnext.Old": NOTE}, {}, "0.3.2", {}),
        ({"upnext.Old": "next"}, {}, "0.1.0", {}),
        ({"upnext.Old": NOTE}, {"upnext.Old": ""}, "0.3.2", {"upnext.Old": "0.1.0"}),
    ],
    ids=["new", "stays", "deprecated", "over", "never released", "taken back"],
)
def test_a_name_comes_stays_and_goes(
    script: ModuleType, before: Mapping[str, str], now: Mapping[str, str], version: str, names: Mapping[str, str]
) -> None:
    assert script.merged(before, now, version) == names


@pytest.mark.parametrize(
    ("before", "now", "message"),
    [
        ("0.1.0", {}, r"upnext.Old is public since 0.1.0 and is gone: deprecate it first"),
        (NOTE, {}, r"is gone: deprecate it first, or keep it until 0.4"),
        (
            "0.1.0",
            {"upnext.Old": "do not use it"},
            r"deprecated by 'do not use it', which must begin: Deprecated since",
        ),
    ],
    ids=["at once", "too early", "without its time"],
)
def test_what_the_policy_does_not_allow_is_refused(
    script: ModuleType, before: str, now: Mapping[str, str], message: str
) -> None:
    with pytest.raises(script.PublicNameError, match=message):
        script.merged({"upnext.Old": before}, now, "0.2.0")


def test_what_is_deprecated_warns_and_is_found_in_functions_classes_and_methods(script: ModuleType) -> None:
    class Kept:
        @deprecated(SAID)
        def old(self, n: int) -> int:
            return n

    Kept.__module__ = "upnext.kept"
    assert dict(script._entries("upnext.Kept", Kept))["upnext.Kept.old"] == SAID
    assert dict(script._entries("upnext.Old", deprecated(SAID)(type("Old", (), {}))))["upnext.Old"] == SAID
    with pytest.warns(DeprecationWarning, match="since upnext 0.2, gone in 0.4"), warnings.catch_warnings():
        Kept().old(1)
