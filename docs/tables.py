"""Fills the tables and flowcharts of the documentation from the code that they describe.

python docs/tables.py            fill them
python docs/tables.py --check    exit 1 if one of them is not what the code gives

A table stands between `<!-- table: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import os
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from importlib.resources import files
from pathlib import Path

import components

from upnext.broker.keys import Keys
from upnext.broker.preflight import access_rule
from upnext.cli import exits, full_parser
from upnext.settings import Settings as RuntimeSettings
from upnext.worker import Worker
from upnext_codegen.project import Settings
from upnext_codegen.rules import CODES, PLUGIN_CODES, rule

DOCS = Path(__file__).parent
TABLE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main(arguments: list[str]) -> int:
    os.environ |= {"COLUMNS": "80", "NO_COLOR": "1"}  # argparse folds help to the terminal
    stale = []
    for page in sorted(DOCS.rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        filled = TABLE.sub(lambda match: match[1] + TABLES[match[2]]() + match[3], text)
        if filled != text:
            stale.append(page.relative_to(DOCS).as_posix())
            if "--check" not in arguments:
                page.write_text(filled, encoding="utf-8")
    if stale and "--check" in arguments:
        print(f"Out of date: {', '.join(stale)}. Fill the tables with: python docs/tables.py", file=sys.stderr)
        return 1
    return 0


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def keys() -> str:
    """Every key, from the class that names them."""
    rows = []
    for name, member in vars(Keys).items():
        if isinstance(member, property):
            example, about = getattr(Keys("ns"), name), member.__doc__ or ""
        elif inspect.isfunction(member) and not name.startswith("_"):
            holes = {parameter: f"<{parameter}>" for parameter in list(inspect.signature(member).parameters)[1:]}
            example, about = member(Keys("ns"), **holes), member.__doc__ or ""
        else:
            continue
        rows.append((f"`{example.partition('}:')[2]}`", " ".join(about.split())))
    return table(("key", "what it holds"), rows)


def scripts() -> str:
    """Every script, from the sentence that it begins with."""
    rows = []
    for file in sorted((files("upnext.broker") / "scripts").iterdir(), key=lambda file: file.name):
        if file.name.endswith(".lua") and not file.name.startswith("shared_"):
            lines = file.read_text(encoding="utf-8").splitlines()
            head = lines[: lines.index("--")]
            rows.append((f"`{file.name}`", " ".join(line.removeprefix("--").strip() for line in head)))
    return table(("script", "what it does"), rows)


COMPONENTS = {
    ".": "Declarations, sends and results",
    "payload": "Payloads and results as JSON",
    "broker": "What is asked of the server",
    "outbox": "Sends that commit with a transaction",
    "django": "Django",
    "django/management/commands": "Commands of `manage.py`",
    "django/migrations": "Migrations for Django",
    "runner": "Workers",
    "embedded": "The development server",
    "cli": "The command line",
    "dashboard": "The dashboard",
    "telemetry": "Metrics and traces",
    "project_settings": "Settings of other tools",
}
"""The folders of the runtime, in the order of the page."""


def modules() -> str:
    """Every module of the runtime, from the sentence that it begins with."""
    package = DOCS.parent / "upnext"
    found = {str(file.parent.relative_to(package)) for file in package.rglob("*.py") if file.name != "__init__.py"}
    assert found == set(COMPONENTS), f"COMPONENTS must name the folders of upnext: {sorted(found ^ set(COMPONENTS))}"
    sections = []
    for component, title in COMPONENTS.items():
        rows = []
        for file in sorted((package / component).glob("*.py")):
            about = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
            if file.name != "__init__.py":
                rows.append((f"`{file.stem}`", " ".join(about.partition("\n\n")[0].split())))
        folder = "" if component == "." else f"{component}/"
        sections.append(f"\n**{title}**, `upnext/{folder}`\n\n{table(('module', 'what'), rows)}")
    return "".join(sections) + "\n"


def scanner_components() -> str:
    """The folders of the scanner, from their imports."""
    return components.drawing("upnext_codegen")


def runtime_components() -> str:
    """The folders of the runtime, from their imports."""
    return components.drawing("upnext")


def rights() -> str:
    """The ACL rule of a user that may do what upnext needs and nothing else, from the commands that are tried."""
    return f"```text\n{access_rule('default')}\n```\n"


def findings() -> str:
    """Every code that `upnext gen` reports, from its rule."""
    rows = [(code, " or ".join(rule(code).severities), rule(code).title) for code in CODES]
    return table(("code", "severity", "what"), rows)


def plugin() -> str:
    """Every code of the mypy plugin, a section each."""
    return _explained(PLUGIN_CODES, "###")


def codes() -> str:
    """Every code of `upnext gen`, a section each."""
    return _explained(CODES, "##")


def _explained(codes: tuple[str, ...], level: str) -> str:
    sections = []
    for code in codes:
        found = rule(code)
        title = found.title[0].upper() + found.title[1:]
        example, said = (re.sub(r"^    ", "", text, flags=re.MULTILINE) for text in (found.example, found.output))
        sections.append(
            f"\n{level} {code}\n\n{title}.\n\n{found.text}\n\n```text\n{example}\n```\n\n```text\n{said}\n```\n"
        )
    return "".join(sections) + "\n"


def commands() -> str:
    """Every command, with the help that it prints on a terminal of eighty columns."""
    parsers = list(_parsers(full_parser()))[1:]
    return "".join(f"\n## {parser.prog}\n\n```text\n{parser.format_help()}```\n" for parser in parsers) + "\n"


def _parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:  # noqa: SLF001 - argparse has no public way to a parser's subcommands
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for each in action.choices.values():
                yield from _parsers(each)


def environment() -> str:
    """Every variable of workers and senders, from the class that holds what they say."""
    attributes = (RuntimeSettings.__doc__ or "").partition("Attributes:\n")[2]
    told = {
        name: " ".join(text.split())
        for name, text in re.findall(r"^ {8}(\w+): (.+(?:\n {12}.+)*)$", attributes, re.MULTILINE)
    }
    arguments = inspect.signature(Worker).parameters
    rows = []
    for field in fields(RuntimeSettings):
        default = "the embedded server" if field.default is None else f"`{field.default}`"
        argument = f"`{field.name}`" if field.name in arguments else ""
        rows.append((f"`UPNEXT_{field.name.upper()}`", argument, told[field.name], default))
    return table(("variable", "argument", "what it says", "default"), rows)


def settings() -> str:
    """Every setting, from the class that holds them."""
    told = dict(re.findall(r"^ {8}(\w+): (.+)$", Settings.__doc__ or "", re.MULTILINE))
    rows = [(f"`{field.name}`", told[field.name], f"`{_as_toml(field.default)}`") for field in fields(Settings)]
    return table(("key", "what it says", "default"), rows)


def exit_codes() -> str:
    """Every exit code, from the sentence below it."""
    found = re.findall(r'^\w+: Final = (\d+)\n"""(.+)"""$', inspect.getsource(exits), re.MULTILINE)
    return table(("code", "when"), found)


def changes() -> str:
    """Every change of a model that a test makes, those that break first."""
    made = tomllib.loads((DOCS / "model_changes.toml").read_text(encoding="utf-8"))["change"]
    rows = [
        (each["code"] or "nobody", each["what"], *(_as_code(each[when], each) for when in ("before", "after")))
        for each in sorted(made, key=lambda each: (not each["code"], each["code"]))
    ]
    return table(("breaks", "change", "before", "after"), rows)


def _as_code(source: str, change: dict[str, str]) -> str:
    """Return what of a source is not the same before and after, on one line; all of it where that is the order."""
    lines = [line.strip() for line in source.splitlines() if line.strip()]
    both = [{line.strip() for line in change[when].splitlines()} for when in ("before", "after")]
    own = lines if both[0] == both[1] else [line for line in lines if line not in both[0] & both[1]]
    return " ".join(f"`{line}`" for line in own)


def _as_toml(default: object) -> str:
    return {(): "[]", None: "not set", True: "true", False: "false"}[default]


TABLES = {
    "keys": keys,
    "modules": modules,
    "scanner_components": scanner_components,
    "runtime_components": runtime_components,
    "scripts": scripts,
    "findings": findings,
    "plugin": plugin,
    "codes": codes,
    "commands": commands,
    "settings": settings,
    "environment": environment,
    "exits": exit_codes,
    "rights": rights,
    "changes": changes,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
