"""The heat map of coverage: a column per day (or week, or month), a row per horizon, with the alerts counted above."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from quantlab_core.artifacts.table_attributes import attributes_of
from quantlab_core.coverage.alert_windows import HORIZONS_H
from quantlab_core.coverage.heat_map import Cell, HeatMap, heat_map
from quantlab_resources.reports import number_text
from quantlab_resources.reports.figure_output import DPI, LIGHT, Palette, png_of, svg_of
from quantlab_resources.reports.heat_colours import HEAT_COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LABELLED = {"wide": 14, "narrow": 6}
"""Up to so many columns there is room for the share in each cell."""

_UNITS = {"day": "UTC day", "week": "week from", "month": "month"}


def coverage_heatmap_png(summary: pa.Table) -> bytes:
    """The map of a ``coverage_summary_v1`` as a PNG on white; empty bytes for an empty table."""
    drawn = heat_map(summary)
    return png_of(_figure(drawn, attributes_of(summary)["good"], LIGHT, "wide")) if drawn.stretches else b""


def coverage_heatmap_svg(summary: pa.Table, *, is_narrow: bool = False) -> str:
    """The same as an ``<svg>`` element in the page's colours; an empty text for an empty table."""
    drawn, form = heat_map(summary), "narrow" if is_narrow else "wide"
    if not drawn.stretches:
        return ""
    good = attributes_of(summary)["good"]
    return svg_of(lambda palette: _figure(drawn, good, palette, form), name=f"coverage {form}")


def _figure(drawn: HeatMap, good: str, palette: Palette, form: str) -> Figure:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    size = (4.2, 3.4) if form == "narrow" else (8.6, 3.1)
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    figure.patch.set_alpha(0)
    above, grid = figure.subplots(2, 1, sharex=True, height_ratios=[1, 3])
    colours = LinearSegmentedColormap.from_list("coverage", HEAT_COLOURS)
    number = len(drawn.stretches)
    shares = np.array(
        [[_share(stretch.cells[row]) for stretch in drawn.stretches] for row in range(len(HORIZONS_H))], dtype=float
    )
    grid.pcolormesh(
        np.arange(number + 1),
        np.arange(len(HORIZONS_H) + 1),
        np.ma.masked_invalid(shares),
        cmap=colours,
        norm=Normalize(0, 1),
        edgecolors=palette.grid if number <= _LABELLED["wide"] else "none",
        linewidth=0.8,
    )
    _mark_open_cells(grid, drawn, palette)
    if number <= _LABELLED[form]:
        _write_shares(grid, shares)
    grid.set_yticks(np.arange(len(HORIZONS_H)) + 0.5, [f"{hours} h" for hours in HORIZONS_H])
    grid.invert_yaxis()
    grid.set_xlim(0, number)
    _label_stretches(grid, drawn, form, palette)
    above.bar(
        np.arange(number) + 0.5,
        [stretch.alerts for stretch in drawn.stretches],
        width=min(0.8, 0.3 + number / 20),
        color=palette.muted,
        alpha=0.45,
    )
    above.set_ylabel("alerts", color=palette.muted, fontsize=8)
    above.set_yticks([0, max(stretch.alerts for stretch in drawn.stretches)])
    bar = figure.colorbar(
        ScalarMappable(Normalize(0, 1), colours), ax=[above, grid], aspect=22, pad=0.02, fraction=0.05
    )
    bar.set_label(f"alerts with ≥ {float(good):.0%} spanned", color=palette.muted, fontsize=8)
    bar.ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    bar.ax.tick_params(colors=palette.muted, labelsize=8, length=0)
    bar.outline.set_visible(False)
    for axes in (above, grid):
        axes.patch.set_alpha(0)
        axes.tick_params(colors=palette.muted, labelsize=8, length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
    above.tick_params(labelbottom=False)
    return figure


def _share(cell: Cell) -> float:
    return float("nan") if cell.share is None else cell.share


def _mark_open_cells(grid: Axes, drawn: HeatMap, palette: Palette) -> None:
    """Hatch the cells of which all alerts are pending: they are not bad, they are not over."""
    from matplotlib.patches import Rectangle

    for column, stretch in enumerate(drawn.stretches):
        for row, cell in enumerate(stretch.cells):
            if cell.alerts and not cell.judged:
                grid.add_patch(
                    Rectangle((column, row), 1, 1, fill=False, hatch="////", edgecolor=palette.grid, linewidth=0)
                )


def _write_shares(grid: Axes, shares: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> None:
    for (row, column), share in np.ndenumerate(shares):
        if not np.isnan(share):
            colour = "white" if share < 0.15 or share > 0.85 else "#1c2430"
            text = number_text.share(float(share))
            grid.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=8, color=colour)


def _label_stretches(grid: Axes, drawn: HeatMap, form: str, palette: Palette) -> None:
    most = 3 if form == "narrow" else 9
    step = -(-len(drawn.stretches) // most)
    positions = range(0, len(drawn.stretches), step)
    labels = [_label(drawn.stretches[position].first, drawn.unit) for position in positions]
    grid.set_xticks([position + 0.5 for position in positions], labels)
    grid.set_xlabel(_UNITS[drawn.unit], fontsize=8, color=palette.muted)


def _label(first: date, unit: str) -> str:
    return f"{first:%Y-%m}" if unit == "month" else f"{first:%Y-%m-%d}"
