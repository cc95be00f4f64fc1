"""Adds to an INI text without changing the rest; the result is parsed again, and refused if it differs."""

from __future__ import annotations

import configparser
import re


def has_section(text: str, section: str) -> bool:
    """Whether a text can be read and has a section."""
    try:
        return _read(text).has_section(section)
    except configparser.Error:
        return False


def with_item(text: str, section: str, key: str, item: str) -> str | None:
    """Return a text with an item in a list that is separated by commas, which is made if there is none.

    Args:
        text: The text.
        section: The section that the list is in.
        key: The list's key.
        item: The item.

    Returns:
        The text, itself if the item is there; None if it is written in a form that this cannot extend.
    """
    try:
        before = _read(text)
    except configparser.Error:
        return None
    items = _items(before.get(section, key, fallback=""))
    if item in items:
        return text
    changed = _changed(text, section, key, item, is_new=not before.has_option(section, key))
    expected = {name: dict(before.items(name)) for name in before.sections()}
    try:
        after = _read(changed)
    except configparser.Error:
        return None
    if _items(after.get(section, key, fallback="")) != [*items, item]:
        return None
    expected.setdefault(section, {})[key] = after.get(section, key)
    return changed if {name: dict(after.items(name)) for name in after.sections()} == expected else None


def _changed(text: str, section: str, key: str, item: str, *, is_new: bool) -> str:
    header = re.search(rf"^\[{re.escape(section)}\][ \t]*$", text, re.MULTILINE)
    if header is None:
        head = f"{text.rstrip()}\n\n" if text.strip() else ""
        return f"{head}[{section}]\n{key} = {item}\n"
    if is_new:
        return f"{text[: header.end()]}\n{key} = {item}{text[header.end() :]}"
    value = re.compile(rf"^{re.escape(key)}[ \t]*[=:][^\n]*(?:\n[ \t]+\S[^\n]*)*", re.MULTILINE)
    found = value.search(text, header.end())
    if found is None:
        return text
    last = found[0].rpartition("\n")[2]
    indent = re.match(r"[ \t]*", last) if "\n" in found[0] else None
    separator = "" if found[0].rstrip().endswith(("=", ":")) else "" if found[0].rstrip().endswith(",") else ","
    before = f"{found[0].rstrip()}{separator}"
    after = f"\n{indent[0]}{item}" if indent else f" {item}"
    return f"{text[: found.start()]}{before}{after}{text[found.end() :]}"


def _items(value: str) -> list[str]:
    return [each.strip() for each in value.split(",") if each.strip()]


def _read(text: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    return parser
