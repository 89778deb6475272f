"""What a reader of an experiment's results must know: every alert left out and why, and what the trades rest on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from quantlab_core.experiments.artifact_types import EXPERIMENT_DIAGNOSTICS
from quantlab_core.simulation.alert_outcome import AlertOutcome
from quantlab_core.simulation.portfolio import PortfolioRun

STALE_AFTER_S = 3_600.0
"""A time exit whose price is older than this is counted as stale."""

_LEFT_OUT = {
    "no_candle_series": ("warning", "no candles of the token are in the experiment's candle set"),
    "no_candle": ("info", "no candle opened within the entry wait after the call"),
    "limit_not_filled": ("info", "the limit order was not filled in its lifetime"),
    "edit_beyond_candles": ("warning", "the call counts from its edit, and for that time no candles were asked for"),
    "edited_call": ("info", "the call was edited and its token is not proven for the time of the call"),
    "not_first_in_chat": ("info", "the token had been called in the chat before"),
    "not_first_by_caller": ("info", "the caller had called the token before"),
    "caller_not_selected": ("info", "the caller is not selected"),
    "chain_not_selected": ("info", "the chain is not selected"),
    "ts_not_ascending": ("error", "candle times of the token do not ascend"),
    "ts_off_grid": ("error", "a candle time of the token is no multiple of the resolution"),
    "price_not_finite": ("error", "a candle that the simulation needs has a price that is no finite number"),
    "price_not_positive": ("error", "a candle that the simulation needs has a price of zero or less"),
    "low_above_open_or_close": ("error", "a candle that the simulation needs has its low above its open or close"),
    "high_below_open_or_close": ("error", "a candle that the simulation needs has its high below its open or close"),
    "rejected_capital": ("info", "the portfolio had too little cash for the trade"),
    "rejected_max_open": ("info", "the portfolio held its highest number of positions"),
    "rejected_token_held": ("info", "the portfolio held the token already"),
}
"""Level and sentence of every reason for which an alert makes no trade, or a trade is not in the portfolio."""


@dataclass(frozen=True, slots=True)
class _Entry:
    level: str
    code: str
    message: str
    alert_id: str | None = None
    context: Mapping[str, Any] = field(default_factory=dict)


def diagnostics_table(
    outcomes: Sequence[AlertOutcome],
    portfolio: PortfolioRun,
    dead_token: str,
    *,
    n_outside_range: int,
    n_edits_unknown: int = 0,
) -> pa.Table:
    """The diagnostics of one run: first what holds for all of it, then every alert left out, then rejected trades."""
    entries = [
        *_summary(outcomes, portfolio, dead_token, n_outside_range),
        *_edits_unknown(n_edits_unknown, len(outcomes)),
        *(_left_out(outcome, outcome.reason, "alert") for outcome in outcomes if outcome.reason is not None),
        *(_left_out(rejection.outcome, rejection.code, "trade") for rejection in portfolio.rejections),
    ]
    rows = [
        {
            "ordinal": ordinal,
            "level": entry.level,
            "code": entry.code,
            "message": entry.message,
            "alert_id": entry.alert_id,
            "context": json.dumps(entry.context, sort_keys=True, ensure_ascii=False) if entry.context else None,
        }
        for ordinal, entry in enumerate(entries)
    ]
    return pa.Table.from_pylist(rows, schema=EXPERIMENT_DIAGNOSTICS.schema)


def _left_out(outcome: AlertOutcome, reason: str, what: str) -> _Entry:
    level, sentence = _LEFT_OUT[reason]
    token = {"token": outcome.token.address, "chain": outcome.token.chain}
    return _Entry(level, reason, f"{what} left out: {sentence}", outcome.alert_id, token)


def _summary(
    outcomes: Sequence[AlertOutcome], portfolio: PortfolioRun, dead_token: str, n_outside_range: int
) -> Iterator[_Entry]:
    positions = [outcome.position for outcome in outcomes if outcome.position is not None]
    n = len(positions)
    if n_outside_range:
        yield _Entry(
            "info",
            "outside_range",
            f"{n_outside_range} alerts lie outside the experiment's date range and are in no table",
            context={"alerts": n_outside_range},
        )
    if not positions:
        yield _Entry("warning", "no_trades", f"none of {len(outcomes)} alerts became a trade")
    yield from _counted(
        "ambiguous_trades",
        (position.is_ambiguous for position in positions),
        "of {n} trades met stop and target inside one candle; see return_pessimistic and return_optimistic",
        n,
    )
    yield from _counted(
        "censored_trades",
        (position.is_censored for position in positions),
        "of {n} trades end with the data, before stop, target or deadline",
        n,
        level="warning",
    )
    yield from _counted(
        "stale_exits",
        ((position.stale_exit_s or 0.0) > STALE_AFTER_S for position in positions),
        f"of {{n}} trades were sold by time at a price more than {STALE_AFTER_S / 60:.0f} minutes old",
        n,
        level="warning",
    )
    if dead_token == "zero":  # noqa: S105 - a token is a coin here
        yield _Entry("warning", "stress_dead_token", "stress test: positions that end with the data are worth nothing")
    if portfolio.rejections:
        yield _Entry(
            "info",
            "portfolio_rejections",
            f"{len(portfolio.rejections)} of {n} trades are not in the curve: the portfolio could not take them",
            context={"rejected": len(portfolio.rejections), "trades": n},
        )


def _edits_unknown(n_edits_unknown: int, n_alerts: int) -> Iterator[_Entry]:
    if n_edits_unknown:
        yield _Entry(
            "warning",
            "edits_unknown",
            f"{n_edits_unknown} of {n_alerts} alerts come from where edits are not told (the earlier store, HTML"
            " exports): their tokens may have been written in after the call",
            context={"count": n_edits_unknown, "alerts": n_alerts},
        )


def _counted(code: str, flags: Iterable[bool], text: str, n: int, *, level: str = "info") -> Iterator[_Entry]:
    count = sum(flags)
    if count:
        yield _Entry(level, code, f"{count} {text.format(n=n)}", context={"count": count, "trades": n})
