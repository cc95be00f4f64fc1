"""What `docs/gen.md` shows and claims."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.story import ROOT, Story, blocks

PAGE = blocks("docs/gen.md")
TEXT = (ROOT / "docs" / "gen.md").read_text(encoding="utf-8")


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """Give a reader who has written down the files of the page."""
    story = Story(tmp_path, port=0)
    for block in PAGE:
        if block.file:
            story.perform(block)
    return story


def test_every_block_is_one_that_the_tests_here_know() -> None:
    assert [block.language for block in PAGE] == [
        "sh",
        "python",
        "python",
        "console",
        "toml",
        "text",
        "yaml",
        "console",
    ]


def test_the_example_reports_what_the_page_shows(tmp_path: Path) -> None:
    story = Story(tmp_path, port=0)
    for block in PAGE:
        story.perform(block)


def test_the_usage_names_the_options_of_the_command(story: Story) -> None:
    told = set(re.findall(r"--[\w-]+", PAGE[0].text))
    has = set(re.findall(r"^  (--[\w-]+)", story.run("upnext gen --help").stdout, re.MULTILINE))
    assert has - {"--debug"} == told


def test_the_step_for_ci_fails_on_a_stale_file_and_names_the_command(story: Story) -> None:
    (step,) = (block.text for block in PAGE if block.language == "yaml")
    (command,) = re.findall(r"run: (.+)", step)
    (story.folder / "receipts.py").unlink()
    stale = story.run(command)
    assert stale.returncode == 1
    assert "upnext gen" in stale.stdout
    assert not (story.folder / "upnext_catalog.pyi").exists()
    assert story.run("upnext gen").returncode == 0
    assert story.run(command).returncode == 0


def test_an_ignore_comment_in_the_line_of_any_place_silences_a_finding(story: Story) -> None:
    receipts = story.folder / "receipts.py"
    silenced = receipts.read_text(encoding="utf-8").replace("...\n", "...  # upnext: ignore[UPN101]\n")
    receipts.write_text(silenced, encoding="utf-8")
    assert story.run("upnext gen").returncode == 0


def test_extra_forbid_makes_fields_that_no_handler_names_an_error(story: Story) -> None:
    (story.folder / "pyproject.toml").write_text('[tool.upnext]\nextra = "forbid"\n', encoding="utf-8")
    assert "(any other)" not in story.run("upnext gen").stdout


def test_the_catalog_can_be_a_module_of_the_project_s_own(story: Story) -> None:
    settings, head = (block.text for block in PAGE if block.language in {"toml", "text"})
    (story.folder / "pyproject.toml").write_text(settings, encoding="utf-8")
    (story.folder / "shop").mkdir()
    text = (story.folder / "billing.py").read_text(encoding="utf-8").replace("import upnext\n", head)
    (story.folder / "billing.py").write_text(text.replace('upnext.Worker("shop")', "worker"), encoding="utf-8")
    assert "wrote shop/catalog.pyi, shop/catalog.py, upnext.lock" in story.run("upnext gen").stdout
    assert story.run("upnext gen --check").stdout.count("UPN301") == 0


def test_an_unknown_key_is_refused_by_its_name(story: Story) -> None:
    (story.folder / "pyproject.toml").write_text("[tool.upnext]\nexlude = []\n", encoding="utf-8")
    refused = story.run("upnext gen")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "'exlude'" in refused.stderr
    assert not (story.folder / "upnext.lock").exists()


def test_the_rule_behind_a_code_is_printed(story: Story) -> None:
    (command,) = re.findall(r"`(upnext explain \w+)`", TEXT)
    assert story.run(command).stdout.startswith("UPN101 (error)")
