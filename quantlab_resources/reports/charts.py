"""Charts of results, the same bytes for the same table: SVG for the page, PNG for Dagster's metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from quantlab_core.candles.arrow_columns import Floats, Integers, floats
from quantlab_resources.reports.figure_output import DPI, LIGHT, Palette, png_of, svg_of
from quantlab_resources.reports.number_text import amount, percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BINS = 300


def equity_curve_svg(curves: pa.Table, *, is_narrow: bool = False) -> str:
    """Equity and drawdown over time as an ``<svg>`` element that takes its colours from the page's CSS variables.

    ``curves`` has the curves schema and one parameter set. ``is_narrow`` draws for a phone. An empty table gives an
    empty text.
    """
    if not curves.num_rows:
        return ""
    size = (4.2, 3.9) if is_narrow else (8.6, 4.2)
    return svg_of(lambda palette: _equity_figure(curves, palette, size), name=f"equity {size}")


def equity_curve_png(curves: pa.Table) -> bytes:
    """The same chart as a PNG on white; empty bytes for an empty table."""
    if not curves.num_rows:
        return b""
    return png_of(_equity_figure(curves, LIGHT, (8.6, 4.2)))


def curve_text(curves: pa.Table) -> str:
    """The chart for who cannot see it; empty for an empty table."""
    if not curves.num_rows:
        return ""
    ordered = curves.sort_by("ts")
    equity, drawdown = floats(ordered["equity"]), floats(ordered["drawdown"])
    first, last = ordered["ts"][0].as_py(), ordered["ts"][-1].as_py()
    start = equity[0] / (1 + drawdown[0])
    return (
        f"Equity from {amount(float(start))} on {first:%Y-%m-%d} to {amount(float(equity[-1]))} on {last:%Y-%m-%d}, "
        f"deepest fall {percent(float(drawdown.min()))} below an earlier high"
    )


def _thinned(equity: Floats, drawdown: Floats) -> Integers:
    """Rows that a drawing needs: of each of `_BINS` stretches its ends and its highest, lowest and deepest.

    Stretches of equally many events; a curve of few is drawn whole.
    """
    if len(equity) <= _BINS * 5:
        return np.arange(len(equity))
    kept = {0, len(equity) - 1}
    for rows in np.array_split(np.arange(len(equity)), _BINS):
        first = int(rows[0])
        kept |= {first, int(rows[-1])}
        kept |= {
            first + int(found(part[rows]))
            for found, part in ((np.argmax, equity), (np.argmin, equity), (np.argmin, drawdown))
        }
    return np.array(sorted(kept), dtype=np.int64)


def _equity_figure(curves: pa.Table, palette: Palette, size: tuple[float, float]) -> Figure:
    from matplotlib.dates import HOURLY, MINUTELY, SECONDLY, AutoDateLocator, ConciseDateFormatter, date2num
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, PercentFormatter, StrMethodFormatter

    ordered = curves.sort_by("ts")
    equity, drawdown = floats(ordered["equity"]), floats(ordered["drawdown"])
    start = equity[0] / (1 + drawdown[0])
    rows = _thinned(equity, drawdown)
    equity, drawdown = equity[rows], drawdown[rows]
    times = date2num(ordered["ts"].take(pa.array(rows, pa.int64())).to_pylist())  # type: ignore[no-untyped-call]

    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    figure.patch.set_alpha(0)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    top.step(times, equity, where="post", color=palette.line, linewidth=1.6, zorder=3)
    top.axhline(start, color=palette.muted, linewidth=0.8, linestyle=(0, (4, 3)), zorder=2)
    bottom.fill_between(times, drawdown, 0, step="post", color=palette.loss, alpha=0.35, linewidth=0)
    bottom.step(times, drawdown, where="post", color=palette.loss, linewidth=0.9)
    top.set_ylabel("Equity", color=palette.muted, fontsize=9)
    bottom.set_ylabel("Drawdown", color=palette.muted, fontsize=9)
    top.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    bottom.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
    bottom.yaxis.set_major_locator(MaxNLocator(3))
    locator = AutoDateLocator(minticks=3, maxticks=6 if size[0] < 6 else 10)  # type: ignore[no-untyped-call]
    # Between two and three days it finds no hours that are few enough, and warns; likewise hours and minutes.
    locator.intervald |= {
        unit: [*locator.intervald[unit], whole] for unit, whole in ((HOURLY, 24), (MINUTELY, 60), (SECONDLY, 60))
    }
    bottom.xaxis.set_major_locator(locator)
    bottom.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    bottom.xaxis.get_offset_text().set_color(palette.muted)
    bottom.xaxis.get_offset_text().set_fontsize(8)
    for axes in (top, bottom):
        axes.patch.set_alpha(0)
        axes.grid(axis="y", color=palette.grid, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(colors=palette.muted, labelsize=8, length=0)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.spines["bottom"].set_color(palette.grid)
        axes.margins(x=0.01)
    return figure
