"""The heat map of a sweep of two keys: what each set is worth by the sweep's measure, and which one was chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from quantlab_core.experiments.sweep_map import SweepMap, sweep_map
from quantlab_resources.reports.figure_output import DPI, LIGHT, png_of
from quantlab_resources.reports.heat_colours import HEAT_COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 8.6, 4.2
"""Inches."""
MOST_LABELLED = 150
"""Up to so many cells there is room for the value in each."""


def sweep_heatmap_png(parameter_sets: pa.Table) -> bytes:
    """The map of a table of ``experiment_parameter_sets`` as a PNG on white; empty bytes unless two keys vary."""
    drawn = sweep_map(parameter_sets)
    return b"" if drawn is None else png_of(_figure(drawn))


def _figure(drawn: SweepMap) -> Figure:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    values = np.array(drawn.values, dtype=float)
    known = values[~np.isnan(values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    scale, colours = Normalize(low, high), LinearSegmentedColormap.from_list("sweep", HEAT_COLOURS)
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI, layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.subplots()
    axes.pcolormesh(np.ma.masked_invalid(values), cmap=colours, norm=scale, edgecolors=LIGHT.grid, linewidth=0.8)
    row, column = drawn.chosen
    axes.add_patch(Rectangle((column, row), 1, 1, fill=False, edgecolor=LIGHT.ink, linewidth=2.2, zorder=3))
    if values.size <= MOST_LABELLED:
        for (at_row, at_column), value in np.ndenumerate(values):
            if not np.isnan(value):
                share = 0.5 if high == low else (float(value) - low) / (high - low)
                colour = "white" if share < 0.15 or share > 0.85 else LIGHT.ink
                text = f"{float(value):.3g}"
                axes.text(at_column + 0.5, at_row + 0.5, text, ha="center", va="center", fontsize=8, color=colour)
    axes.set_xticks(np.arange(len(drawn.columns)) + 0.5, [_fitted(label) for label in drawn.columns])
    axes.set_yticks(np.arange(len(drawn.rows)) + 0.5, [_fitted(label) for label in drawn.rows])
    axes.set_xlabel(drawn.column_key, fontsize=9, color=LIGHT.muted)
    axes.set_ylabel(drawn.row_key, fontsize=9, color=LIGHT.muted)
    if max(map(len, drawn.columns)) * len(drawn.columns) > 14 * WIDTH:
        axes.tick_params(axis="x", labelrotation=60)
    bar = figure.colorbar(ScalarMappable(scale, colours), ax=axes, aspect=22, pad=0.02, fraction=0.05)
    bar.set_label(drawn.measure, color=LIGHT.muted, fontsize=8)
    bar.ax.tick_params(colors=LIGHT.muted, labelsize=8, length=0)
    bar.outline.set_visible(False)
    axes.patch.set_alpha(0)
    axes.tick_params(colors=LIGHT.muted, labelsize=8, length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure


def _fitted(label: str) -> str:
    return label if len(label) <= 24 else label[:23] + "…"
