"""Draws the pictures of the documentation: `docs/pictures/*.toml` says what is in them, an SVG beside it shows it.

python docs/pictures.py            draw them
python docs/pictures.py --check    exit 1 if one of them is not what its source gives
"""

from __future__ import annotations

import sys
import tomllib
from html import escape
from pathlib import Path
from typing import Any

PICTURES = Path(__file__).parent / "pictures"

SANS = "'Segoe UI', Helvetica, Arial, 'DejaVu Sans', sans-serif"
MONO = "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace"
STYLE = f"""\
  text {{ font: 12px {SANS}; fill: #3c4654 }}
  .title {{ font-weight: 600; font-size: 13px; fill: #17202c }}
  .band {{ fill: #f4f6f9; stroke: #dde3ea }}
  .heading {{ font-weight: 600; font-size: 14px; fill: #66758a }}
  .code {{ font: 10.5px {MONO}; fill: #24456b; white-space: pre }}
  .wrong {{ font-weight: 600; fill: #b3261e }}
  .box {{ fill: #ffffff; stroke: #b9c4d2; stroke-width: 1.2 }}
  .tool {{ fill: #e8effd; stroke: #6f94e0 }}
  .store {{ fill: #fff4dd; stroke: #e0ae4a }}
  .good {{ fill: #e5f5ea; stroke: #67b083 }}
  .bad {{ fill: #fdeceb; stroke: #dd8078 }}
  .arrow {{ fill: none; stroke: #7d8b9c; stroke-width: 1.5; marker-end: url(#head) }}
  .label {{ font: 10.5px {MONO}; fill: #55637a; text-anchor: middle; white-space: pre }}
  .dashed {{ stroke-dasharray: 4 4 }}"""
HEAD = (
    '<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0 0L8 4L0 8z" fill="#7d8b9c"/></marker>'
)

LINE = 16
PAD = 12


def main(arguments: list[str]) -> int:
    stale = []
    for source in sorted(PICTURES.glob("*.toml")):
        target = source.with_suffix(".svg")
        drawn = draw(tomllib.loads(source.read_text(encoding="utf-8")))
        if target.exists() and target.read_text(encoding="utf-8") == drawn:
            continue
        stale.append(target.name)
        if "--check" not in arguments:
            target.write_text(drawn, encoding="utf-8")
    if stale and "--check" in arguments:
        print(f"Out of date: {', '.join(stale)}. Draw them with: python docs/pictures.py", file=sys.stderr)
        return 1
    return 0


def draw(picture: dict[str, Any]) -> str:
    """Return a picture as SVG."""
    width, height = picture["size"]
    boxes = {box["id"]: box for box in picture["box"]}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f"<style>\n{STYLE}\n</style>",
        f"<defs>{HEAD}</defs>",
        f'<rect width="{width}" height="{height}" rx="10" fill="#ffffff"/>',
        *(line for band in picture.get("band", []) for line in _band(band)),
        *(line for arrow in picture.get("arrow", []) for line in _arrow(arrow, boxes)),
        *(line for box in picture["box"] for line in _box(box)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _band(band: dict[str, Any]) -> list[str]:
    x, y, width, height = band["place"]
    return [
        f'<rect class="band" x="{x}" y="{y}" width="{width}" height="{height}" rx="8"/>',
        _text(x + 20, y + 26, band["title"], "heading"),
    ]


def _box(box: dict[str, Any]) -> list[str]:
    x, y, width, height = _place(box)
    kind = f"box {box.get('kind', '')}".strip()
    lines = [
        f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6"/>',
        _text(x + PAD, y + 21, box["title"], "title"),
    ]
    for number, line in enumerate(box.get("lines", []), 1):
        style = {"` ": "code", "! ": "wrong"}.get(line[:2], "")
        lines.append(_text(x + PAD, y + 21 + LINE * number + 2, line[2:] if style else line, style))
    return lines


def _place(box: dict[str, Any]) -> tuple[float, float, float, float]:
    x, middle, width = box["place"]
    height = 34 + LINE * len(box.get("lines", []))
    return x, middle - height / 2, width, height


def _text(x: float, y: float, text: str, style: str) -> str:
    mark = f' class="{style}"' if style else ""
    return f'<text{mark} x="{x:g}" y="{y:g}" xml:space="preserve">{escape(text, quote=False)}</text>'


def _arrow(arrow: dict[str, Any], boxes: dict[str, Any]) -> list[str]:
    """A curve that leaves one box and enters another at right angles, with its label in the middle."""
    (ax, ay), (anx, any_) = _side(boxes[arrow["from"]], arrow.get("out", "right"), arrow.get("out_at", 0))
    (bx, by), (bnx, bny) = _side(boxes[arrow["to"]], arrow.get("in", "left"), arrow.get("in_at", 0))
    bx, by = bx + 2 * bnx, by + 2 * bny
    straight = abs(bx - ax) if anx and bnx else abs(by - ay) if any_ and bny else max(abs(bx - ax), abs(by - ay))
    reach = arrow.get("reach", straight / 2)
    points = [(ax, ay), (ax + reach * anx, ay + reach * any_), (bx + reach * bnx, by + reach * bny), (bx, by)]
    path = "M{:g} {:g}C{:g} {:g} {:g} {:g} {:g} {:g}".format(*(number for point in points for number in point))
    drawn = [f'<path class="arrow{" dashed" if arrow.get("dashed") else ""}" d="{path}"/>']
    if "label" in arrow:
        (x, y), (right, down) = _middle(points), arrow.get("label_at", [0, -6])
        drawn.append(_text(x + right, y + down, arrow["label"], "label"))
    return drawn


def _side(box: dict[str, Any], side: str, along: float) -> tuple[tuple[float, float], tuple[int, int]]:
    """Return the middle of a box's side, moved along it, and the direction that leads away from the box."""
    x, y, width, height = _place(box)
    return {
        "left": ((x, y + height / 2 + along), (-1, 0)),
        "right": ((x + width, y + height / 2 + along), (1, 0)),
        "top": ((x + width / 2 + along, y), (0, -1)),
        "bottom": ((x + width / 2 + along, y + height), (0, 1)),
    }[side]


def _middle(points: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the point half-way along a cubic curve."""
    x, y = ((a + 3 * b + 3 * c + d) / 8 for a, b, c, d in zip(*points, strict=True))
    return x, y


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
