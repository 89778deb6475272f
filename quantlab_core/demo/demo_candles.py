"""One-minute candles that tell each token's story: silence, bursts of activity, growth and decay.

A price path is the story's profile (piecewise linear in the logarithm) plus a mean-reverting walk. A minute without
trades has no candle. A candle opens where the one before it closed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quantlab_core.demo.demo_cast import DAYS, SUPPLY, DemoToken, Story
from quantlab_core.demo.dice import Dice

END_MIN = (DAYS + 3) * 1440
"""Minutes from the world's first minute to the end of the candles, two days after the last day of calls."""

_PRICE_STREAM, _ACTIVITY_STREAM, _SHAPE_STREAM = 3, 4, 5
_PRICE_DIGITS = 6  # significant digits kept, so that stored numbers do not depend on the last bit of a logarithm
_VOLUME_DIGITS = 5

_BURST_MIN = 45  # minutes of crowded trading after a call and around the start of the move
_BURST_DENSITY = 0.97  # share of minutes with a candle within a burst
_DENSITY = 0.60  # share in a token's first day
_DENSITY_HALF_LIFE_MIN = 1100  # afterwards the share halves in this time
_LEAST_DENSITY = 0.03
_RUGGED_DENSITY = 0.05

_MEMORY = 0.996  # share of the walk's distance from its profile that is left after a minute
_NOISE = 0.009  # standard deviation of a quiet minute's return
_BURST_NOISE = 0.018

