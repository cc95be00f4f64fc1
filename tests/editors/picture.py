"""Draws what an editor shows of the README's wrong send, from the answers of a real language server.

python -m tests.editors.picture      draw docs/pictures/editor.svg anew
"""

from __future__ import annotations

import io
import keyword
import re
import sys
import tempfile
import tokenize
from html import escape
from pathlib import Path

from tests.docs.story import ROOT, blocks
from tests.editors.client import Diagnostic
from tests.editors.servers import SERVERS
from upnext.cli import main as upnext

PICTURE = ROOT / "docs" / "pictures" / "editor.svg"
SERVER = "ty"
FILE = "checkout.py"

WIDTH, LINE, CHAR, LEFT, TOP = 820, 20, 7.8, 56, 64
MONO = "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace"
SANS = "'Segoe UI', Helvetica, Arial, 'DejaVu Sans', sans-serif"
STYLE = f"""\
  text {{ font: 13px {MONO}; fill: #24292f; white-space: pre }}
  .window {{ fill: #ffffff; stroke: #d0d7de }}
  .tab {{ font: 12px {SANS}; fill: #57606a }}
  .number {{ fill: #a0a8b1; text-anchor: end }}
  .keyword {{ fill: #a626a4 }}
  .string {{ fill: #2f7d3b }}
  .wave {{ fill: none; stroke: #d1242f; stroke-width: 1.2 }}
  .error {{ font: 12px {SANS}; fill: #b3261e }}
  .popup {{ fill: #f6f8fa; stroke: #c8d0d9 }}
  .hint {{ font-size: 12px }}"""


def main() -> int:
    """Draw the picture."""
    with tempfile.TemporaryDirectory() as folder:
        PICTURE.write_text(drawn(Path(folder)), encoding="utf-8")
    return 0


def drawn(folder: Path) -> str:
    """Return the picture, made in an empty folder."""
    for block in blocks("README.md"):
        if block.file:
            (folder / block.file).write_text(block.text, encoding="utf-8")
    upnext(["gen", str(folder), "--format", "github"])
    with SERVERS[SERVER](folder, Path(sys.executable)) as editor:
        editor.open(FILE)
        editor.diagnostics(FILE, bool)
        found = editor.published(FILE)
        hover = editor.hover(FILE, "order_placed.send")
    return _svg((folder / FILE).read_text(encoding="utf-8"), found, _plain(hover))


def _svg(text: str, found: list[Diagnostic], hover: list[str]) -> str:
    code = text.rstrip("\n").split("\n")
    below = TOP + len(code) * LINE
    popup = below + 14 + len(found) * LINE
    height = popup + 24 + len(hover) * 17 + 14
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" {_size(WIDTH, height)}>',
            f"<style>\n{STYLE}\n</style>",
            f'<rect class="window" x="0.5" y="0.5" {_size(WIDTH - 1, height - 1)} rx="8"/>',
            f'<path d="M0.5 36.5H{WIDTH - 0.5}" stroke="#d0d7de"/>',
            _text(18, 23, FILE, "tab"),
            *(_text(LEFT - 18, TOP + n * LINE, str(n + 1), "number") for n in range(len(code))),
            *_coloured(text),
            *(_wave(each) for each in found),
            *(_text(LEFT, below + 6 + n * LINE, f"✕ {each.message}", "error") for n, each in enumerate(found)),
            f'<rect class="popup" x="{LEFT}" y="{popup}" {_size(WIDTH - LEFT - 18, height - popup - 14)} rx="4"/>',
            *(_text(LEFT + 12, popup + 22 + n * 17, line, "hint") for n, line in enumerate(hover)),
            "</svg>\n",
        ]
    )


def _size(width: int, height: int) -> str:
    return f'width="{width}" height="{height}"'


def _coloured(text: str) -> list[str]:
    parts = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if not token.string.strip():
            continue
        kind = "keyword" if keyword.iskeyword(token.string) else "string" if token.type == tokenize.STRING else ""
        (line, column) = token.start
        parts.append(_text(LEFT + column * CHAR, TOP + (line - 1) * LINE, token.string, kind))
    return parts


def _wave(found: Diagnostic) -> str:
    (line, start), (_, end) = found.start, found.end
    y, x, steps = TOP + line * LINE + 4, LEFT + start * CHAR, round((end - start) * CHAR / 3)
    return f'<path class="wave" d="M{x:g} {y}{"".join(f"l3 {2 if n % 2 else -2}" for n in range(steps))}"/>'


def _plain(markdown: str) -> list[str]:
    """Return what is shown of a hover: Markdown without its marks."""
    shown = re.sub(r"(?m)^```\w*\n?|^---$", "", markdown).replace("&nbsp;", " ")
    return [re.sub(r"\\(.)", r"\1", line.rstrip()) for line in re.sub(r"\n{3,}", "\n\n", shown).strip().split("\n")]


def _text(x: float, y: float, text: str, style: str) -> str:
    mark = f' class="{style}"' if style else ""
    return f'<text{mark} x="{x:g}" y="{y:g}" xml:space="preserve">{escape(text, quote=False)}</text>'


if __name__ == "__main__":
    sys.exit(main())
