"""Lines over a logarithmic axis, as SVG."""

from __future__ import annotations

import math
from html import escape

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 620, 300, 60, 30, 130, 50
COLOURS = ("#2f6fde", "#93b6f2", "#c2571a", "#eab08a")
FONT = "12px 'Segoe UI', Helvetica, Arial, 'DejaVu Sans', sans-serif"


def draw(x_title: str, y_title: str, points: list[tuple[int, dict[str, float]]]) -> str:
    """Draw one line for each name in the points.

    Args:
        x_title: What grows.
        y_title: What is shown, with its unit.
        points: Size -> name of the line -> value, in the order of the sizes.
    """
    top = _round_up(max(value for _, values in points for value in values.values()))
    low, high = (math.log10(size or 10) for size in (points[0][0], points[-1][0]))

    def x(size: int) -> float:
        return LEFT + (math.log10(size or 10) - low) / ((high - low) or 1) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">',
        f"<style>text {{ font: {FONT}; fill: #3c4654 }} polyline {{ fill: none; stroke-width: 2 }}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="10" fill="#ffffff"/>',
        _text(LEFT - 40, 18, y_title),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x_title, "middle"),
    ]
    for value in (0, top / 4, top / 2, top * 3 / 4, top):
        parts.append(f'<path d="M{LEFT} {y(value):.1f}H{WIDTH - RIGHT}" stroke="#e3e8ee"/>')
        parts.append(_text(LEFT - 8, y(value) + 4, f"{value:g}", "end"))
    parts += [_text(x(size), HEIGHT - BOTTOM + 18, f"{size:,}", "middle") for size, _ in points]
    last = sorted(points[-1][1].items(), key=lambda item: -item[1])
    label = float("-inf")
    for n, name in enumerate(points[0][1]):
        line = " ".join(f"{x(size):.1f},{y(values[name]):.1f}" for size, values in points)
        parts.append(f'<polyline points="{line}" stroke="{COLOURS[n]}"/>')
    for name, value in last:
        label = max(label + 15, y(value) + 4)
        colour = COLOURS[list(points[0][1]).index(name)]
        parts.append(f'<circle cx="{WIDTH - RIGHT + 12}" cy="{label - 4:.1f}" r="4" fill="{colour}"/>')
        parts.append(_text(WIDTH - RIGHT + 20, label, name))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _round_up(value: float) -> float:
    step = 10 ** math.floor(math.log10(value))
    return next(step * factor for factor in (1, 2, 4, 6, 8, 10) if step * factor >= value)
