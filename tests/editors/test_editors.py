"""What an editor shows while events are written, by the real language servers.

They have no settings but the interpreter, in whose environment the wheel is installed.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.table import PAGE, written
from tests.editors.picture import PICTURE, drawn
from tests.editors.servers import SERVERS
from tests.editors.session import column, project
from tests.installed import Installed


@pytest.mark.parametrize("server", SERVERS)
def test_an_editor_shows_what_the_page_says(server: str, tmp_path: Path, installed: Installed) -> None:
    folder = project(tmp_path / "shop", installed)
    # `python -m tests.conformance` writes the page.
    assert column(server, folder, installed) == written(PAGE.read_text(encoding="utf-8"), "editors")[server]


def test_the_picture_in_the_readme_is_what_a_language_server_answers(tmp_path: Path) -> None:
    # `python -m tests.editors.picture` draws it.
    assert drawn(tmp_path) == PICTURE.read_text(encoding="utf-8")
