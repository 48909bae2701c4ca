"""Bar charts as plain numbers; a template draws them as SVG without style or script of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 720, 160
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
    unit: str = "",
) -> Chart:
    """Build a chart of stacked columns, one for each label; `kinds` are (class, word) from the bottom up."""
    top = max((sum(values.values()) for _, values in columns), default=0)
    step = WIDTH / max(len(columns), 1)
    bars: list[Bar] = []
    for place, (label, values) in enumerate(columns):
        base = float(HEIGHT)
        for kind, word in kinds:
            value = values.get(kind, 0)
            if value and top:
                tall = value / top * HEIGHT
                base -= tall
                text = f"{label}: {value:g}{unit} {word}".strip()
                x, y, width, height = (round(one, 1) for one in (place * step, base, step * (1 - GAP), tall))
                bars.append(Bar(x, y, width, height, kind, text))
    every = max(len(columns) // 6, 1)
    labels = [(round(place * step, 1), label) for place, (label, _) in enumerate(columns) if place % every == 0]
    rows = [(label, [values.get(kind, 0) for kind, _ in kinds]) for label, values in columns if any(values.values())]
    return Chart(title, bars, top, labels, list(kinds), rows, unit)
