"""Compute bar charts as numbers, which a template draws as SVG without inline styles or scripts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 520, 130
GAP = 0.25


@dataclass(frozen=True)
class Bar:
    """A rectangle. `kind`: its class; `title`: its tooltip."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    title: str


@dataclass(frozen=True)
class Chart:
    """A chart with its legend. `rows`: the same as a table, for screen readers."""

    title: str
    bars: list[Bar]
    top: float
    labels: list[tuple[float, str]]
    kinds: list[tuple[str, str]]
    rows: list[tuple[str, list[float]]]
    unit: str = ""
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def is_empty(self) -> bool:
        return not self.bars


def stacked(
    title: str,
    columns: Sequence[tuple[str, dict[str, float]]],
    kinds: Sequence[tuple[str, str]],
) -> Chart:
    """Build a chart of stacked columns, one for each label; `kinds` are (class, word) from the bottom up."""
    top = max((sum(values.values()) for _, values in columns), default=0)
    bars: list[Bar] = []
    for place, (label, values) in enumerate(columns):
        base = float(HEIGHT)
        for kind, word in kinds:
            bar = _bar(place, len(columns), base, values.get(kind, 0), top, kind, f"{label}: {{}} {word}")
            if bar is not None:
                base -= bar.height
                bars.append(bar)
    return _chart(title, columns, kinds, "", top, bars)


def layered(
    title: str,
    columns: Sequence[tuple[str, dict[str, float]]],
    kinds: Sequence[tuple[str, str]],
    unit: str = "",
) -> Chart:
    """Build a chart of overlapping columns; `kinds` are (class, word) from the front to the back."""
    top = max((max(values.values(), default=0) for _, values in columns), default=0)
    bars = [
        bar
        for place, (label, values) in enumerate(columns)
        for kind, word in reversed(kinds)
        if (bar := _bar(place, len(columns), HEIGHT, values.get(kind, 0), top, kind, f"{label}: {{}}{unit} {word}"))
    ]
    return _chart(title, columns, kinds, unit, top, bars)


def _bar(place: int, count: int, base: float, value: float, top: float, kind: str, title: str) -> Bar | None:
    """Return the bar of a value above `base`, None if its height is zero."""
    if not value:
        return None
    step, tall = WIDTH / count, value / top * HEIGHT
    x, y, width, height = (round(one, 1) for one in (place * step, base - tall, step * (1 - GAP), tall))
    return Bar(x, y, width, height, kind, title.format(f"{value:g}"))


def _chart(
    title: str,
    columns: Sequence[tuple[str, dict[str, float]]],
    kinds: Sequence[tuple[str, str]],
    unit: str,
    top: float,
    bars: list[Bar],
) -> Chart:
    step = WIDTH / max(len(columns), 1)
    every = max(len(columns) // 6, 1)
    labels = [(round(place * step, 1), label) for place, (label, _) in enumerate(columns) if place % every == 0]
    rows = [(label, [values.get(kind, 0) for kind, _ in kinds]) for label, values in columns if any(values.values())]
    return Chart(title, bars, top, labels, list(kinds), rows, unit)
