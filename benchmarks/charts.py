"""Bars and lines as SVG texts, without a library: what the report's pictures are made of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

WIDTH, LABEL, RIGHT, ROW, TOP = 560, 190, 70, 22, 30
INK, MUTED, OURS, OTHERS, GOAL = "#1f2933", "#7b8794", "#2563a8", "#b8c4d0", "#c2410c"
CLOSE = 50
"""Pixels: of two ticks that are closer, the right one is shown."""
LINES = (OURS, "#c2410c", "#4d7c0f", "#7e22ce")


class Bar(NamedTuple):
    """A labelled value; `ours` ones stand out, a `goal` is a mark to stay to the left of (or, `least`, to reach)."""

    label: str
    value: float
    ours: bool = True
    goal: float | None = None


def figure(value: float) -> str:
    """A number with three digits that count.

    >>> [figure(each) for each in (0.917, 1.9, 41.26, 24160.0)]
    ['0.92', '1.90', '41.3', '24,160']
    """
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def bars(title: str, rows: Sequence[Bar], *, unit: str = "", log: bool = False) -> str:
    """Horizontal bars. `log`: lengths are orders of magnitude above the least tenth."""
    most = max(max(row.value, row.goal or 0) for row in rows)
    floor = min(row.value for row in rows) / 3 if log else 0.0
    room = WIDTH - LABEL - RIGHT

    def at(value: float) -> float:
        share = math.log(value / floor) / math.log(most / floor) if log else value / most
        return LABEL + room * share

    parts = []
    for number, row in enumerate(rows):
        y = TOP + number * ROW
        parts.append(_text(LABEL - 8, y + 14, row.label, anchor="end"))
        colour = OURS if row.ours else OTHERS
        parts.append(f'<rect x="{LABEL}" y="{y + 3}" width="{at(row.value) - LABEL:.1f}" height="15" fill="{colour}"/>')
        if row.goal is not None:
            x = at(row.goal)
            parts.append(f'<path d="M{x:.1f} {y + 1}v19" stroke="{GOAL}" stroke-width="2"/>')
        end = max(at(row.value), at(row.goal) if row.goal is not None else 0)
        parts.append(_text(end + 6, y + 14, f"{figure(row.value)}{unit}"))
    return _svg(title, parts, TOP + len(rows) * ROW + 8)


def lines(title: str, series: Mapping[str, Sequence[tuple[float, float]]], *, unit: str, across: str) -> str:
    """Values over a logarithmic axis, from zero up."""
    height, left, bottom = 190, 56, 30
    xs = [x for points in series.values() for x, _ in points]
    most = max(y for points in series.values() for _, y in points) * 1.15
    span = math.log(max(xs) / min(xs)) or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        across_ = left + (WIDTH - left - 120) * math.log(x / min(xs)) / span
        return across_, TOP + (height - TOP - bottom) * (1 - y / most)

    ticks = [(place(x, 0)[0], _power(x)) for x in sorted(set(xs))]
    shown = [tick for tick, after in zip(ticks, [*ticks[1:], (WIDTH, "")], strict=True) if after[0] - tick[0] > CLOSE]
    parts = [_text(x, height - 12, text, anchor="middle", colour=MUTED) for x, text in shown]
    for y in (0.0, most / 2.3, most / 1.15):
        _, level = place(min(xs), y)
        parts.append(f'<path d="M{left} {level:.1f}H{WIDTH - 110}" stroke="#e4e7eb"/>')
        parts.append(_text(left - 6, level + 4, figure(y) if y else "0", anchor="end", colour=MUTED))
    for colour, (name, points) in zip(LINES, series.items(), strict=False):
        at = [place(x, y) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in at]
        parts.append(_text(at[-1][0] + 8, at[-1][1] + 4, name, colour=colour))
    parts.append(_text(WIDTH - 96, height - 12, across, colour=MUTED))
    return _svg(f"{title}, {unit}", parts, height)


def _power(x: float) -> str:
    for size, name in ((1_000_000, "M"), (1_024, "Ki") if x % 1_024 == 0 else (1_000, "k")):
        if x >= size:
            return f"{x / size:g}{name}"
    return f"{x:g}"


def _text(x: float, y: float, text: str, *, anchor: str = "start", colour: str = INK) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'


def _svg(title: str, parts: Sequence[str], height: float) -> str:
    style = "font:12px system-ui,sans-serif"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" style="{style}">'
    return f'{head}<text x="0" y="16" font-weight="600" fill="{INK}">{escape(title)}</text>{"".join(parts)}</svg>'
