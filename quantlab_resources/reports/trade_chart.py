"""A trade drawn over its candles as a small ``<svg>``: the call, what was bought and sold, and the time around it.

Written by hand and not by matplotlib: ten of them take milliseconds, and a few kilobytes each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape

import numpy as np

from quantlab_core.simulation.candle_series import CandleSeries, Floats, Instants
from quantlab_resources.reports.number_text import price as price_of

WIDTH, HEIGHT = 460, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 8.0, 66.0, 14.0, 22.0
_MOST_CANDLES = 96
_MINUTE_MS = 60_000
_BUCKETS_MIN = (1, 2, 3, 5, 10, 15, 20, 30, 60, 120, 180, 240, 360, 720, 1_440)
_TICKS_MIN = (1, 2, 5, 10, 15, 20, 30, 60, 120, 180, 240, 360, 720, 1_440, 2_880, 10_080)
_MOST_TICKS = 5
_LEAST_MARGIN_MS = 10 * _MINUTE_MS
_MARGIN_SHARE = 0.12
_LOG_FROM = 6.0
_DAY_MIN = 1_440


@dataclass(frozen=True, slots=True)
class Mark:
    """A fill: epoch milliseconds, the price, whether it bought, and what it says when it is pointed at."""

    ts_ms: int
    price: float
    is_buy: bool
    text: str


@dataclass(frozen=True, slots=True)
class _Bars:
    start_ms: Instants
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    width_ms: int


class _Scale:
    """From times and prices to places on the drawing; prices by their logarithm where they span a lot."""

    def __init__(self, first_ms: int, last_ms: int, lowest: float, highest: float) -> None:
        self.first_ms, self.last_ms = first_ms, last_ms
        self.is_log = lowest > 0 and highest / lowest >= _LOG_FROM
        low, high = (math.log(lowest), math.log(highest)) if self.is_log else (lowest, highest)
        room = (high - low) * 0.06 or abs(high) * 0.01 or 1.0
        self._low, self._high = low - room, high + room

    def x(self, ts_ms: float) -> float:
        share = (ts_ms - self.first_ms) / (self.last_ms - self.first_ms)
        return _LEFT + min(1.0, max(0.0, share)) * (WIDTH - _LEFT - _RIGHT)

    def y(self, price: float) -> float:
        value = math.log(price) if self.is_log else price
        share = (value - self._low) / (self._high - self._low)
        return HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)

    def prices(self) -> list[float]:
        """Prices for about four lines: round ones, or equally far apart on the logarithmic scale."""
        if self.is_log:
            return [
                _rounded(math.exp(self._low + (self._high - self._low) * share)) for share in (0.1, 0.37, 0.63, 0.9)
            ]
        step = _nice((self._high - self._low) / 4)
        first = math.ceil(self._low / step)
        return [number * step for number in range(first, math.floor(self._high / step) + 1) if number * step > 0]


def trade_chart(series: CandleSeries, marks: Sequence[Mark], called_ms: int, *, name: str) -> str:
    """The window of a trade with its fills; an empty text where the window holds no candle.

    ``name`` says what is drawn to who cannot see it. Times are epoch milliseconds UTC.
    """
    if not marks:
        return ""
    first, last = min(called_ms, marks[0].ts_ms), max(mark.ts_ms for mark in marks)
    margin = max(_LEAST_MARGIN_MS, round((last - first) * _MARGIN_SHARE))
    bars = _bars(series, first - margin, last + margin)
    if not len(bars.start_ms):
        return ""
    prices = [mark.price for mark in marks]
    lowest, highest = min(float(bars.low.min()), *prices), max(float(bars.high.max()), *prices)
    if not (math.isfinite(lowest) and math.isfinite(highest)):
        return ""
    scale = _Scale(first - margin, last + margin, lowest, highest)
    parts = [
        _grid(scale),
        _held(scale, marks[0].ts_ms, last),
        _candles(scale, bars),
        _call(scale, called_ms),
        _entry_line(scale, marks[0], last),
        *(_marker(scale, mark) for mark in marks),
    ]
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(name)}" class="candles">'
        f"{''.join(parts)}</svg>"
    )


def _bars(series: CandleSeries, first_ms: int, last_ms: int) -> _Bars:
    """The candles of [first, last) in buckets that start on whole multiples of their width."""
    rows = slice(*np.searchsorted(series.ts_ms, [first_ms, last_ms]).tolist())
    stamps = series.ts_ms[rows]
    span_min = (last_ms - first_ms) / _MINUTE_MS
    fitting = [minutes for minutes in _BUCKETS_MIN if minutes * _MINUTE_MS >= series.interval_ms]
    minutes = next((one for one in fitting if span_min / one <= _MOST_CANDLES), _BUCKETS_MIN[-1])
    while span_min / minutes > _MOST_CANDLES:
        minutes *= 2
    width = minutes * _MINUTE_MS
    starts, first_rows = np.unique(stamps // width * width, return_index=True)
    if not len(starts):
        empty = np.empty(0)
        return _Bars(starts, empty, empty, empty, empty, width)
    last_rows = np.append(first_rows[1:], len(stamps)) - 1
    return _Bars(
        starts,
        series.open[rows][first_rows],
        np.maximum.reduceat(series.high[rows], first_rows),
        np.minimum.reduceat(series.low[rows], first_rows),
        series.close[rows][last_rows],
        width,
    )


def _candles(scale: _Scale, bars: _Bars) -> str:
    """Wicks and bodies of rising and of falling candles: one path each; rising ones are hollow."""
    wicks: dict[str, list[str]] = {"up": [], "down": []}
    bodies: dict[str, list[str]] = {"up": [], "down": []}
    columns = (bars.start_ms, bars.open, bars.high, bars.low, bars.close)
    for start, opened, high, low, close in zip(*(column.tolist() for column in columns), strict=True):
        kind = "up" if close >= opened else "down"
        left, right = scale.x(start + 0.16 * bars.width_ms), scale.x(start + 0.84 * bars.width_ms)
        x, half = (left + right) / 2, max(0.6, (right - left) / 2)
        top, bottom = scale.y(max(opened, close)), scale.y(min(opened, close))
        bottom = max(bottom, top + 0.8)
        wicks[kind].append(f"M{x:.1f} {scale.y(high):.1f}V{top:.1f}M{x:.1f} {bottom:.1f}V{scale.y(low):.1f}")
        bodies[kind].append(f"M{x - half:.1f} {top:.1f}H{x + half:.1f}V{bottom:.1f}H{x - half:.1f}Z")
    return "".join(
        f'<path class="wick {kind}" d="{"".join(wicks[kind])}"/><path class="body {kind}" d="{"".join(bodies[kind])}"/>'
        for kind in ("up", "down")
        if bodies[kind]
    )


def _grid(scale: _Scale) -> str:
    right = WIDTH - _RIGHT
    lines = [
        f'<path class="grid" d="M{_LEFT} {scale.y(price):.1f}H{right}"/>'
        f'<text x="{right + 5}" y="{scale.y(price) + 3.5:.1f}">{_label(price)}</text>'
        for price in scale.prices()
    ]
    return "".join(lines) + "".join(
        f'<text class="time" x="{scale.x(stamp):.1f}" y="{HEIGHT - 6}">{text}</text>' for stamp, text in _times(scale)
    )


def _times(scale: _Scale) -> list[tuple[int, str]]:
    span_min = (scale.last_ms - scale.first_ms) / _MINUTE_MS
    step = next((one for one in _TICKS_MIN if span_min / one <= _MOST_TICKS), _TICKS_MIN[-1])
    while span_min / step > _MOST_TICKS:
        step *= 2
    width = step * _MINUTE_MS
    stamps = range(-(-scale.first_ms // width) * width, scale.last_ms, width)
    at = [(stamp, datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=stamp)) for stamp in stamps]
    edge = (scale.last_ms - scale.first_ms) * 0.07
    labelled: list[tuple[int, str]] = []
    for stamp, when in at:
        if scale.first_ms + edge <= stamp <= scale.last_ms - edge / 2:
            is_dated = step >= _DAY_MIN or not labelled or when.hour == when.minute == 0
            labelled.append(
                (stamp, f"{when:%d %b}" if step >= _DAY_MIN else f"{when:%d %b %H:%M}" if is_dated else f"{when:%H:%M}")
            )
    return labelled


def _held(scale: _Scale, bought_ms: int, sold_ms: int) -> str:
    left, right = scale.x(bought_ms), scale.x(sold_ms)
    return (
        f'<rect class="held" x="{left:.1f}" y="{_TOP}" width="{max(0.5, right - left):.1f}" '
        f'height="{HEIGHT - _TOP - _BOTTOM}"/>'
    )


def _call(scale: _Scale, called_ms: int) -> str:
    x = scale.x(called_ms)
    return (
        f'<path class="call" d="M{x:.1f} {_TOP}V{HEIGHT - _BOTTOM}"/>'
        f'<text class="time" x="{max(x, 16):.1f}" y="{_TOP - 4}">call</text>'
    )


def _entry_line(scale: _Scale, bought: Mark, sold_ms: int) -> str:
    y = scale.y(bought.price)
    return f'<path class="entry" d="M{scale.x(bought.ts_ms):.1f} {y:.1f}H{scale.x(sold_ms):.1f}"/>'


def _marker(scale: _Scale, mark: Mark) -> str:
    x, y = scale.x(mark.ts_ms), scale.y(mark.price)
    shape = f"M{x:.1f} {y:.1f}l-5 9h10z" if mark.is_buy else f"M{x:.1f} {y:.1f}l-5 -9h10z"
    return f'<path class="{"buy" if mark.is_buy else "sell"}" d="{shape}"><title>{escape(mark.text)}</title></path>'


def _nice(step: float) -> float:
    """The next of 1, 2, 5, 10, 20, … from ``step`` on."""
    power: float = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * 0.999)


def _label(price: float) -> str:
    """A price without the zeros that a round one ends with."""
    text = price_of(price)
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text


def _rounded(value: float) -> float:
    return float(f"{value:.2g}")
