"""Rule C10: which trades a limited purse could have taken, and its equity over time. It sees trades, never prices.

Equity is free cash plus open stakes at cost, so it changes only where a fee is paid or money comes back. A stake leaves
the cash at the entry; what it bought is held at its price without the entry fee until it is sold.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, NamedTuple, cast, get_args

from quantlab_core.simulation.alert_outcome import AlertOutcome
from quantlab_core.simulation.config_fields import ConfigFields
from quantlab_core.simulation.trade import Position
from quantlab_core.token import Token

Sizing = Literal["equal_stake", "fraction_of_equity"]
PORTFOLIO_KEYS = ("starting_capital", "sizing", "stake", "max_open", "one_per_token")

DEFAULT_STAKES = 100
"""Without ``starting_capital`` an equal-stake portfolio starts with so many stakes."""
DEFAULT_CAPITAL = 10_000.0
"""Without ``starting_capital`` a fraction-of-equity portfolio starts with so much."""
ROUNDING = 1e-9
"""Cash that lacks no more than this fraction of a stake lacks it by rounding alone, and pays for the stake."""


@dataclass(frozen=True, slots=True)
class PortfolioConfig:
    """The ``portfolio`` block. ``stake`` is money (equal_stake; None: the strategy's) or a fraction of equity."""

    starting_capital: float | None = None
    sizing: Sizing = "equal_stake"
    stake: float | None = None
    max_open: int | None = None
    one_per_token: bool = False


def parse_portfolio(values: object) -> PortfolioConfig:
    """The portfolio that a ``portfolio`` block describes. Raises InvalidInputError naming the key."""
    fields = ConfigFields("portfolio", values, PORTFOLIO_KEYS)
    sizing = cast(Sizing, fields.choice("sizing", "equal_stake", get_args(Sizing)))
    stake = fields.number("stake", above=0)
    if sizing == "fraction_of_equity" and (stake is None or stake > 1):
        raise fields.refuse("stake", "must be the fraction of equity to put in, above 0 and at most 1")
    starting_capital = fields.number("starting_capital", above=0)
    if sizing == "equal_stake" and stake is not None and starting_capital is not None and stake > starting_capital:
        raise fields.refuse(
            "stake", f"{stake:g} is more than starting_capital {starting_capital:g}: no trade could open"
        )
    return PortfolioConfig(
        starting_capital=starting_capital,
        sizing=sizing,
        stake=stake,
        max_open=fields.whole("max_open", least=1),
        one_per_token=fields.flag("one_per_token", False),
    )


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The portfolio after all events of one time. ``exposure`` is open stakes at cost / equity."""

    ts_ms: int
    cash: float
    equity: float
    n_open: int
    exposure: float
    drawdown: float
    drawdown_duration_s: float


@dataclass(frozen=True, slots=True)
class Rejection:
    """A trade that the portfolio could not take. ``code`` is rejected_capital, _max_open or _token_held."""

    outcome: AlertOutcome
    code: str


@dataclass(frozen=True, slots=True)
class PortfolioRun:
    """What a purse made of a list of trades; ``curve`` is in time order and empty when nothing was taken."""

    starting_capital: float
    curve: tuple[CurvePoint, ...]
    taken: tuple[AlertOutcome, ...]
    rejections: tuple[Rejection, ...]

    @property
    def final_equity(self) -> float:
        """Equity after the last event."""
        return self.curve[-1].equity if self.curve else self.starting_capital


def initial_purse(config: PortfolioConfig, strategy_stake: float) -> tuple[float, float]:
    """The stake (money, or a fraction of equity) and the starting capital, defaults put in."""
    stake = strategy_stake if config.stake is None else config.stake
    default = DEFAULT_STAKES * stake if config.sizing == "equal_stake" else DEFAULT_CAPITAL
    return stake, default if config.starting_capital is None else config.starting_capital


def run_portfolio(outcomes: Iterable[AlertOutcome], config: PortfolioConfig, strategy_stake: float) -> PortfolioRun:
    """Take the closed trades of ``outcomes`` in the order of their entries, as far as the purse allows.

    At one time exits come before entries; entries are taken by alert time, then alert id.
    """
    purse = _Purse(config, strategy_stake)
    closed = [(outcome, outcome.position) for outcome in outcomes if outcome.position is not None]
    closed.sort(key=lambda pair: (pair[1].entry_fill_ts_ms, pair[0].alert_ts_us, pair[0].alert_id))
    curve: list[CurvePoint] = []
    for entry_ms, group in groupby(closed, key=lambda pair: pair[1].entry_fill_ts_ms):
        curve.extend(purse.exits_until(entry_ms - 1))
        purse.settle(entry_ms)
        for outcome, position in group:
            purse.enter(outcome, position)
        purse.settle(entry_ms)
        if purse.has_changed:
            curve.append(purse.point(entry_ms))
    curve.extend(purse.exits_until(None))
    return PortfolioRun(purse.starting_capital, tuple(curve), tuple(purse.taken), tuple(purse.rejections))


class _DueSale(NamedTuple):
    """Money that will come back; sorts by time, then alert time, alert id and leg."""

    ts_ms: int
    alert_ts_us: int
    alert_id: str
    leg: int
    proceeds: float
    cost: float
    is_last: bool


class _Purse:
    """Cash, open positions at cost and the sales still to come, in time order."""

    def __init__(self, config: PortfolioConfig, strategy_stake: float) -> None:
        self._config = config
        self._stake, self.starting_capital = initial_purse(config, strategy_stake)
        self.taken: list[AlertOutcome] = []
        self.rejections: list[Rejection] = []
        self.has_changed = False
        self._cash = self.starting_capital
        self._open_cost: dict[str, float] = {}
        self._held: dict[str, Token] = {}
        self._sales: list[_DueSale] = []
        self._peak = self.starting_capital
        self._peak_ts_ms: int | None = None

    def enter(self, outcome: AlertOutcome, position: Position) -> None:
        """Open the position, or note why it could not be opened."""
        stake = self._stake if self._config.sizing == "equal_stake" else self._stake * self._equity()
        code = self._refusal(outcome.token, stake)
        if code is not None:
            self.rejections.append(Rejection(outcome, code))
            return
        self.taken.append(outcome)
        self.has_changed = True
        scale = stake / position.stake
        cost = (position.stake - position.entry_fee) * scale
        self._cash = max(0.0, self._cash - stake)
        self._open_cost[outcome.alert_id] = cost
        self._held[outcome.alert_id] = outcome.token
        for number, leg in enumerate(position.exits, start=1):
            sale = _DueSale(
                ts_ms=leg.ts_ms,
                alert_ts_us=outcome.alert_ts_us,
                alert_id=outcome.alert_id,
                leg=number,
                proceeds=(leg.quantity * leg.price - leg.fee) * scale,
                cost=cost * leg.fraction,
                is_last=number == len(position.exits),
            )
            heapq.heappush(self._sales, sale)

    def settle(self, until_ms: int) -> None:
        """Receive the money of all sales up to and including ``until_ms``."""
        while self._sales and self._sales[0].ts_ms <= until_ms:
            sale = heapq.heappop(self._sales)
            self.has_changed = True
            self._cash += sale.proceeds
            self._open_cost[sale.alert_id] -= sale.cost
            if sale.is_last:
                del self._open_cost[sale.alert_id], self._held[sale.alert_id]

    def exits_until(self, until_ms: int | None) -> Iterable[CurvePoint]:
        """Settle the sales up to ``until_ms`` (None: all), one curve point for each of their times."""
        while self._sales and (until_ms is None or self._sales[0].ts_ms <= until_ms):
            ts_ms = self._sales[0].ts_ms
            self.settle(ts_ms)
            yield self.point(ts_ms)

    def point(self, ts_ms: int) -> CurvePoint:
        """The present state as a point of the curve."""
        self.has_changed = False
        equity = self._equity()
        open_cost = math.fsum(self._open_cost.values())
        if self._peak_ts_ms is None or equity >= self._peak:
            self._peak_ts_ms = ts_ms
        self._peak = max(self._peak, equity)
        return CurvePoint(
            ts_ms=ts_ms,
            cash=self._cash,
            equity=equity,
            n_open=len(self._open_cost),
            exposure=open_cost / equity if equity > 0 else 0.0,
            drawdown=equity / self._peak - 1.0,
            drawdown_duration_s=(ts_ms - self._peak_ts_ms) / 1_000,
        )

    def _equity(self) -> float:
        return math.fsum((self._cash, *self._open_cost.values()))

    def _refusal(self, token: Token, stake: float) -> str | None:
        if self._config.one_per_token and token in self._held.values():
            return "rejected_token_held"
        if self._config.max_open is not None and len(self._open_cost) >= self._config.max_open:
            return "rejected_max_open"
        return "rejected_capital" if stake * (1 - ROUNDING) > self._cash or stake <= 0 else None
