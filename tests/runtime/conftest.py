from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.runtime.running import without_server
from upnext.cli import main


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Give the command line, in this process: arguments and a server's URL -> exit code, stdout, stderr.

    Without the line that says which server and namespace are looked at.
    """

    def run(*arguments: str, url: str = "redis://127.0.0.1:1") -> tuple[int, str, str]:
        monkeypatch.setenv("UPNEXT_REDIS_URL", url)
        capsys.readouterr()
        code = main(arguments)
        out, err = capsys.readouterr()
        return code, out, without_server(err)

    return run
