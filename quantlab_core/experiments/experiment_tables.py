"""Running an experiment: alerts and candles in, five result tables out. The same inputs give the same tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from quantlab_core.alerts.caller_aliases import NO_ALIASES, CallerAliases
from quantlab_core.candles.epoch_time import epoch_microseconds, instant_of
from quantlab_core.candles.source_spans import SourceSpan, decode_spans, span_end_at
from quantlab_core.errors import InvalidInputError
from quantlab_core.experiments.checked_config import CheckedConfig, check_config
from quantlab_core.experiments.diagnostics import diagnostics_table
from quantlab_core.experiments.experiment import ExperimentConfig
from quantlab_core.experiments.listed_calls import Call, listed_calls
from quantlab_core.experiments.rementions import rementions
from quantlab_core.experiments.result_rows import curves_table, fills_table, metrics_table, trades_table
from quantlab_core.experiments.selection import Selection, exclusion_reason, tradable_from_us, with_aliases
from quantlab_core.simulation.alert_outcome import AlertOutcome, OutcomeStatus
from quantlab_core.simulation.candle_series import CandleSeries
from quantlab_core.simulation.engine import simulate
from quantlab_core.simulation.entry import entry_allowed_after_ms, first_row_after_alert
from quantlab_core.simulation.metrics import experiment_metrics
from quantlab_core.simulation.portfolio import run_portfolio
from quantlab_core.simulation.strategy import Strategy
from quantlab_core.simulation.trade import Position, SimulatedTrade
from quantlab_core.token import Token


@dataclass(frozen=True, slots=True)
class ExperimentTables:
    """The results of one run, each in the schema of its artifact type and in sort-key order."""

    trades: pa.Table
    fills: pa.Table
    curves: pa.Table
    metrics: pa.Table
    diagnostics: pa.Table


def run_experiment(
    *,
    experiment_id: str,
    config: ExperimentConfig,
    alerts: pa.Table,
    candles: Mapping[Token, pa.Table],
    aliases: CallerAliases = NO_ALIASES,
    progress: Callable[[int, int], None] | None = None,
) -> ExperimentTables:
    """Simulate every alert of the range and make the result tables.

    ``alerts`` has the alerts schema, ``candles`` a table of the token candles schema for each token that has any; its
    schema metadata hold ``resolution`` and ``source_spans``. The order of the alerts does not matter. ``aliases`` say
    which callers are one person. ``progress`` is called with the alerts done and their number. Raises StrategyError or
    InvalidInputError for a configuration that is refused, InvalidInputError for an alert that occurs twice or candles
    without resolution.
    """
    checked = check_config(config)
    listed = listed_calls(alerts, aliases)
    in_range = [call for call in listed if checked.alert_range.holds(call.alert_ts_us)]
    selection = with_aliases(checked.params.selection, aliases)
    selecting = _Selecting(selection, rementions(listed, selection))
    outcomes = _outcomes(in_range, candles, checked, selecting, progress)
    strategy, portfolio_config = checked.strategy, checked.params.portfolio
    portfolio = run_portfolio(outcomes, portfolio_config, strategy.stake)
    return ExperimentTables(
        trades=trades_table(experiment_id, outcomes),
        fills=fills_table(outcomes),
        curves=curves_table(portfolio),
        metrics=metrics_table(experiment_metrics(outcomes, portfolio_config, strategy.stake)),
        diagnostics=diagnostics_table(
            outcomes,
            portfolio,
            checked.params.dead_token,
            n_outside_range=len(listed) - len(in_range),
            n_edits_unknown=sum(call.is_edit_unknown for call in in_range),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Selecting:
    """A selection and the ids of the calls that it takes for repetitions."""

    selection: Selection
    rementions: frozenset[str]


def _outcomes(
    calls: Sequence[Call],
    candles: Mapping[Token, pa.Table],
    checked: CheckedConfig,
    selecting: _Selecting,
    progress: Callable[[int, int], None] | None,
) -> list[AlertOutcome]:
    """The outcome of every call, in the order of ``calls``. One token's candles are in memory at a time."""
    by_token: dict[Token, list[Call]] = {}
    for call in calls:
        by_token.setdefault(call.token, []).append(call)
    outcomes: dict[str, AlertOutcome] = {}
    for token in sorted(by_token):
        for outcome in _token_outcomes(by_token[token], token, candles, checked, selecting):
            outcomes[outcome.alert_id] = outcome
            if progress is not None:
                progress(len(outcomes), len(calls))
    return [outcomes[call.alert_id] for call in calls]


