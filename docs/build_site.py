"""Builds the documentation site into build/docs/site, without a warning or not at all.

python docs/build_site.py

The pages of this folder also link to files of the repository: tests, examples, Lua scripts. Those are not on the site,
so links to them become plain text there. Everything else, dead links and anchors too, is judged by the generator, and
each of its warnings ends the build. What is built needs no network, and no server: it can be opened from the disk.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

DOCS = Path(__file__).parent
ROOT = DOCS.parent
BUILD = ROOT / "build" / "docs"
ELSEWHERE = {
    "CHANGELOG.md": "changelog.md",
    ".github/SECURITY.md": "security.md",
    ".github/CODE_OF_CONDUCT.md": "code-of-conduct.md",
}
"""Pages that lie outside of this folder, by the names that they have on the site."""

FOREIGN_SHIM = "https://unpkg.com/iframe-worker/shim"
OWN_SHIM = "search_from_disk.js"
LOADED = re.compile(
    r"""<(?:script|img|iframe|link rel="(?:stylesheet|preload|icon)")[^>]*(?:src|href)="(https?:[^"]+)"""
)
FILE = re.compile(r"^ *<!-- (?:file|from): (?P<name>\S+) -->\n(?P<fence> *```\w+)$", re.MULTILINE)
ROW = re.compile(r"^\|.*\|$", re.MULTILINE)
CODE = re.compile(r"`[^`]+`")
LINK = re.compile(r"(?P<image>!?)\[(?P<label>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^()\s#]+)(?P<anchor>#[^()\s]*)?\)")


def main() -> int:
    shutil.rmtree(BUILD, ignore_errors=True)
    pages = copy_pages()
    left_out = pages - set(in_navigation())
    if left_out:
        print(f"docs/zensical.toml must name every page in `nav`: {', '.join(sorted(left_out))}", file=sys.stderr)
        return 1
    program = Path(sys.executable).with_name("zensical")
    environment = {**os.environ, "NO_COLOR": "1"}
    code = subprocess.run([program, "build", "--strict"], cwd=BUILD, env=environment, check=False).returncode
    return code or do_without_network(BUILD / "site")


def copy_pages() -> set[str]:
    """Copy the pages with their pictures and return their names."""
    sources = {path.relative_to(DOCS).as_posix(): path for path in DOCS.rglob("*.md")}
    sources |= {name: ROOT / source for source, name in ELSEWHERE.items()}
    on_site = {source.resolve(): name for name, source in sources.items()}
    for name, source in sources.items():
        page = BUILD / "pages" / name
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(for_site(source.read_text(encoding="utf-8"), source, name, on_site), encoding="utf-8")
    for folder in ("pictures", "monitoring"):
        shutil.copytree(DOCS / folder, BUILD / "pages" / folder, ignore=shutil.ignore_patterns("*.toml"))
    shutil.copy(DOCS / "zensical.toml", BUILD)
    return set(sources)


def for_site(text: str, source: Path, name: str, on_site: dict[Path, str]) -> str:
    """Return a page as it is on the site: its links, the names of files above their text, and code in tables.

    A host's Markdown wants a bar in code in a table to be escaped; the site's shows the backslash then.
    """

    def link(found: re.Match[str]) -> str:
        target = found["target"]
        if re.match(r"[a-z]+:", target):
            return found[0]
        led = (source.parent / target).resolve()
        if led in on_site:
            way = os.path.relpath(on_site[led], Path(name).parent)
        elif led.is_relative_to(DOCS) and led.is_file():
            way = os.path.relpath(led.relative_to(DOCS), Path(name).parent)
        elif led.exists():
            return found["label"]
        else:
            return found[0]  # the generator says that it leads nowhere
        return f"{found['image']}[{found['label']}]({way}{found['anchor'] or ''})"

    text = FILE.sub(r'\g<fence> title="\g<name>"', LINK.sub(link, text))
    return ROW.sub(lambda row: CODE.sub(lambda code: code[0].replace(r"\|", "|"), row[0]), text)


def do_without_network(site: Path) -> int:
    """Take the one script that the generator's pages get from elsewhere from the site itself; refuse any other."""
    shutil.copy(DOCS / OWN_SHIM, site / "assets")
    foreign = set()
    for page in site.rglob("*.html"):
        own = os.path.relpath(site / "assets" / OWN_SHIM, page.parent)
        text = page.read_text(encoding="utf-8").replace(FOREIGN_SHIM, own)
        page.write_text(text, encoding="utf-8")
        foreign |= {f"{page.relative_to(site)}: {found}" for found in LOADED.findall(text)}
    for each in sorted(foreign):
        print(f"The site must do without a network, but a page loads a file from elsewhere: {each}", file=sys.stderr)
    return 1 if foreign else 0


def in_navigation() -> Iterator[str]:
    """Give the pages that the site leads to."""
    waiting: list[object] = [tomllib.loads((DOCS / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"]]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict | list):
            waiting.extend(each.values() if isinstance(each, dict) else each)


if __name__ == "__main__":
    sys.exit(main())
