"""The chart of a token's series: price and volume over time, with silence and unasked time told apart.

The same bytes for the same series. However long it is, it is drawn in `_BINS` columns: the price as the range from the
lowest low to the highest high and the last close of each column, the volume as its sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from quantlab_core.artifacts.table_attributes import attributes_of
from quantlab_core.candles.arrow_columns import Floats, Integers, floats, microseconds
from quantlab_core.candles.epoch_time import duration_microseconds, epoch_microseconds, instant_of
from quantlab_core.candles.resolution import RESOLUTIONS
from quantlab_core.candles.source_spans import SourceSpan, decode_spans, merge_spans
from quantlab_core.interval_sets import without
from quantlab_resources.reports.figure_output import DPI, LIGHT, png_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BINS = 600
_BAND, _VOLUME = "#a9c8f8", "#8fa3bd"
_CALL = "#c2410c"
_SILENT, _UNASKED = "#fdf0d0", "#d9dde3"
_SHORTEST_SHARE = 1 / 300
"""A silence is shaded from this share of the shown time on: shorter ones would be thinner than a pixel or two."""
_LOG_FROM = 8.0
"""Highest over lowest price from which a logarithmic scale shows more."""
_MINOR_UP_TO = 30.0


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A series reduced to columns. Times are microseconds since 1970; columns without a candle hold NaN."""

    edges: Floats
    low: Floats
    high: Floats
    close: Floats
    volume: Floats
    silent: list[tuple[int, int]]
    unasked: list[tuple[int, int]]


def token_chart_png(series: pa.Table, calls: Sequence[datetime] = ()) -> bytes:
    """A series (or slice) of one token with its attributes as a PNG on white; empty bytes where it holds nothing.

    ``calls`` are marked where they lie in the time that is shown.
    """
    attributes = attributes_of(series)
    spans = merge_spans(decode_spans(attributes["source_spans"]))
    if not series.num_rows and not spans:
        return b""
    drawn = _reduced(series.sort_by("ts"), attributes["resolution"], spans)
    return png_of(_figure(drawn, attributes, series, [epoch_microseconds(call) for call in calls]))


