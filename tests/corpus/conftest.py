from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update",
        action="store_true",
        help="write what the command says into the cases of tests/corpus, for a person to read against the design",
    )
    parser.addoption(
        "--every-rename", action="store_true", help="rename every name of tests/corpus there and back, not some of them"
    )