Floats = npt.NDArray[np.float64]
Minutes = npt.NDArray[np.int64]
Profile = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class TokenPath:
    """Candles of one token: minutes since the world's first minute, prices and volume in USD."""

    minute: Minutes
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    def price_at(self, second: int) -> float:
        """Last close before the minute that holds ``second``: what a bot could have shown then."""
        return float(self.close[max(int(np.searchsorted(self.minute, second // 60)) - 1, 0)])

    def highest_until(self, second: int) -> float:
        """Highest price so far, from closed candles only."""
        return float(self.high[: max(int(np.searchsorted(self.minute, second // 60)), 1)].max())


def token_path(seed: int, token: DemoToken, call_seconds: Sequence[int]) -> TokenPath:
    """Candles from the token's launch to its end: of trading where the story says so, else of the world."""
    shape = Dice(seed, _SHAPE_STREAM, token.index)
    profile, last_min, rug_min = _profile(token, shape)
    minutes = np.arange(token.launch_min, min(END_MIN, last_min), dtype=np.int64)
    in_burst = _bursts(minutes, [token.move_min, *(second // 60 for second in call_seconds)])
    start_price = shape.between(25_000, 140_000) / SUPPLY

    price = Dice(seed, _PRICE_STREAM, token.index)
    noise = price.normals(len(minutes)) * np.where(in_burst, _BURST_NOISE, _NOISE)
    since_move = (minutes - token.move_min).astype(np.float64)
    targets = np.interp(since_move, [at for at, _ in profile], [math.log(multiple) for _, multiple in profile])
    logs = math.log(start_price) + targets + _walk(noise)

    activity = Dice(seed, _ACTIVITY_STREAM, token.index)
    traded = activity.units(len(minutes)) < _density(minutes, token, in_burst, rug_min)
    traded[0] = True
    return _candles(minutes[traded], np.exp(logs[traded]), in_burst[traded], activity)


def _profile(token: DemoToken, dice: Dice) -> tuple[Profile, int, int | None]:
    """The story as (minutes since the move, multiple of the start price), its last minute and the minute of its rug."""
    last_min, rug_min = END_MIN, None
    match token.story:
        case Story.RUNNER:
            peak, days = dice.between(24, 30), dice.between(0.5, 0.7)
            top = days * 1440
            profile = [
                (0, 1),
                (12, 1.7),
                (90, 3.2),
                (0.5 * top, 9),
                (top, peak),
                (top + 700, 0.4 * peak),
                (top + 4000, 0.2 * peak),
            ]
        case Story.WINNER:
            peak, top = dice.between(2.2, 4.8), dice.between(70, 330)
            profile = [
                (0, 1),
                (8, 1 + 0.35 * (peak - 1)),
                (top, peak),
                (top + 240, 0.6 * peak),
                (top + 2400, 0.9),
                (top + 9000, 0.5),
            ]
        case Story.GRINDER:
            peak, top = dice.between(1.7, 2.6), dice.between(1300, 2300)
            profile = [(0, 1), (30, 1.1), (top, peak), (top + 3000, 0.7 * peak)]
        case Story.CHOP:
            low, high = dice.between(0.75, 0.9), dice.between(1.1, 1.35)
            profile = [(0, 1), (120, high), (420, low), (900, 1.05), (1500, low), (9000, 0.7 * low)]
        case Story.FADE:
            pop, floor = dice.between(1.15, 1.6), dice.between(0.12, 0.3)
            profile = [
                (0, 1),
                (dice.between(5, 18), pop),
                (60, 0.75 * pop),
                (dice.between(240, 520), floor * 1.5),
                (3000, floor),
            ]
        case Story.RUG:
            pop, at = dice.between(1.4, 1.9), dice.whole(70, 190)
            rug_min = token.move_min + at
            profile = [(0, 1), (20, 1.25), (at, pop), (at + 1, 0.04 * pop), (4000, 0.01)]
        case Story.DEAD:
            hours = dice.between(3, 9)
            last_min = token.move_min + int(hours * 60)
            profile = [(0, 1), (15, 1.2), (90, 0.6), (hours * 60, 0.15)]
    return profile, last_min, rug_min


def _bursts(minutes: Minutes, starts: Sequence[int]) -> npt.NDArray[np.bool_]:
    in_burst = np.zeros(len(minutes), dtype=np.bool_)
    for start in starts:
        in_burst |= (minutes >= start - 5) & (minutes < start + _BURST_MIN)
    return in_burst


def _density(minutes: Minutes, token: DemoToken, in_burst: npt.NDArray[np.bool_], rug_min: int | None) -> Floats:
    age = np.maximum(minutes - token.first_call_min - 1440, 0)
    density = np.where(
        in_burst, _BURST_DENSITY, np.maximum(_DENSITY * 0.5 ** (age / _DENSITY_HALF_LIFE_MIN), _LEAST_DENSITY)
    )
    if rug_min is not None:
        density = np.where(minutes > rug_min + 10, _RUGGED_DENSITY, density)
    return density


def _walk(noise: Floats) -> Floats:
    distance, walk = 0.0, []
    for step in noise.tolist():
        distance = distance * _MEMORY + step
        walk.append(distance)
    return np.array(walk)


def _candles(minutes: Minutes, closes: Floats, in_burst: npt.NDArray[np.bool_], dice: Dice) -> TokenPath:
    close = _rounded(closes, _PRICE_DIGITS)
    open_ = np.concatenate([close[:1], close[:-1]])
    top, bottom = np.maximum(open_, close), np.minimum(open_, close)
    reach = 0.012 * np.where(in_burst, 1.0, 0.5)
    # Squared, so that most wicks are short and a few are long.
    high = np.maximum(_rounded(top * (1 + reach * dice.units(len(close)) ** 2), _PRICE_DIGITS), top)
    low = np.minimum(_rounded(bottom * (1 - reach * dice.units(len(close)) ** 2), _PRICE_DIGITS), bottom)
    turnover = np.where(in_burst, 6_000.0, 700.0) * (0.1 + dice.units(len(close)) ** 3 * 4)
    moved = 1 + 40 * np.abs(close - open_) / open_
    return TokenPath(minutes, open_, high, low, close, _rounded(turnover * moved, _VOLUME_DIGITS))


def _rounded(values: Floats, digits: int) -> Floats:
    return np.array([float(f"{value:.{digits}g}") for value in values.tolist()])
