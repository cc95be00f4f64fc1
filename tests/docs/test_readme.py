"""What the README shows and claims."""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checkers import CHECKERS, SELDOM_PYRIGHT
from tests.docs.story import ROOT, Story, blocks
from tests.installed import TOOLS, Installed, answer_of
from tests.plugin.cached import WithCache
from tests.plugin.script import FAST
from tests.servers import free_port

README = blocks("README.md")
PAGES = ["README.md", *(path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").rglob("*.md")))]


@pytest.fixture
def reader(installed: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    """Give a reader who has installed the wheel, has run mypy before, and has no Redis."""
    monkeypatch.delenv("UPNEXT_REDIS_URL", raising=False)
    shutil.copytree(installed.mypy_cache(), tmp_path / ".mypy_cache")
    story = Story(tmp_path, free_port(), installed.folder / "bin")
    yield story
    story.end()


@pytest.fixture
def story(reader: Story) -> Story:
    """Give one who has written down the README's files."""
    for block in README:
        if block.file:
            reader.perform(block)
    return reader


def test_every_block_is_one_that_the_tests_here_know() -> None:
    assert [block.language for block in README] == [
        *("sh", "python", "console", "python", "console", "console", "yaml", "yaml", "toml")
    ]


def test_the_commands_for_a_checkout_are_targets_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for line in README[0].text.splitlines():
        target = line.partition("#")[0].removeprefix("make ").strip()
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


@pytest.mark.long
def test_every_extra_is_named_where_the_installation_is_described() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    section = (ROOT / "README.md").read_text().partition("## Install")[2].partition("\n## ")[0]
    assert {extra for extra in extras if f"`{extra}`" not in section} == set()


def test_the_example_does_what_the_readme_shows(reader: Story) -> None:
    for block in README:
        reader.perform(block)


def test_the_check_for_ci_passes_when_the_files_are_fresh_and_fails_when_not(story: Story) -> None:
    step, hook = (block.text for block in README if block.language == "yaml")
    for command in (*re.findall(r"run: (.+)", step), *re.findall(r"entry: (.+)", hook)):
        (story.folder / "upnext_catalog.pyi").unlink(missing_ok=True)
        assert story.run(command).returncode == 1
        assert story.run("upnext gen").returncode == 0
        assert story.run(command).returncode == 0


def test_with_the_plugin_mypy_brings_the_catalog_up_to_date(story: Story, installed: Installed) -> None:
    (settings,) = (block.text for block in README if block.language == "toml")
    (story.folder / "pyproject.toml").write_text(settings + FAST, encoding="utf-8")
    shutil.rmtree(story.folder / ".mypy_cache")  # that of a run without the plugin
    WithCache(installed.folder).give_cache(story.folder)
    output = story.run("mypy checkout.py").stdout
    assert output.count("error:") == 2, output
    assert (story.folder / "upnext_catalog.pyi").is_file()


def _write_broken(story: Story) -> None:
    (story.folder / "broken.py").write_text("import upnext\ndef broken(:\n", encoding="utf-8")
    gen = story.run("upnext gen")
    assert gen.returncode == 1
    assert "broken.py:2" in gen.stdout
    assert "update_inventory" in gen.stdout


def test_mypy_is_stopped_by_a_syntax_error_elsewhere(story: Story) -> None:
    (story.folder / "pyproject.toml").write_text("", encoding="utf-8")
    _write_broken(story)
    assert "errors prevented further checking" in story.run("mypy .").stdout


def test_a_file_in_latin_1_counts_for_gen_and_for_mypy(story: Story) -> None:
    _write_latin_1(story.folder / "legacy.py")
    gen = story.run("upnext gen")
    assert gen.returncode == 0
    assert "zurück" in gen.stdout
    assert "legacy.py:7: error" in story.run("mypy .").stdout


@pytest.mark.parametrize("name", [each for each in SELDOM_PYRIGHT if each.values != ("mypy",)])
def test_other_checkers_go_on_beside_a_syntax_error_and_do_not_read_latin_1(
    story: Story, installed: Installed, name: str
) -> None:
    (story.folder / "pyproject.toml").write_text("", encoding="utf-8")
    _write_latin_1(story.folder / "legacy.py")
    _write_broken(story)
    if name == "ty":  # It ends as after a fault of its own.
        command = (str(TOOLS / "ty"), "check", "--output-format", "concise", "--python", str(installed.python))
        output = answer_of(*command, cwd=story.folder).stdout
        assert "checkout.py:5:" in output
    else:
        verdict = CHECKERS[name](story.folder, installed)
        output = verdict.output
        assert "checkout.py:5" in verdict.errors
    about = [line for line in output.splitlines() if "legacy.py" in line]
    assert about, "it is reported"
    assert not [line for line in about if "order_id" in line], "but not for its send"


@pytest.mark.parametrize("page", PAGES)
def test_every_link_between_pages_leads_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)", text):
        if not target.startswith("https://"):
            assert ((ROOT / page).parent / target).exists(), target


def _write_latin_1(path: Path) -> None:
    lines = [
        "# -*- coding: latin-1 -*-",
        "from shop import order_placed",
        "",
        "@order_placed.on",
        "async def zurück(order_id: str, **kwargs: object) -> None: ...",
        "",
        "async def go() -> None: await order_placed.send()",
    ]
    path.write_bytes("\n".join(lines).encode("latin-1"))
