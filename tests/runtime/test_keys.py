"""Where things are kept: one partition on one node of a cluster, and scripts that touch what they are given."""

from __future__ import annotations

import inspect
import re
from importlib.resources import files

import pytest

from upnext.broker.keys import Keys
from upnext.broker.scripts import script

SCRIPTS = [file.name.removesuffix(".lua") for file in (files("upnext.broker") / "scripts").iterdir()]
TRANSITIONS = sorted(name for name in SCRIPTS if not name.startswith("shared_"))


def every_key(keys: Keys) -> list[str]:
    """Return one key of each kind."""
    found = []
    for name, member in vars(Keys).items():
        if isinstance(member, property):
            found.append(getattr(keys, name))
        elif inspect.isfunction(member) and not name.startswith("_"):
            found.append(member(keys, *("x{y}" for _ in list(inspect.signature(member).parameters)[1:])))
    return found


def test_all_keys_of_a_partition_share_one_hash_tag() -> None:
    """Also where a user's text has braces: only the first pair counts."""
    keys = every_key(Keys("shop", 3))
    assert len(keys) > 15
    assert {re.search(r"\{(.*?)\}", key)[1] for key in keys} == {"shop:3"}  # type: ignore[index]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("name", TRANSITIONS)
def test_a_script_names_no_key_of_its_own(name: str) -> None:
    """Every call is on an element of KEYS, or on a variable that was taken from it."""
    source = script(name).source
    assert "upnext:" not in source
    assert not re.search(r"redis\.p?call\('\w+', *['\"]", source)
    assert not re.search(r"redis\.p?call\('(KEYS|SCAN|EVAL)", source)
    assert "--@shared" not in source