def _token_outcomes(
    calls: Sequence[Call],
    token: Token,
    candles: Mapping[Token, pa.Table],
    checked: CheckedConfig,
    selecting: _Selecting,
) -> Iterator[AlertOutcome]:
    source: _TokenCandles | None = None
    for call in calls:
        exclusion = exclusion_reason(call, selecting.selection, selecting.rementions)
        if exclusion is not None:
            yield _outcome(call, "excluded", exclusion)
        elif token not in candles:
            yield _outcome(call, "no_entry", "no_candle_series")
        else:
            source = source or _TokenCandles.of(token, candles[token])
            trade = _simulated(call, source, checked)
            yield _outcome(call, trade.status, trade.reason, trade.position)


def _outcome(call: Call, status: OutcomeStatus, reason: str | None, position: Position | None = None) -> AlertOutcome:
    return AlertOutcome(call.alert_id, call.token, call.caller, call.alert_ts_us, status, reason, position)


def _simulated(call: Call, source: _TokenCandles, checked: CheckedConfig) -> SimulatedTrade:
    tradable_us = tradable_from_us(call, checked.params.selection)
    # Whole milliseconds: candles open on them, so rounding down changes no comparison with an open.
    tradable_from_ms = tradable_us // 1_000
    trade = simulate(
        source.series,
        alert_ts_ms=tradable_from_ms,
        strategy=checked.strategy,
        coverage_end_ms=source.coverage_end_ms(tradable_from_ms, checked.strategy),
        dead_price=checked.params.dead_token,
    )
    # Slices are asked for around the call. After a late edit their end says nothing of whether the token still traded.
    is_lagged = tradable_us > call.alert_ts_us
    if is_lagged and trade.reason == "no_candle" and not source.is_known_at(tradable_from_ms, checked.strategy):
        return replace(trade, reason="edit_beyond_candles")
    return trade


@dataclass(frozen=True, slots=True)
class _TokenCandles:
    """One token's series and the spans for which its source answered."""

    series: CandleSeries
    spans: tuple[SourceSpan, ...]

    @classmethod
    def of(cls, token: Token, table: pa.Table) -> _TokenCandles:
        metadata = table.schema.metadata or {}
        resolution = metadata.get(b"resolution")
        if resolution is None:
            raise InvalidInputError(f"candles of {token.partition_key}: the table's metadata do not say its resolution")
        spans = metadata.get(b"source_spans", b"")
        return cls(CandleSeries.from_table(table, resolution.decode()), decode_spans(spans.decode()) if spans else ())

    def coverage_end_ms(self, tradable_from_ms: int, strategy: Strategy) -> int | None:
        """End of the source span that holds the first candle an entry may use; None where no span does."""
        row = first_row_after_alert(self.series, tradable_from_ms, strategy)
        if row is None:
            return None
        end = span_end_at(self.spans, instant_of(int(self.series.ts_ms[row]) * 1_000))
        return None if end is None else epoch_microseconds(end) // 1_000

    def is_known_at(self, tradable_from_ms: int, strategy: Strategy) -> bool:
        """Whether the source was asked for all the time in which the entry's candle may open.

        Without spans it was asked from the first candle to the last.
        """
        first_ms = entry_allowed_after_ms(tradable_from_ms, strategy)
        last_ms = first_ms + round(strategy.max_entry_wait_s * 1_000)
        if not self.spans:
            return (
                len(self.series) > 0 and int(self.series.ts_ms[0]) <= first_ms and last_ms < (self.series.end_ms or 0)
            )
        end = span_end_at(self.spans, instant_of(first_ms * 1_000))
        return end is not None and last_ms * 1_000 < epoch_microseconds(end)