def _reduced(series: pa.Table, resolution: str, spans: Iterable[SourceSpan]) -> _Drawn:
    stamps = microseconds(series["ts"])
    step = duration_microseconds(RESOLUTIONS[resolution]) if resolution in RESOLUTIONS else 1
    asked = [(epoch_microseconds(span.start), epoch_microseconds(span.end)) for span in spans]
    held = _runs(stamps, step)
    ends = [*asked, *held]
    first, last = min(start for start, _ in ends), max(end for _, end in ends)
    bins = int(min(_BINS, max(1, (last - first) // step)))
    edges = np.linspace(first, last, bins + 1)
    column = np.minimum(((stamps - first) * bins) // (last - first), bins - 1)
    low, high = np.full(bins, np.inf), np.full(bins, -np.inf)
    np.minimum.at(low, column, floats(series["low"]))
    np.maximum.at(high, column, floats(series["high"]))
    close = np.full(bins, np.nan)
    close[column] = floats(series["close"])  # of equal columns the last one stays: rows come by time
    is_empty = np.isnan(close)
    low[is_empty] = high[is_empty] = np.nan
    volume = np.bincount(column, weights=np.nan_to_num(floats(series["volume"])), minlength=bins)
    shortest = int((last - first) * _SHORTEST_SHARE)
    return _Drawn(
        edges,
        low,
        high,
        close,
        np.asarray(volume, dtype=np.float64),
        silent=[gap for span in asked for gap in without(span, held) if gap[1] - gap[0] >= shortest],
        unasked=without((first, last), sorted([*asked, *held])),
    )


def _runs(stamps: Integers, step: int) -> list[tuple[int, int]]:
    """[start, end) of the runs of neighbouring candles."""
    if not len(stamps):
        return []
    breaks = np.flatnonzero(np.diff(stamps) > step)
    starts = stamps[np.concatenate(([0], breaks + 1))]
    ends = stamps[np.concatenate((breaks, [len(stamps) - 1]))] + step
    return list(zip(starts.tolist(), ends.tolist(), strict=True))


def _figure(drawn: _Drawn, attributes: Mapping[str, str], series: pa.Table, calls: Sequence[int]) -> Figure:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter, FuncFormatter, MaxNLocator, NullFormatter

    figure = Figure(figsize=(9.2, 4.8), dpi=DPI, layout="constrained", facecolor="white")
    price, volume = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    for axes in (price, volume):
        _shade(axes, drawn)
    if series.num_rows:
        _draw_price(price, drawn)
        volume.stairs(drawn.volume, _days(drawn.edges), fill=True, color=_VOLUME, linewidth=0, zorder=2)
    written = FuncFormatter(lambda value, _: f"{value:.4g}")
    lowest, highest = price.get_ylim()
    price.yaxis.set_major_formatter(written)
    # Between the powers of ten of a logarithmic scale there is room for numbers only where there are few powers.
    price.yaxis.set_minor_formatter(written if 0 < highest < lowest * _MINOR_UP_TO else NullFormatter())
    volume.yaxis.set_major_formatter(EngFormatter(sep=""))
    volume.yaxis.set_major_locator(MaxNLocator(3))
    volume.set_ylim(bottom=0)
    for axes, what in ((price, "price"), (volume, "volume")):
        axes.set_ylabel(f"{what} ({attributes[f'{what}_unit']})", color=LIGHT.muted, fontsize=9)
        axes.grid(axis="y", color=LIGHT.grid, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(colors=LIGHT.muted, labelsize=8, length=0, which="both")
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.spines["bottom"].set_color(LIGHT.grid)
        axes.set_xlim(_days(drawn.edges[0]), _days(drawn.edges[-1]))
    locator = AutoDateLocator(minticks=4, maxticks=9)  # type: ignore[no-untyped-call]
    volume.xaxis.set_major_locator(locator)
    volume.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))  # type: ignore[no-untyped-call]
    _say(price, drawn, attributes, series, _mark_calls(price, volume, drawn, calls))
    return figure


def _draw_price(axes: Axes, drawn: _Drawn) -> None:
    """The range of each column, and the closes: a line, paler where the price is only carried on through silence."""
    known = ~np.isnan(drawn.close)
    middles = _days((drawn.edges[:-1] + drawn.edges[1:]) / 2)
    if np.nanmax(drawn.high) / np.nanmin(drawn.low) >= _LOG_FROM:
        axes.set_yscale("log")
    axes.vlines(middles[known], drawn.low[known], drawn.high[known], color=_BAND, linewidth=1.1, zorder=2)
    for start, end in without((int(drawn.edges[0]), int(drawn.edges[-1])), drawn.unasked):
        here = known & (drawn.edges[1:] > start) & (drawn.edges[:-1] < end)
        axes.plot(middles[here], drawn.close[here], color=LIGHT.line, linewidth=0.7, alpha=0.45, zorder=3)
    axes.plot(middles, drawn.close, color=LIGHT.line, linewidth=1.3, zorder=4, marker=".", markersize=1.6)


def _shade(axes: Axes, drawn: _Drawn) -> None:
    for stretches, colour, hatch in ((drawn.silent, _SILENT, None), (drawn.unasked, _UNASKED, "///")):
        for start, end in stretches:
            axes.axvspan(
                _days(start), _days(end), facecolor=colour, edgecolor="white", hatch=hatch, linewidth=0, zorder=0
            )


def _mark_calls(price: Axes, volume: Axes, drawn: _Drawn, calls: Sequence[int]) -> int:
    """A line through both charts and a triangle on top for each call in the time that is shown; how many there are."""
    shown = [call for call in calls if drawn.edges[0] <= call <= drawn.edges[-1]]
    for call in shown:
        for axes in (price, volume):
            axes.axvline(_days(call), color=_CALL, linewidth=0.9, alpha=0.8, zorder=5)
    above = price.get_xaxis_transform()
    price.plot(
        [_days(call) for call in shown], [1.0] * len(shown), marker="v", markersize=6, color=_CALL, linestyle="none",
        transform=above, clip_on=False, zorder=6,
    )  # fmt: skip
    return len(shown)


def _say(axes: Axes, drawn: _Drawn, attributes: Mapping[str, str], series: pa.Table, calls: int) -> None:
    """A title, and what the shades and marks mean where there are some."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    first, last = (instant_of(int(edge)) for edge in (drawn.edges[0], drawn.edges[-1]))
    named = [f"{_short(series['token_address'][0].as_py())} on {series['chain'][0].as_py()}"] if series.num_rows else []
    candles = f"{series.num_rows:,} {attributes['resolution']} candles from {attributes['source']}"
    reach = f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"
    axes.set_title(", ".join([*named, candles, reach]), loc="left", fontsize=10, color=LIGHT.ink, pad=20)
    shades: list[Any] = [
        Patch(facecolor=colour, edgecolor="white", hatch=hatch, linewidth=0, label=label)
        for stretches, colour, hatch, label in (
            (drawn.silent, _SILENT, None, "asked, no candle"),
            (drawn.unasked, _UNASKED, "///", "nobody asked"),
        )
        if stretches
    ]
    if calls:
        named_calls = f"{calls} call{'s' * (calls != 1)}"
        shades.insert(0, Line2D([], [], color=_CALL, marker="v", markersize=5, linewidth=0.9, label=named_calls))
    if shades:
        axes.legend(
            handles=shades, loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, fontsize=8,
            labelcolor=LIGHT.muted, borderpad=0.2, handlelength=1.6, columnspacing=1.4, borderaxespad=0,
        )  # fmt: skip


def _short(address: str) -> str:
    return address if len(address) <= 12 else f"{address[:4]}…{address[-4:]}"


def _days(stamp: Any) -> Any:
    """Microseconds since 1970 in days, which is how matplotlib counts time."""
    return stamp / 86_400_000_000
