"""Sources that would take for ever if every way through them were gone."""

from __future__ import annotations

from pathlib import Path

from tests.codegen.reading import read

_LEVELS = 20
_WORKER = 'import upnext\nworker = upnext.Worker("w")\nplaced = worker.event("a")\n'
_ATTACHED = "@found.on\ndef h(x: int): ...\n"


def test_functions_that_call_one_another_are_each_asked_once(tmp_path: Path) -> None:
    calls = [f"def f{n}():\n    return f{n + 1}() or f{n + 1}() or f{n + 1}() or f0()\n" for n in range(12)]
    source = f"{_WORKER}{''.join(calls)}def f12():\n    return placed\nfound = f0()\n{_ATTACHED}"
    scanned, findings = read(tmp_path, {"app.py": source})
    assert [handler.event for handler in scanned.handlers] == ["a"]
    assert findings == ()


def test_classes_that_meet_again_at_every_level_are_each_asked_once(tmp_path: Path) -> None:
    levels = "".join(
        f"class L{n}(B{n - 1}): ...\nclass R{n}(B{n - 1}): ...\nclass B{n}(L{n}, R{n}): ...\n"
        for n in range(1, _LEVELS)
    )
    source = f"{_WORKER}class B0(upnext.Worker): ...\n{levels}found = B{_LEVELS - 1}('v').event('b')\n{_ATTACHED}"
    scanned, _ = read(tmp_path, {"app.py": source})
    assert [(handler.worker, handler.event) for handler in scanned.handlers] == [("v", "b")]
