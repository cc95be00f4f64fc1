from __future__ import annotations

from collections.abc import Callable

import pytest

from upnext.cli import main


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Give the command line, in this process: arguments and a server's URL -> exit code, stdout, stderr."""

    def run(*arguments: str, url: str = "redis://127.0.0.1:1") -> tuple[int, str, str]:
        monkeypatch.setenv("UPNEXT_REDIS_URL", url)
        capsys.readouterr()
        code = main(arguments)
        return code, *capsys.readouterr()

    return run
