"""`make bench SAVE=1` keeps what it has measured, and the table shows it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_what_is_saved_is_a_line_in_the_file_and_in_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.delitem(sys.modules, "history", raising=False)
    import history

    monkeypatch.setattr(history, "FIGURES", tmp_path / "history.jsonl")
    monkeypatch.setattr(history, "TABLE", tmp_path / "history.md")
    history.save({"upnext: drain, jobs/s": 14394.12, "  worker's CPU, us": 48.3}, {"drain": 0.4567}, 3)
    history.save({}, {"drain": 0.5, "a new one": 1.25}, 1)
    first, _ = map(json.loads, history.FIGURES.read_text().splitlines())
    assert first["figures"] == {"upnext: drain, jobs/s": 14394.1, "upnext: drain, jobs/s: worker's CPU, us": 48.3}
    head, _, latest, earlier = history.TABLE.read_text().splitlines()[-4:]
    assert head.endswith("| runs | drain | a new one |")
    assert latest.endswith("| 1 | 0.50 | 1.25 |")
    assert earlier.endswith("| 3 | 0.46 |  |")
    assert history.main(["--check"]) == 0
    history.FIGURES.write_text(history.FIGURES.read_text() * 2)
    assert history.main(["--check"]) == 1
    assert "Out of date: benchmarks/history.md" in capsys.readouterr().err
