"""Bar charts as plain numbers; a template draws them as SVG without style or script of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 720, 160
GAP = 0.25


@dataclass(frozen=True)
class Bar:
    """One rectangle. `kind`: its class; `title`: what it says on hover."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    title: str


@dataclass(frozen=True)
class Chart:
    """A chart with its legend, and as a table for those who do not see it."""

    title: str
    bars: list[Bar]
    top: float
    labels: list[tuple[float, str]]
    kinds: list[tuple[str, str]]
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
    """A column for each label, its values on top of each other in the order of `kinds` (class, word)."""
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
    return Chart(title, bars, top, labels, list(kinds), unit)
