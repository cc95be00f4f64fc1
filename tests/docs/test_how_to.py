"""The how-to pages, and those about other libraries: their files are projects, their programs print what is shown."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from types import FunctionType

import pytest
import yaml

import upnext
from tests.cli.projects import Shell
from tests.docs.story import ROOT, Block, blocks
from tests.runtime.running import running
from upnext.settings import Settings

PAGES = {
    path.stem: blocks(path.relative_to(ROOT).as_posix())
    for folder in ("how-to", "compare")
    for path in sorted((ROOT / "docs" / folder).glob("*.md"))
}
WITH_FILES = [name for name, page in PAGES.items() if any(block.file for block in page)]
WITH_A_PROGRAM = [name for name, page in PAGES.items() if any(block.file == "use.py" for block in page)]
DEPLOYMENT = {block.language: block.text for block in PAGES["deployment"] if block.language in {"ini", "yaml"}}


def write(page: list[Block], shell: Shell) -> list[str]:
    """Write the files of a page and return their names."""
    files = {block.file: block.text for block in page if block.file}
    shell.write(files)
    return list(files)


@pytest.mark.parametrize("name", WITH_FILES)
def test_the_files_of_a_page_are_projects_without_a_finding(
    name: str, empty: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each folder with a pyproject.toml is one; a page without such a file is one."""
    files = write(PAGES[name], empty)
    for folder in {Path(file).parent for file in files if file.endswith("pyproject.toml")} or {Path()}:
        monkeypatch.chdir(empty.root / folder)
        done = empty.run("gen")
        assert (done.code, "nothing to report" in done.out) == (0, True), done.out + done.err


@pytest.mark.parametrize("name", WITH_A_PROGRAM)
async def test_the_program_of_a_page_prints_what_is_shown(
    name: str, empty: Shell, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPNEXT_REDIS_URL", valkey_url)
    monkeypatch.syspath_prepend(str(empty.root))
    *modules, program = [Path(file).stem for file in write(PAGES[name], empty)]
    for each in modules:
        monkeypatch.delitem(sys.modules, each, raising=False)  # an example's of that name, imported by another test
    source = empty.text(f"{program}.py").replace("asyncio.run(main())\n", "")
    started = {f"upnext run {each}.py &" for each in modules}
    assert started & {command for block in PAGES[name] for command, _ in block.commands}, "the page starts no worker"
    (shown,) = (out for block in PAGES[name] for command, out in block.commands if command == f"python {program}.py")
    space: dict[str, object] = {}
    exec(source, space)  # the page's own code
    values = [value for each in modules for value in vars(sys.modules[each]).values()]
    workers = dict.fromkeys(value for value in values if isinstance(value, upnext.Worker))
    main = space["main"]
    assert callable(main)
    async with running(*workers):
        empty.capsys.readouterr()
        await main()
    assert empty.capsys.readouterr().out == shown.rstrip("\n") + "\n"


async def test_cells_of_a_notebook_can_be_run_again(
    empty: Shell, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order that the page says, in one event loop, as Jupyter does."""
    monkeypatch.setenv("UPNEXT_REDIS_URL", valkey_url)
    monkeypatch.syspath_prepend(str(empty.root))
    page = PAGES["scripts-and-notebooks"]
    write(page, empty)
    script, declared, sent = [block.text for block in page if block.language == "python" and not block.file]
    space: dict[str, object] = {"__name__": "__main__"}
    for cell in (
        declared,
        sent,
        declared.replace("2 *", "3 *"),
        sent,
        script.replace("asyncio.run(main())", "await main()"),
    ):
        code = compile(cell, "<cell>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        ended = FunctionType(code, space)()
        if ended is not None:
            await ended
    shown = ["{'double': 3.0}", "{'double': 4.5}", "{'charge': 'order 3 charged'}"]
    assert empty.capsys.readouterr().out.splitlines() == shown
    with pytest.raises(upnext.ConfigError, match="Handlers of worker 'lab' share the name 'double'"):
        exec(f"@measured.on{declared.partition('@measured.on')[2]}", space)  # the page's own code


def test_what_orchestrates_is_more_patient_than_a_worker() -> None:
    """The grace, and the few seconds after it."""
    pod = yaml.safe_load(DEPLOYMENT["yaml"])["spec"]["template"]["spec"]
    (patience,) = re.findall(r"TimeoutStopSec=(\d+)", DEPLOYMENT["ini"])
    for seconds in (pod["terminationGracePeriodSeconds"], int(patience)):
        assert seconds >= Settings().grace + 10


def test_the_probes_of_kubernetes_ask_the_port_of_the_worker() -> None:
    (container,) = yaml.safe_load(DEPLOYMENT["yaml"])["spec"]["template"]["spec"]["containers"]
    port = int(container["args"][container["args"].index("--probe") + 1].partition(":")[2])
    assert container["ports"] == [{"containerPort": port}]
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": port}
    assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": port}


@pytest.mark.parametrize(
    "name", [path.stem for path in (ROOT / "docs" / "compare").glob("*.md") if path.stem != "index"]
)
def test_a_page_about_another_library_shows_its_side_too(name: str) -> None:
    """One program of theirs that Python can read, beside ours."""
    (theirs,) = [block for block in PAGES[name] if block.language == "python" and not block.file]
    compile(theirs.text, name, "exec")
    assert name in theirs.text
