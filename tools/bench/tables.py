"""Show runs of several systems as a table: medians, their spread, and each system's ratio to the last, the baseline."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table


def show(console: Console, title: str, columns: Sequence[str], rows: Mapping[str, Sequence[Any]]) -> None:
    """Print a table. `rows`: each system's runs, as dataclasses of figures in the order of `columns`."""
    table = Table(title=f"{title}: medians (spread)", title_justify="left")
    for column in ("", *columns):
        table.add_column(column, justify="right")
    medians = {}
    for name, runs in rows.items():
        figures = list(zip(*(tuple(vars(one).values()) for one in runs), strict=True))
        medians[name] = [statistics.median(figure) for figure in figures]
        cells = [f"{m:.1f} ({min(f):.1f}-{max(f):.1f})" for m, f in zip(medians[name], figures, strict=True)]
        table.add_row(name, *cells)
    *others, baseline = medians
    for name in others:
        ratios = [
            ours / theirs if theirs else 0.0 for ours, theirs in zip(medians[name], medians[baseline], strict=True)
        ]
        table.add_row(f"{name} / {baseline}", *(f"{ratio:.2f}" for ratio in ratios))
    console.print(table)
